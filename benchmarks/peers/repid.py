"""repid on Redis streams: uvloop, batches as large as its limit of tasks. It stores no results
and cannot defer on Redis."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop
from repid import Repid, Router
from repid.connections.redis import RedisServer

from benchmarks.peers import jobs

CHANNEL = "bench"
CHUNK = 100


def _app(url: str, batch: int) -> tuple[Repid, RedisServer]:
    app, server = Repid(), RedisServer(url, batch_size=batch)
    app.servers.register_server("redis", server, is_default=True)
    return app, server


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM."""
    logging.basicConfig(level=logging.WARNING)

    async def serve() -> None:
        app, server = _app(url, min(slots, 100))
        router = Router(channel=CHANNEL)
        for name in jobs.NAMES:
            router.actor(getattr(jobs, name), name)
        app.include_router(router)
        async with server.connection():
            await app.run_worker(tasks_limit=slots)

    uvloop.run(serve())


class _Sender:
    def __init__(self, app: Repid) -> None:
        self._app = app

    async def send(self, job: str, number: int) -> None:
        await self._app.send_message(
            channel=CHANNEL,
            payload=json.dumps({"number": number}).encode(),
            headers={"topic": job},
            content_type="application/json",
        )

    async def send_many(self, job: str, numbers: range) -> None:
        for first in range(numbers.start, numbers.stop, CHUNK):
            chunk = range(first, min(first + CHUNK, numbers.stop))
            await asyncio.gather(*(self.send(job, number) for number in chunk))

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        raise jobs.Cannot("repid's Redis broker cannot defer")


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    app, server = _app(url, 1)
    async with server.connection():
        yield _Sender(app)
