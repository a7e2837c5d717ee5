"""What the supervisor says about itself."""

import io
import os
from pathlib import Path

from rich.console import Console

from devstack.folder import state_folder
from devstack.processes import identity
from devstack.progress import Progress, status_table
from devstack.record import Condition, Phase, Record, UnitRecord, read_record, write_record
from devstack.status import look


def record_of(*units: UnitRecord) -> Record:
    own = identity(os.getpid())
    return Record(own.pid, own.started, Phase.RUNNING, units=list(units))


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    unit = UnitRecord("s3", "Objects", True, "s3.log", "http://x", Condition.READY, 7, 1.5, 9.0, 0.3, 2)
    record = record_of(unit)
    write_record(state_folder(tmp_path), record)
    assert read_record(state_folder(tmp_path)) == record
    assert record.alive


def test_no_record_is_a_stack_that_never_started(tmp_path: Path) -> None:
    assert read_record(state_folder(tmp_path)) is None
    found = look(state_folder(tmp_path))
    assert (found.running, found.phase, found.healthy) == (False, "never started", False)


def test_each_unit_is_told_once_where_there_is_no_terminal() -> None:
    output = io.StringIO()
    unit = UnitRecord("s3", "Objects", True, "s3.log")
    with Progress(Console(file=output)) as progress:
        progress.show(record_of(unit))
        unit.condition, unit.seconds = Condition.READY, 1.25
        for _ in range(2):
            progress.show(record_of(unit))
    assert output.getvalue() == "Objects: ready after 1.2 s\n"


def test_a_terminal_shows_every_unit_but_the_guardian() -> None:
    output = io.StringIO()
    units = [
        UnitRecord("guardian", "Guardian", True, ""),
        UnitRecord("s3", "Objects", True, "", condition=Condition.STARTING, restarts=1),
        UnitRecord("standins", "Message stand-ins", True, ""),
    ]
    with Progress(Console(file=output, force_terminal=True)) as progress:
        progress.show(record_of(*units))
    shown = output.getvalue()
    assert "Objects" in shown
    assert "restarted 1 x" in shown
    assert "Guardian" not in shown


def test_an_empty_status_is_a_table_too(tmp_path: Path) -> None:
    output = io.StringIO()
    Console(file=output).print(status_table(look(state_folder(tmp_path))))
    assert "never started" in output.getvalue()
