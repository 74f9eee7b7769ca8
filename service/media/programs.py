"""Programs that read files which somebody sent: apart from us, with limits, and gone with us."""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.errors import AlmanacError
from service.kit.process import dying_with_us

HOW_TO_GET = (
    "is not installed on this machine; videos need it: apt-get install ffmpeg, "
    "brew install ffmpeg, or https://ffmpeg.org/download.html"
)
MOST_OUTPUT = 1 << 20
"""Bytes that are read of what a program says; one that says more is ended."""
KEPT_ERRORS = 4000
"""Of what it says on its standard error, the last so many bytes are kept."""
NICE = 10
_PIECE = 65_536


class ProgramMissing(AlmanacError):
    """A program that Almanac uses is not installed."""


class ProgramFailed(AlmanacError):
    """A program did not do what it should."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that has ended."""

    code: int
    """0: well; below zero the number of the signal."""
    output: bytes
    errors: str
    """The end of its standard error."""


def find(name: str) -> str:
    """Return the path of a program.

    Raises:
        ProgramMissing: it is not installed; says how to get it.
    """
    path = shutil.which(name)
    if path is None:
        raise ProgramMissing(f"{name} {HOW_TO_GET}")
    return path


async def run(
    command: Sequence[str],
    *,
    timeout: float,  # noqa: ASYNC109 - the program is killed, not only its wait
    told: Callable[[bytes], None] | None = None,
    keeps: bool = True,
) -> Finished:
    """Run a program in a session of its own until it ends.

    It is killed, with whatever it has started, when the time is up, when the task that waits is
    cancelled, and when this process dies.

    Args:
        command: its path and arguments.
        timeout: seconds.
        told: gets each line of its standard output, while it runs.
        keeps: whether its standard output is returned.

    Raises:
        ProgramFailed: it ran too long, or said too much.
    """
    process = await _started(command)
    assert process.stdout is not None
    assert process.stderr is not None
    reading = (
        asyncio.ensure_future(_output(process.stdout, told, keeps)),
        asyncio.ensure_future(_errors(process.stderr)),
    )
    try:
        async with asyncio.timeout(timeout):
            output, errors = await asyncio.gather(*reading)
            code = await process.wait()
    except TimeoutError:
        raise ProgramFailed(f"{_name(command)} did not end within {timeout:g} s") from None
    finally:
        _kill(process)
        await asyncio.shield(_end(process, reading))
    return Finished(code, output, errors)


async def _started(command: Sequence[str]) -> asyncio.subprocess.Process:
    starting = asyncio.ensure_future(
        asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=partial(_gently, dying_with_us(signal.SIGKILL)),
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        # Cancelled, asyncio would kill the program alone, and wait for what that has started.
        process = await starting
        _kill(process)
        await _end(process, ())
        raise


def _gently(bind: Callable[[], None]) -> None:
    """In the child, before the program begins: whatever else this machine does comes first."""
    os.nice(NICE)
    bind()


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError, PermissionError):  # it ends by itself just now
            os.killpg(process.pid, signal.SIGKILL)


async def _end(
    process: asyncio.subprocess.Process, reading: Sequence["asyncio.Future[Any]"]
) -> None:
    """Wait until a program that was killed, or has ended, is gone."""
    for task in reading:
        task.cancel()
    await asyncio.gather(*reading, return_exceptions=True)
    for stream in (process.stdout, process.stderr):
        # Its end is only told of once all that it has said was read.
        while stream is not None and await stream.read(_PIECE):
            pass
    await process.wait()


def _name(command: Sequence[str]) -> str:
    return os.path.basename(command[0])  # noqa: PTH119 - a name is wanted, no path


async def _output(
    stream: asyncio.StreamReader,
    told: Callable[[bytes], None] | None,
    keeps: bool,  # noqa: FBT001
) -> bytes:
    found = bytearray()
    while line := (await stream.readline() if told else await stream.read(_PIECE)):
        if told:
            told(line)
        if keeps:
            found += line
        if len(found) > MOST_OUTPUT:
            raise ProgramFailed(f"A program said more than {MOST_OUTPUT:,} bytes")
    return bytes(found)


async def _errors(stream: asyncio.StreamReader) -> str:
    kept = b""
    while piece := await stream.read(_PIECE):
        kept = (kept + piece)[-KEPT_ERRORS:]
    return kept.decode(errors="replace").strip()
