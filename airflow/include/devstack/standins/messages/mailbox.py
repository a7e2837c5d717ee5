"""Where a stand-in keeps what it was sent."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from common.core.clock import now

Record = Mapping[str, Any]


def parsed(body: bytes | str) -> Any:
    """Read JSON that may hold halves of characters, which no answer could: question marks take their place."""
    return json.loads(json.dumps(json.loads(body), ensure_ascii=False).encode(errors="replace"))


class Mailbox:
    """Messages of one service, in a folder; they outlive the process."""

    def __init__(self, folder: Path, service: str) -> None:
        self.service = service
        self.folder = folder / service
        self.folder.mkdir(parents=True, exist_ok=True)
        self._messages = self.folder / "messages.jsonl"
        self._lock = threading.Lock()
        self.count = len(self.messages())

    def keep(self, message: Record) -> None:
        """Append a message, with its service and the time that it was received at."""
        record = {"service": self.service, "received": now().isoformat(timespec="microseconds"), **message}
        line = json.dumps(record, ensure_ascii=False).encode(errors="replace")
        with self._lock, self._messages.open("ab", buffering=0) as file:
            file.write(line + b"\n")
            self.count += 1

    def messages(self) -> list[dict[str, Any]]:
        """Read every message, oldest first."""
        with self._lock:
            content = self._messages.read_bytes() if self._messages.exists() else b""
        return [json.loads(line) for line in content.split(b"\n")[:-1]]
