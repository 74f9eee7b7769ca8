"""arq's own worker and ours, made alike, so that one test can hold both to the same promise."""

import asyncio
import pickle
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import arq.worker
from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from service.queue.codec import deserialize, serialize
from workers.engine import Worker

StockWorker: type[arq.worker.Worker] = Worker.__mro__[1]
"""arq's own class, also after `install()` has put ours in its place."""
assert StockWorker.__module__ == "arq.worker"


class Codec(NamedTuple):
    """How payloads and results are written."""

    serializer: Callable[[dict[str, Any]], bytes]
    deserializer: Callable[[bytes], dict[str, Any]]


JSON = Codec(serialize, deserialize)
PICKLE = Codec(pickle.dumps, pickle.loads)


@dataclass(frozen=True)
class Bench:
    """Workers of one kind, and arq's own client of their queue, `arq:queue`."""

    made: type[arq.worker.Worker]
    redis: ArqRedis
    codec: Codec

    def worker(self, functions: Sequence[Any], **settings: Any) -> arq.worker.Worker:
        """Return a burst worker of these functions."""
        defaults: dict[str, Any] = {
            "redis_pool": self.redis,
            "burst": True,
            "handle_signals": False,
            "poll_delay": 0.01,
            "job_serializer": self.codec.serializer,
            "job_deserializer": self.codec.deserializer,
        }
        return self.made(functions, **(defaults | settings))

    async def work(self, functions: Sequence[Any], **settings: Any) -> arq.worker.Worker:
        """Run a burst worker until the queue is empty, and return it."""
        worker = self.worker(functions, **settings)
        async with asyncio.timeout(5):
            await worker.async_run()
        return worker

    @asynccontextmanager
    async def serving(
        self, functions: Sequence[Any], **settings: Any
    ) -> AsyncIterator[arq.worker.Worker]:
        """Run a worker until the block ends."""
        worker = self.worker(functions, burst=False, **settings)
        running = asyncio.create_task(worker.async_run())
        try:
            yield worker
        finally:
            worker.handle_sig(signal.SIGTERM)
            await asyncio.wait([running])
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)
        if not running.cancelled():  # arq's is cancelled by the signal, ours returns
            running.result()


@asynccontextmanager
async def opened(url: str, kind: str, codec: Codec) -> AsyncIterator[Bench]:
    """Connect arq's client to a server."""
    pool = ConnectionPool.from_url(url)
    redis = ArqRedis(pool, *codec)
    try:
        yield Bench({"arq": StockWorker, "ours": Worker}[kind], redis, codec)
    finally:
        await redis.aclose()
        await pool.aclose()
