"""SAQ: uvloop, due jobs moved every second (its shortest), results kept for ten minutes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import saq
import uvloop

from benchmarks.peers.jobs import NAMES, WithContext

CHUNK = 100


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""

    async def serve() -> None:
        functions = [(name, getattr(WithContext, name)) for name in NAMES]
        await saq.Worker(saq.Queue.from_url(url), functions, concurrency=slots).start()

    uvloop.run(serve())


class _Sender:
    def __init__(self, queue: saq.Queue) -> None:
        self._queue = queue

    async def send(self, job: str, number: int) -> None:
        await self._queue.enqueue(job, number=number)

    async def send_many(self, job: str, numbers: range) -> None:
        for first in range(numbers.start, numbers.stop, CHUNK):
            chunk = range(first, min(first + CHUNK, numbers.stop))
            await asyncio.gather(*(self.send(job, number) for number in chunk))

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        # Whole seconds, rounded up: it takes no others.
        await self._queue.enqueue(job, number=number, scheduled=-(-due_ms // 1000))


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    queue = saq.Queue.from_url(url)
    await queue.connect()
    try:
        yield _Sender(queue)
    finally:
        await queue.disconnect()
