"""Child processes with a session of their own: start one, know its end, end what it leaves."""

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from service.kit.process import dying_with_us

INCARNATION = "ALMANAC_INCARNATION"
"""Environment variable that names one start of one worker process in the tokens of its leases."""
GONE_WITHIN = 10.0
"""Seconds that killed processes get to disappear."""
RELEASE_WITHIN = 5.0
"""Seconds that a dead child's successor waits for `release`."""
_STEP = 0.005
_POLL = 0.05

log = logging.getLogger(__name__)


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; it is killed when this thread's process ends.

    Args:
        command: the program and its arguments.
        environment: its whole environment.
    """
    return subprocess.Popen(
        command,
        env=dict(environment),
        start_new_session=True,
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - exec follows at once
    )


async def exited(process: subprocess.Popen[bytes]) -> None:
    """Wait until a child has ended.

    Where Linux allows it the child is not reaped: until then its number is nobody else's, so that
    its session can be killed by that number.
    """
    descriptor = _pidfd(process)
    if descriptor is None:
        while process.poll() is None:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(_POLL)
        return
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _pidfd(process: subprocess.Popen[bytes]) -> int | None:
    """Return a descriptor that becomes readable at the child's end; None where there is none."""
    if sys.platform != "linux" or process.returncode is not None:
        return None
    try:
        return os.pidfd_open(process.pid)
    except OSError:  # before Linux 5.3, or forbidden to this container
        return None


async def end_session(process: subprocess.Popen[bytes]) -> bool:
    """Kill a child of `start` and whatever runs in its session, and reap it.

    Returns whether all of it was gone in time; False leaves a process that not even SIGKILL ends.
    """
    deadline = time.monotonic() + GONE_WITHIN
    while _kill_session(process.pid):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_STEP)
    process.wait()
    return True


def _kill_session(session: int) -> bool:
    """Send SIGKILL to all that runs in a session; return whether there was anything."""
    if sys.platform != "linux":
        try:
            os.killpg(session, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS forbids it for a group of zombies
            return False
        return True
    found = list(_running_in(session))
    for pid in found:
        with suppress(ProcessLookupError, PermissionError):  # gone, or of another user by now
            os.kill(pid, signal.SIGKILL)
    return bool(found)


def _running_in(session: int) -> Iterator[int]:
    """Yield the processes of a session, of whatever group, that are no zombies (proc(5))."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text(errors="replace")
        except OSError:  # gone meanwhile
            continue
        state, _parent, _group, found = status.rpartition(")")[2].split()[:4]
        if int(found) == session and state not in {"Z", "X"}:
            yield int(entry.name)


async def bury(process: subprocess.Popen[bytes], release: Callable[[], Awaitable[object]]) -> None:
    """End what a dead child has left, and only then release what it held.

    What cannot be released keeps its lease to the end of it: that is logged, never raised.

    Args:
        process: a child of `start` that has ended.
        release: gives back what the child held.
    """
    if not await end_session(process):
        log.error("process %d or a child of it cannot be killed: nothing released", process.pid)
        return
    try:
        async with asyncio.timeout(RELEASE_WITHIN):
            await release()
    except Exception as error:  # noqa: BLE001 - whatever fails here, the next child must be started
        log.warning("leases of process %d not released, they will expire: %r", process.pid, error)


def describe(returncode: int) -> str:
    """Return how a process ended: `SIGKILL`, or `exit code 3`."""
    if returncode < 0:
        with suppress(ValueError):  # a real-time signal has no name
            return signal.Signals(-returncode).name
        return f"signal {-returncode}"
    return f"exit code {returncode}"
