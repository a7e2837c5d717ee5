"""Log lines are JSON objects that say what they are about."""

import json
import logging

import pytest

from common.observe.log import bound, log_as_json, logger


def test_what_is_bound_stands_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger("common")
    before = root.handlers[:], root.level
    try:
        log_as_json()
        log = logger("common.test")
        with bound(consumer="c", run_id="r"), bound(hop=3):
            log.info("published", extra={"rows": 5})
        log.info("after")
    finally:
        root.handlers[:], root.level = before
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["message"], first["consumer"], first["hop"], first["rows"]) == ("published", "c", 3, 5)
    assert "consumer" not in second
