"""What every worker process opens, and what all WorkerSettings share."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC
from typing import Any, TypeVar

from service.accounts import actions as accounts
from service.config import Settings
from service.kit.tasks import end
from service.logs import start_logging
from service.production import refuse_evicting_redis
from service.queue import QueueClient, queue_key
from service.queue.codec import deserialize, serialize
from service.runtime import load, open_queue, open_runtime
from service.schedules import ticking
from workers import periodic
from workers.engine import LEDGER, METER, TICKED, Context, install
from workers.engine.identity import process_name
from workers.ledger import JobLedger
from workers.notes import RunLog

install()

Settled = TypeVar("Settled", bound=type)
NAME = process_name()
"""Names this worker in attempts and records."""
COMPLETION_WAIT = 35
"""Seconds that running jobs get at SIGTERM: a little more than the longest publishing call."""
HEALTH_INTERVAL = 60

log = logging.getLogger(__name__)


def serves(queue: str) -> Callable[[Settled], Settled]:
    """Complete the WorkerSettings of a queue with what all of them share.

    arq reads the class's own attributes only, so they cannot be inherited. What the class sets
    itself stays.
    """
    shared = {
        "queue_name": queue_key(queue),
        "max_jobs": getattr(Settings(), f"{queue}_concurrency"),
        "redis_pool": connect,
        "job_serializer": serialize,
        "job_deserializer": deserialize,
        "on_startup": startup,
        "on_shutdown": shutdown,
        "job_completion_wait": COMPLETION_WAIT,
        "health_check_interval": HEALTH_INTERVAL,
        "allow_abort_jobs": True,
        "timezone": UTC,
    }

    def complete(settings: Settled) -> Settled:
        for name, value in shared.items():
            if name not in vars(settings):
                setattr(settings, name, value)
        return settings

    return complete


def connect() -> QueueClient:
    """Return this process's queue client, from the environment."""
    return open_queue(Settings())


async def startup(ctx: Context) -> None:
    """Open the runtime and make it and the ledger part of every job's context."""
    settings = Settings()
    if not logging.getLogger().handlers:
        start_logging(settings)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings, "worker"))
        await refuse_evicting_redis(runtime)
        async with runtime.unit_of_work() as uow:
            await accounts.check_keys(uow.session, runtime.keyring)
        ctx["runtime"] = runtime
        if settings.metrics_port is not None:
            served = load("workers.metrics.served")  # its library is for those who want it
            ctx[METER] = stack.enter_context(served(settings.host, settings.metrics_port))
        ctx[LEDGER] = ledger = JobLedger(runtime)
        ctx["stack"] = stack.pop_all()
    beside(ctx, ledger.renew())
    beside(ctx, ledger.notes.serve())
    keep_logs(ctx, ledger)
    await periodic.mirror(runtime, settings)
    ctx[TICKED] = {f"cron:{name}" for name in periodic.NAMES}
    beside(ctx, ticking.run(runtime, NAME, periodic.NAMES))
    log.info("worker ready")


async def shutdown(ctx: Context) -> None:
    """Close what `startup` opened, if it came so far."""
    if "stack" in ctx:
        await ctx["stack"].aclose()


def keep_logs(ctx: Context, ledger: JobLedger) -> None:
    """Keep what durable jobs log with their rows, until `shutdown`."""
    handler = RunLog(ledger.notes)
    logging.getLogger().addHandler(handler)
    ctx["stack"].callback(logging.getLogger().removeHandler, handler)


def beside(ctx: Context, work: Coroutine[Any, Any, None]) -> None:
    """Do endless work beside the jobs, until `shutdown`."""
    ctx["stack"].push_async_callback(end, asyncio.create_task(work))
