"""Almanac's engine: declared jobs, typed arguments, JSON, results kept for an hour."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import uvloop

from benchmarks.peers.jobs import WithContext
from service.queue import JobCall, JobType, QueueClient, connect, job, queue_key
from service.queue.codec import deserialize, serialize
from workers.engine import Worker, run

QUEUE = "bench"


@job("bench.noop", queue=QUEUE, coroutine="benchmarks.peers.jobs.WithContext.noop")
async def _noop(number: int) -> None:
    """Do nothing."""


@job("bench.nap", queue=QUEUE, coroutine="benchmarks.peers.jobs.WithContext.nap")
async def _nap(number: int) -> None:
    """Wait for 10 ms."""


@job("bench.stamp", queue=QUEUE, coroutine="benchmarks.peers.jobs.WithContext.stamp")
async def _stamp(number: int) -> None:
    """Note the start."""


_JOBS: dict[str, JobType[[int], None]] = {"noop": _noop, "nap": _nap, "stamp": _stamp}


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.set_event_loop(asyncio.new_event_loop())
    Worker(
        functions=[run(_JOBS[name], getattr(WithContext, name)) for name in _JOBS],
        queue_name=queue_key(QUEUE),
        redis_pool=partial(connect, url),
        max_jobs=slots,
        job_serializer=serialize,
        job_deserializer=deserialize,
    ).run()


class _Sender:
    def __init__(self, client: QueueClient) -> None:
        self._client = client

    async def send(self, job: str, number: int) -> None:
        await self._client.enqueue_job(f"bench.{job}", number, _queue_name=queue_key(QUEUE))

    async def send_many(self, job: str, numbers: range) -> None:
        await self._client.enqueue_many(map(_JOBS[job], numbers))

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        due = datetime.fromtimestamp(due_ms / 1000, UTC)
        await self._client.enqueue(_JOBS[job](number).deferred(due))


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    client = connect(url)
    try:
        yield _Sender(client)
    finally:
        await client.aclose()


def calls(job: str, numbers: range, due: datetime | None) -> list[JobCall]:
    """Return calls for a backlog; arq's worker can serve them as well."""
    return [_JOBS[job](number).deferred(due) for number in numbers]
