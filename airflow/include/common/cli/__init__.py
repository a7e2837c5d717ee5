"""The `watershed` command."""
