"""A service is healthy when it answers itself, and not when somebody else does in its place."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.folder import state_folder
from devstack.health import Probed, answers
from devstack.ports import HOST, Claims, choose_ports
from devstack.processes import Launch, end_family, family, identity, start

SERVER = f"""
import http.server, sys
class Well(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"{{}}")
http.server.HTTPServer(("{HOST}", int(sys.argv[1])), Well).serve_forever()
"""
PROBE = answers("s3", "ADDRESS", "/health")


@pytest.fixture
def port() -> Iterator[int]:
    with Claims() as claims:
        yield choose_ports(["s3"], {}, claims.take)["s3"]


def serve(folder: Path, unit: str, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", SERVER, str(port)]
    return start(Launch(family(folder, unit), command, dict(os.environ), folder / "log", folder))


def probed(folder: Path, pid: int, port: int) -> Probed:
    return Probed(state_folder(folder), {"ADDRESS": f"http://{HOST}:{port}"}, identity(pid), time.time())


def test_a_service_is_healthy_once_it_answers_itself(tmp_path: Path, port: int) -> None:
    with serve(tmp_path, "s3", port) as server:
        while not PROBE(probed(tmp_path, server.pid, port)):
            assert server.poll() is None
        end_family(family(tmp_path))


@pytest.mark.parametrize("whose", ["another stack", "another unit"])
def test_the_answer_of_somebody_else_is_none(tmp_path: Path, port: int, whose: str) -> None:
    other = tmp_path / "other" if whose == "another stack" else tmp_path
    unit = "s3" if whose == "another stack" else "standins"
    with serve(other, unit, port) as server:
        theirs = answers(unit, "ADDRESS", "/health")
        while not theirs(probed(other, server.pid, port)):
            assert server.poll() is None
        assert not PROBE(probed(tmp_path, server.pid, port))
        end_family(family(other))
