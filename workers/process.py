"""What every worker process opens, and what all WorkerSettings share."""

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

from service.accounts import actions as accounts
from service.config import Settings
from service.kit.logging import configure_logging
from service.queue import QueueClient
from service.queue.codec import deserialize, serialize
from service.runtime import open_queue, open_runtime
from workers.engine import LEDGER, Context, install
from workers.ledger import JobLedger

install()

SERIALIZER = serialize
DESERIALIZER = deserialize
NAME = f"{socket.gethostname()}:{os.getpid()}"
"""Names this worker in attempts and records."""
COMPLETION_WAIT = 35
"""Seconds that running jobs get at SIGTERM: a little more than the longest publishing call."""
HEALTH_INTERVAL = 10

log = logging.getLogger(__name__)


def connect() -> QueueClient:
    """Return this process's queue client, from the environment."""
    return open_queue(Settings())


async def startup(ctx: Context) -> None:
    """Open the runtime and make it and the ledger part of every job's context."""
    settings = Settings()
    if not logging.getLogger().handlers:
        configure_logging(settings.log_level, json=settings.production)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings, "worker"))
        async with runtime.unit_of_work() as uow:
            await accounts.check_keys(uow.session, runtime.keyring)
        ctx["runtime"] = runtime
        ctx[LEDGER] = ledger = JobLedger(runtime, NAME)
        ctx["stack"] = stack.pop_all()
    beside(ctx, ledger.renew())
    log.info("worker ready")


async def shutdown(ctx: Context) -> None:
    """Close what `startup` opened, if it came so far."""
    if "stack" in ctx:
        await ctx["stack"].aclose()


def beside(ctx: Context, work: Coroutine[Any, Any, None]) -> None:
    """Do endless work beside the jobs, until `shutdown`."""
    ctx["stack"].push_async_callback(_end, asyncio.create_task(work))


async def _end(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
