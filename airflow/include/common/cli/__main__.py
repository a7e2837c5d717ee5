"""Run the command as `python -m common.cli`."""

from common.cli.main import main

main()
