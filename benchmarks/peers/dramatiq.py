"""dramatiq on Redis: one process of threads, results kept, without the Prometheus middleware."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from benchmarks.peers.jobs import NAMES, Plain


def _actors(url: str) -> tuple[RedisBroker, dict[str, Any]]:
    broker = RedisBroker(url=url)
    broker.add_middleware(Results(backend=RedisBackend(url=url), store_results=True))
    dramatiq.set_broker(broker)
    actors = {
        name: dramatiq.actor(getattr(Plain, name), actor_name=name, broker=broker) for name in NAMES
    }
    return broker, actors


def work(url: str, slots: int) -> None:
    """Serve the queue until SIGTERM; slots are threads."""
    broker, _tasks = _actors(url)
    worker = dramatiq.Worker(broker, worker_threads=slots)
    worker.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    worker.stop()


class _Sender:
    def __init__(self, actors: dict[str, Any]) -> None:
        self._actors = actors

    async def send(self, job: str, number: int) -> None:
        self._actors[job].send(number)

    async def send_many(self, job: str, numbers: range) -> None:
        for number in numbers:
            self._actors[job].send(number)

    async def send_at(self, job: str, number: int, due_ms: int) -> None:
        delay = due_ms - time.time_ns() // 1_000_000
        self._actors[job].send_with_options(args=(number,), delay=delay)


@asynccontextmanager
async def sender(url: str) -> AsyncIterator[_Sender]:
    """Open the sender."""
    broker, actors = _actors(url)
    yield _Sender(actors)
    broker.close()
