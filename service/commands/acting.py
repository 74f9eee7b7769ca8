"""How a command acts: as the operator of this installation, on its servers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from service.config import Settings
from service.operator import OPERATOR
from service.queue import HEADERS
from service.runtime import Runtime, open_runtime

T = TypeVar("T")
RETRIES = 1
"""Of commands to Redis: a person would rather hear at once that it is away."""


def on_runtime(act: Callable[[Runtime], Awaitable[T]]) -> T:
    """Open the servers of the settings in force, do this, and return what it does."""

    async def opened() -> T:
        HEADERS.set({**HEADERS.get(), "actor": OPERATOR.actor})
        async with open_runtime(Settings(), "cli", retries=RETRIES) as runtime:
            return await act(runtime)

    return asyncio.run(opened())
