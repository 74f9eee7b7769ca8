"""Waiting for a condition."""

import asyncio
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
