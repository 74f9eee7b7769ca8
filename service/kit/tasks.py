"""Ending tasks of asyncio."""

import asyncio
from typing import Any

AGAIN = 2.0
"""Seconds that a cancelled task has to clean up before it is cancelled once more."""


async def end(*tasks: "asyncio.Task[Any]") -> None:
    """Cancel tasks, as often as it takes, and wait for their ends; their errors stay with them.

    Libraries lose a cancellation now and then: one that meets the end of a timeout of their own, or
    the closing of a connection.
    """
    while left := [task for task in tasks if not task.done()]:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=AGAIN)
