"""huey on Redis: one process of threads that block on the queue, results kept for an hour."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import huey

from benchmarks.peers.jobs import NAMES, Plain


def _tasks(url: str) -> tuple[huey.RedisExpireHuey, dict[str, Any]]:
    # store_none: every other system stores the result None as well.
    app = huey.RedisExpireHuey("bench", url=url, expire_time=3600, store_none=True, utc=True)
    return app, {name: app.task(name=name)(getattr(Plain, name)) for name in NAMES}


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM; slots are threads."""
    logging.basicConfig(level=logging.WARNING)
    app, _ = _tasks(url)
    app.create_consumer(workers=slots, worker_type="thread", periodic=False).run()


class _Sender:
    def __init__(self, tasks: dict[str, Any]) -> None:
        self._tasks = tasks

    async def send(self, job: str, number: int) -> None:
        self._tasks[job](number)

    async def send_many(self, job: str, numbers: range) -> None:
        for number in numbers:
            self._tasks[job](number)

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        self._tasks[job].schedule(args=(number,), eta=datetime.fromtimestamp(due_ms / 1000, UTC))


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    app, tasks = _tasks(url)
    yield _Sender(tasks)
    app.storage.close()
