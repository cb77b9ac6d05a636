"""Who holds a store: what is done, by which process, on which machine, since when."""

import json
import os
import socket
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Protocol

UNKNOWN = "its holder has not written down who it is yet"


@dataclass(frozen=True)
class Holder:
    """Somebody who holds a store, or waits for it.

    Attributes
    ----------
    what : str
        What is done, such as ``retrain``.
    pid : int
        The process.
    host : str
        Its machine.
    since : str
        When it began to hold or to wait, with the zone.
    run : str
        Its run; empty where the run begins after the lock was taken.
    """

    what: str
    pid: int
    host: str
    since: str
    run: str = ""

    @classmethod
    def here(cls, what: str, run: str = "") -> "Holder":
        """Return this process, from now on."""
        return cls(what, os.getpid(), socket.gethostname(), datetime.now().astimezone().strftime("%F %T %Z"), run)

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(asdict(self))

    def __str__(self) -> str:
        return f"{self.what}, process {self.pid} on {self.host}, since {self.since}"


def read_holder(text: str | None) -> Holder | None:
    """Read what a holder wrote down; None where it is not there or not whole."""
    try:
        return Holder(**json.loads(text or ""))
    except (ValueError, TypeError):
        return None


class HeldError(Exception):
    """Another process holds the store.

    Parameters
    ----------
    holder : Holder or None
        Who, where they have written it down.
    more : str
        What else is known, as the end of a sentence.
    """

    def __init__(self, holder: Holder | None, more: str = "") -> None:
        super().__init__(f"{holder or UNKNOWN}{more}")


class LostError(Exception):
    """The lock is no longer held by the process that took it; the message says why."""


class Lock(Protocol):
    """A lock of a store."""

    def acquire(self, seconds: float) -> Holder | None:
        """Take the lock, and return the holder that ended without giving it back, if there was one.

        Raises
        ------
        HeldError
            Where another process still holds it after these seconds.
        """

    def confirm(self) -> None:
        """Make sure that the lock is still held.

        Raises
        ------
        LostError
            Where it is not.
        """

    def release(self) -> None:
        """Give the lock back."""
