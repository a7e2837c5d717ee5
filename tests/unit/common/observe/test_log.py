"""Log lines are JSON objects that say what they are about."""

import json

import pytest
import structlog

from common.observe.log import bound, log_as_json, logger


def test_what_is_bound_stands_on_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    try:
        log_as_json()
        log = logger("common.test")
        with bound(consumer="c", run_id="r"), bound(hop=3):
            log.info("published", rows=5)
        log.debug("not shown")
        log.info("after")
    finally:
        structlog.configure(**before)
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["consumer"], first["hop"], first["rows"]) == ("published", "c", 3, 5)
    assert first["level"] == "info"
    assert "consumer" not in second
