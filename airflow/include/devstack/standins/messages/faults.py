"""Faults on demand: how the next calls of a service are to fail."""

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, Field

ServiceName = Literal["slack", "mail", "teams", "telegram", "pagerduty", "google", "veeva"]


class Kind(StrEnum):
    """What happens to a call."""

    BUSY = "busy"  # too many requests: to be sent again after `retry_after` seconds
    BROKEN = "broken"  # an error of the service
    SLOW = "slow"  # no answer for `seconds`; who hangs up before has sent nothing
    REFUSED = "refused"  # the answer to a wrong token
    GONE = "gone"  # the connection is closed without an answer


class Fault(BaseModel):
    """What happens to the next `times` calls of a service, without a number to all until the faults are removed.

    With `after` it happens to deliveries only, and once the message is kept: the sender cannot know.
    """

    channel: ServiceName
    fault: Kind
    times: int | None = Field(default=None, ge=1)
    retry_after: int = Field(default=1, ge=0)
    seconds: float = Field(default=30.0, ge=0)
    after: bool = False


class Faults:
    """The faults that are still to happen, in the order in which they were asked for; a restart forgets them."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> Fault:
        """Let a fault happen from now on."""
        with self._lock:
            self._faults.append(fault.model_copy())
        return fault

    def remove(self) -> None:
        """Let nothing fail any more."""
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[Fault]:
        """List what is still to happen."""
        with self._lock:
            return [fault.model_copy() for fault in self._faults]

    def take(self, service: str, fits: Callable[[Fault], bool]) -> Fault | None:
        """Return what is to happen to a call, and count it."""
        with self._lock:
            found = next((fault for fault in self._faults if fault.channel == service and fits(fault)), None)
            if found and found.times is not None:
                found.times -= 1
                self._faults = [fault for fault in self._faults if fault.times != 0]
        return found
