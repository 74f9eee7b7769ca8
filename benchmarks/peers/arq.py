"""arq 0.28, tuned: uvloop, a poll every 10 ms, and JSON by msgspec, which is as fast as pickle.

Its worker reads Almanac's payloads too, so that both can drain the same backlog.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import arq
import msgspec
import uvloop
from arq.connections import ArqRedis, RedisSettings
from arq.worker import Worker, func

from benchmarks.peers.jobs import NAMES, WithContext

QUEUE = "almanac:bench"
POLL = 0.01
CHUNK = 100
"""Enqueues under way at the same time: more made it slower."""


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.set_event_loop(asyncio.new_event_loop())
    Worker(
        functions=[func(getattr(WithContext, name), name=f"bench.{name}") for name in NAMES],
        queue_name=QUEUE,
        redis_settings=RedisSettings.from_dsn(url),
        max_jobs=slots,
        poll_delay=POLL,
        job_serializer=msgspec.json.encode,
        job_deserializer=msgspec.json.decode,
    ).run()


class _Sender:
    def __init__(self, client: ArqRedis) -> None:
        self._client = client

    async def send(self, job: str, number: int) -> None:
        await self._client.enqueue_job(f"bench.{job}", number)

    async def send_many(self, job: str, numbers: range) -> None:
        for first in range(numbers.start, numbers.stop, CHUNK):
            chunk = range(first, min(first + CHUNK, numbers.stop))
            await asyncio.gather(*(self.send(job, number) for number in chunk))

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        due = datetime.fromtimestamp(due_ms / 1000, UTC)
        await self._client.enqueue_job(f"bench.{job}", number, _defer_until=due)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    client = await arq.create_pool(
        RedisSettings.from_dsn(url), job_serializer=msgspec.json.encode, default_queue_name=QUEUE
    )
    try:
        yield _Sender(client)
    finally:
        await client.aclose()
