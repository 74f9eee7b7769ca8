"""One supervisor per home: a lock that the kernel frees when its holder dies, however it dies."""

import fcntl
import json
import os
import shlex
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from service.errors import AlmanacError
from service.kit.clock import now

# Longer than a look at the lock by `holder` takes, which would otherwise be taken for a holder.
ACQUIRE_SECONDS = 0.2


class HomeInUse(AlmanacError):
    """Another process already runs the embedded servers of this home."""

    slug = "home-in-use"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a home: process id, command line, and since when (ISO 8601, UTC)."""

    pid: int
    command: str
    since: str


class HomeLock:
    """An flock on one file, which also says who holds it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> Holder:
        """Take the lock for this process.

        Raises:
            HomeInUse: another one, here or in another process, holds it.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if not wait_for_flock(descriptor, ACQUIRE_SECONDS):
            other = _read(descriptor)
            os.close(descriptor)
            raise HomeInUse(
                f"The embedded servers in {self._path.parent} are already run by process "
                f"{other.pid} ({other.command}), since {other.since}. Use those, stop them "
                f"(kill {other.pid}), or set ALMANAC_HOME to another folder."
            )
        self._descriptor = descriptor
        mine = Holder(os.getpid(), shlex.join(sys.orig_argv), now().isoformat(timespec="seconds"))
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(mine)).encode(), 0)
        return mine

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def release(self) -> None:
        """Free the lock; nothing happens when it is not held."""
        if self._descriptor is not None:
            # Unlocking, not only closing: a forked child may have a copy of the descriptor.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = None


def holder(path: Path) -> Holder | None:
    """Return who holds the lock, or None when it is free; a file left by a dead holder is free."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        if _flock(descriptor, fcntl.LOCK_SH):
            return None
        return _read(descriptor)
    finally:
        os.close(descriptor)


def wait_for_flock(descriptor: int, seconds: float) -> bool:
    """Try for so long to lock an open file for this process alone; say whether it worked."""
    deadline = time.monotonic() + seconds
    while not _flock(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _flock(descriptor: int, operation: int) -> bool:
    try:
        fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(descriptor: int) -> Holder:
    text = os.pread(descriptor, 65_536, 0)
    # Empty for the moment between taking the lock and writing its holder.
    return Holder(**json.loads(text)) if text else Holder(0, "just starting", "now")
