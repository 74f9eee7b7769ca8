"""streaq: uvloop, pickles as it comes, results kept for five minutes, no log lines per job."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import streaq

from benchmarks.peers import jobs


def _worker(url: str, slots: int) -> tuple[streaq.Worker, dict[str, Any]]:
    worker = streaq.Worker(
        redis_url=url, concurrency=slots, anyio_kwargs={"use_uvloop": True}, queue_name="bench"
    )
    tasks = {name: worker.task(name=name, silent=True)(getattr(jobs, name)) for name in jobs.NAMES}
    return worker, tasks


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    worker, _tasks = _worker(url, slots)
    worker.run_sync()


class _Sender:
    def __init__(self, worker: streaq.Worker, tasks: dict[str, Any]) -> None:
        self._worker, self._tasks = worker, tasks

    async def send(self, job: str, number: int) -> None:
        await self._tasks[job].enqueue(number)

    async def send_many(self, job: str, numbers: range) -> None:
        await self._worker.enqueue_many([self._tasks[job].enqueue(n) for n in numbers])

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        due = datetime.fromtimestamp(due_ms / 1000, UTC)
        await self._tasks[job].enqueue(number).start(schedule=due)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    worker, tasks = _worker(url, 1)
    async with worker:
        yield _Sender(worker, tasks)
