"""Waiting for a condition, and telling what was measured."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float, told: Callable[[], str] = str
) -> None:
    """Wait until an asynchronous condition holds; fail with what `told` says when it never does."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s\n{told()}"
        await asyncio.sleep(0.1)


def tell(text: str) -> None:
    """Print a measured figure."""
    sys.stdout.write(f"\n{text}\n")
