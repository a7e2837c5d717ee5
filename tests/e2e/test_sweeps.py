"""The demo without a single bell, on other input: its numbers are as exact."""

import json
import os
import subprocess
import sys
from pathlib import Path

from domains.ecommerce.samples.shop import PURCHASES
from tests.e2e.recount import perturb, recount
from tests.seed import SEED


def test_sweeps_alone_give_equal_answers_for_perturbed_input(tmp_path: Path) -> None:
    variant = tmp_path / "purchases.txt"
    perturb(PURCHASES, variant, SEED)
    env = {**os.environ, "WATERSHED_BELLS": "false", "WATERSHED_SWEEP_CRON": "* * * * * */10"}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "common.cli",
            "dev",
            "demo",
            "--json",
            "--state",
            str(tmp_path / "demo"),
            "--purchases",
            variant,
        ],
        env={**env, "PYTHONPATH": "airflow/include"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert found["answers"] == recount(variant), f"SEED={SEED}"
    assert json.loads((tmp_path / "demo" / "summary.json").read_text()) == found
    assert not (tmp_path / "demo" / "stack.json").exists()
