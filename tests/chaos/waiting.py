"""Waiting for a condition, and telling what was measured."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

from tests.support import Installation


async def until(
    condition: Callable[[], Awaitable[bool]], seconds: float, told: Callable[[], str] = str
) -> None:
    """Wait until an asynchronous condition holds; fail with what `told` says when it never does."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s\n{told()}"
        await asyncio.sleep(0.1)


async def all_published(api: Installation) -> bool:
    """Tell whether every delivery is published."""
    return await api.sql("SELECT 1 FROM deliveries WHERE state <> 'published' LIMIT 1") == []


async def nothing_queued(api: Installation) -> bool:
    """Tell whether nothing is left of any publishing job."""
    return await api.queued() == [] and await api.runtime.queue.keys("arq:*publish:*") == []


def tell(text: str) -> None:
    """Print a measured figure."""
    sys.stdout.write(f"\n{text}\n")
