"""A worker with Sentry: python -m tests.compat.reporting WAY, which prints the events as JSON.

In a process of its own, since Sentry's integration changes arq in place for good.
"""

import asyncio
import json
import logging
import sys
from typing import Any, ClassVar

import arq.worker
import sentry_sdk
from arq import Retry, cron
from arq.typing import WorkerSettingsBase
from redis.asyncio import ConnectionPool
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.arq import ArqIntegration
from sentry_sdk.transport import Transport

from service.queue import QueueClient, RetryPolicy, job, queue_key
from service.queue.codec import deserialize, serialize
from tests.compat.plain import SOCKET
from workers.engine import Context, Worker, install, run
from workers.engine.serve import serve

QUEUE = "reported"


@job(
    "compat.explode",
    queue=QUEUE,
    coroutine=f"{__name__}.explode_now",
    retry=RetryPolicy(tries=1),
)
async def explode(word: str) -> None:
    """Raise."""


@job("compat.calm", queue=QUEUE, coroutine=f"{__name__}.calm_down")
async def calm(number: int) -> int:
    """Return the number, at the second try."""
    raise NotImplementedError


async def explode_now(ctx: Context, word: str) -> None:
    """Raise, while others do."""
    await asyncio.sleep(0.05)
    raise ValueError(word)


async def calm_down(ctx: Context, number: int) -> int:
    """Return the number, at the second try."""
    if ctx["job_try"] == 1:
        raise Retry(defer=0.01)
    return number


async def tick(ctx: Context) -> None:
    """Raise as a cron job."""
    raise LookupError("no tick")


def connect() -> QueueClient:
    """Return a client."""
    return QueueClient(ConnectionPool.from_url(f"unix://{SOCKET}"))


class Collected(Transport):
    """Keeps events instead of sending them."""

    events: ClassVar[list[Any]] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        """Keep the events of an envelope."""
        self.events.extend(item.payload.json for item in envelope.items if item.type == "event")


class Settings(WorkerSettingsBase):
    """Two declared jobs and a cron job."""

    functions = (run(explode, explode_now), run(calm, calm_down))
    cron_jobs = (cron(tick, hour=3, run_at_startup=True),)
    queue_name = queue_key(QUEUE)
    redis_pool = connect
    job_serializer = serialize
    job_deserializer = deserialize


def work(way: str) -> None:
    """Run a burst in the way of arq's command, or of ours."""
    if way == "serve":
        asyncio.run(serve([Settings], burst=True))
        return
    install()
    asyncio.set_event_loop(asyncio.new_event_loop())
    worker = arq.worker.create_worker(Settings, burst=True)
    assert isinstance(worker, Worker)
    worker.run()


def main(way: str) -> None:
    """Initialise Sentry without a network, work, and print what it would have sent."""
    logging.basicConfig(level=logging.INFO)
    sentry_sdk.init(
        "http://key@127.0.0.1:1/1",
        transport=Collected,
        integrations=[ArqIntegration()],
        send_default_pii=True,
    )
    work(way)
    sys.stdout.write(json.dumps(Collected.events))


if __name__ == "__main__":
    main(sys.argv[1])
