"""Writes that come while one is under way share the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from service.kit import tracing
from service.kit.context import LOG_FIELDS
from service.queue import HEADERS

T = TypeVar("T")
R = TypeVar("R")
LARGEST_BATCH = 200


class Together(Generic[T, R]):
    """Hands items to `write`, alone when they come alone, many at a time under load.

    Args:
        write: writes items and returns an answer for each, in order. When it raises for several,
            each is written again alone, since one of them may be what fails.
    """

    def __init__(self, write: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._write = write
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """Have an item written; return the answer, or raise what `write` raises."""
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all())
        return await answer

    async def _write_all(self) -> None:
        # Whoever came first, what is done here is not of that job alone.
        HEADERS.set({})
        LOG_FIELDS.set({})
        tracing.leave()
        try:
            while batch := self._waiting[:LARGEST_BATCH]:
                del self._waiting[:LARGEST_BATCH]
                await self._answer(batch)
        finally:
            self._writing = None

    async def _answer(self, batch: Sequence[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            answers = await self._write([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - raised again where it was asked for
            if len(batch) == 1:
                if not batch[0][1].done():
                    batch[0][1].set_exception(error)
                return
            for one in batch:
                await self._answer([one])
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
