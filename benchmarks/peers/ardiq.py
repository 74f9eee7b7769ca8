"""ardiq, a Rust core under a Python API: uvloop, its own prefetch, results kept as it comes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import ardiq
import uvloop

from benchmarks.peers import jobs


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    app = ardiq.Ardiq(url, concurrency=slots, prefetch=slots)
    for name in jobs.NAMES:
        app.task(getattr(jobs, name))
    uvloop.run(app.run())


class _Sender:
    def __init__(self, app: ardiq.Ardiq) -> None:
        self._app = app
        self._tasks = {name: app.ref(name) for name in jobs.NAMES}

    async def send(self, job: str, number: int) -> None:
        await self._tasks[job].enqueue(number)

    async def send_many(self, job: str, numbers: range) -> None:
        task = self._tasks[job]
        await self._app.enqueue_many(task.prepare(number) for number in numbers)

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        await self._tasks[job].options(schedule_ms=due_ms).enqueue(number)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    yield _Sender(ardiq.Ardiq(url))
