"""Shut this process in, then become the probe. Runs as a program, inside namespaces of its own (`unshare`).

There it has no network. It makes every file system read-only but an empty folder in memory, hides sockets of other
programs, and gives up all rights, so that nothing of it can be undone.
"""

import ctypes
import os
import sys

LIBC = ctypes.CDLL(None, use_errno=True)
MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, READ_ONLY = 442, -100, 0x8000, 1
NOSUID_NODEV = 2 | 4
HIDDEN = ("/run",)  # sockets by a path: the network's namespace does not hold them


def _require(done: int, what: str) -> None:
    if done != 0:
        sys.exit(f"fence: {what}: {os.strerror(ctypes.get_errno())}")


def read_only() -> None:
    """Make every file system read-only, whatever is mounted below it."""
    attributes = (ctypes.c_uint64 * 4)(READ_ONLY, 0, 0, 0)
    done = LIBC.syscall(MOUNT_SETATTR, AT_FDCWD, b"/", AT_RECURSIVE, attributes, ctypes.sizeof(attributes))
    _require(done, "make the file systems read-only")


def in_memory(folder: str) -> None:
    """Mount an empty folder that lives in memory."""
    done = LIBC.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", NOSUID_NODEV, b"size=64m")
    _require(done, f"mount {folder}")


def main() -> None:
    """Take the folder that may be written, then the command to become."""
    folder, command = sys.argv[1], sys.argv[2:]
    read_only()
    for place in (folder, *filter(os.path.isdir, HIDDEN)):
        in_memory(place)
    os.chdir(folder)
    rights = ["--bounding-set", "-all", "--inh-caps", "-all", "--ambient-caps", "-all", "--no-new-privs"]
    os.execvp("setpriv", ["setpriv", *rights, *command])  # noqa: S606, S607 - util-linux, as `unshare`


if __name__ == "__main__":
    main()
