"""Who sees the variables that a test sets."""

import ctypes
import subprocess

import pytest


def test_processes_see_what_a_test_sets_and_native_threads_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATERSHED_SEEN", "1")
    libc = ctypes.CDLL(None)
    libc.getenv.restype = ctypes.c_char_p
    assert libc.getenv(b"WATERSHED_SEEN") is None
    assert subprocess.check_output(["printenv", "WATERSHED_SEEN"], text=True) == "1\n"
