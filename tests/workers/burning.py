"""Functions that run in other processes."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Never


class Odd(Exception):
    """An exception that pickle writes and cannot read."""

    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def whereabouts(*, greeting: str = "") -> tuple[str, int]:
    """Return a greeting and the process."""
    return greeting, os.getpid()


def fail(word: str) -> Never:
    """Raise."""
    raise ValueError(f"bad {word}")


def fail_oddly() -> Never:
    """Raise what cannot be sent."""
    raise Odd(1, 2)


def end_by(number: int) -> Never:
    """Die by a signal."""
    os.kill(os.getpid(), number)
    raise AssertionError


def leave(code: int) -> Never:
    """Exit."""
    sys.exit(code)


def crash() -> None:
    """Read where nothing is."""
    ctypes.string_at(0)


def fork_and_die() -> Never:
    """Die while a child of ours holds everything open that we had."""
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
    end_by(signal.SIGKILL)


def a_closure() -> object:
    """Return what cannot be sent back."""
    return lambda: None


def hold_gil(seconds: int) -> None:
    """Sleep in C with the GIL held."""
    ctypes.PyDLL(None).sleep(seconds)


def burn(file: Path) -> None:
    """Say which process this is, and compute for ever."""
    file.write_text(str(os.getpid()))
    while True:
        pass


def burn_beside_child(file: Path) -> None:
    """Burn, with a child process of our own that sleeps."""
    child = subprocess.Popen(["sleep", "60"])
    file.with_suffix(".child").write_text(str(child.pid))
    burn(file)


def nap(seconds: float) -> tuple[float, float]:
    """Sleep; return when that was."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()


def size(payload: bytes) -> tuple[int, bytes]:
    """Return a payload's size and the payload."""
    return len(payload), payload
