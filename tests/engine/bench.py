"""Workers of a test's functions, and what is said of their jobs in one line."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from arq.worker import Function

from service.queue import JobCall, JobView, QueueClient, inspect, queue_key
from workers.engine import Worker

QUEUE = "engine"
KEY = queue_key(QUEUE)
HERE = "tests.engine"


def make_worker(client: QueueClient, *functions: Function, **settings: Any) -> Worker:
    """Return a worker of the tests' queue that stops when it is empty."""
    defaults: dict[str, Any] = {"queue_name": KEY, "burst": True, "handle_signals": False}
    return Worker(functions, redis_pool=client, **(defaults | settings))


async def work(client: QueueClient, *functions: Function, **settings: Any) -> Worker:
    """Run all jobs, waiting for those that are due within a few seconds."""
    worker = make_worker(client, *functions, **settings)
    async with asyncio.timeout(30):
        await worker.async_run()
    return worker


@asynccontextmanager
async def serving(
    client: QueueClient, *functions: Function, **settings: Any
) -> AsyncIterator[Worker]:
    """Run a worker meanwhile, then stop it as SIGTERM does."""
    worker = make_worker(client, *functions, **({"burst": False} | settings))
    task = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        worker.handle_sig(signal.SIGTERM)
        async with asyncio.timeout(15):
            await task


async def send(client: QueueClient, call: JobCall, job_id: str | None = None) -> str:
    """Send a job and return its id."""
    handle = await client.enqueue(call.deferred(until=call.run_at, job_id=job_id))
    assert handle is not None
    return handle.job_id


async def seen(client: QueueClient, job_id: str, **options: Any) -> JobView:
    """Return a job that exists."""
    view = await inspect(client, job_id, **options)
    assert view is not None, f"there is no job {job_id}"
    return view


async def until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110 - what holds is no event
            await asyncio.sleep(0.005)
