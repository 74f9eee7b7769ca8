"""taskiq on taskiq-redis' stream broker: uvloop, prefetching what it can run, results kept.

Due jobs come from its scheduler, which runs in the same process and looks once a second.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop
from taskiq import TaskiqScheduler
from taskiq.api import run_receiver_task, run_scheduler_task
from taskiq_redis import ListRedisScheduleSource, RedisAsyncResultBackend, RedisStreamBroker

from benchmarks.peers import jobs

CHUNK = 100
FETCH, LOOK = timedelta(seconds=0.1), timedelta(seconds=1)
"""Below a second its scheduler spins on a whole core."""


def _broker(url: str) -> tuple[Any, dict[str, Any]]:
    backend = RedisAsyncResultBackend(url, result_ex_time=3600, prefix_str="result")
    broker = RedisStreamBroker(url, consumer_id="0").with_result_backend(backend)
    tasks = {name: broker.register_task(getattr(jobs, name), task_name=name) for name in jobs.NAMES}
    return broker, tasks


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)

    async def serve() -> None:
        broker, _tasks = _broker(url)
        source = ListRedisScheduleSource(url)
        scheduler = TaskiqScheduler(broker, [source])
        await broker.startup()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_receiver_task(broker, max_async_tasks=slots, max_prefetch=slots))
            group.create_task(run_scheduler_task(scheduler, interval=FETCH, loop_interval=LOOK))

    uvloop.run(serve())


class _Sender:
    def __init__(self, tasks: dict[str, Any], source: ListRedisScheduleSource) -> None:
        self._tasks, self._source = tasks, source

    async def send(self, job: str, number: int) -> None:
        await self._tasks[job].kiq(number)

    async def send_many(self, job: str, numbers: range) -> None:
        for first in range(numbers.start, numbers.stop, CHUNK):
            chunk = range(first, min(first + CHUNK, numbers.stop))
            await asyncio.gather(*(self.send(job, number) for number in chunk))

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        due = datetime.fromtimestamp(due_ms / 1000, UTC)
        await self._tasks[job].schedule_by_time(self._source, due, number)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    broker, tasks = _broker(url)
    source = ListRedisScheduleSource(url)
    await broker.startup()
    await source.startup()
    try:
        yield _Sender(tasks, source)
    finally:
        await source.shutdown()
        await broker.shutdown()
