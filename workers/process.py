"""What every worker process opens, and what all WorkerSettings share."""

import logging
import os
import socket
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from service.accounts import actions as accounts
from service.config import Settings
from service.kit.logging import configure_logging
from service.monitoring import queries as monitoring
from service.queue import JobType, QueueClient
from service.queue.codec import deserialize, serialize
from service.runtime import Runtime, open_queue, open_runtime
from workers.engine import LEDGER, Context, Finished, install

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
    """Open the runtime and make it and the recorder part of every job's context."""
    settings = Settings()
    if not logging.getLogger().handlers:
        configure_logging(settings.log_level, json=settings.production)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(open_runtime(settings, "worker"))
        async with runtime.unit_of_work() as uow:
            await accounts.check_keys(uow.session, runtime.keyring)
        ctx["runtime"] = runtime
        ctx[LEDGER] = JobRecords(runtime)
        ctx["close"] = stack.pop_all().aclose
    log.info("worker ready")


async def shutdown(ctx: Context) -> None:
    """Close what `startup` opened, if it came so far."""
    if "close" in ctx:
        await ctx["close"]()


class JobRecords:
    """The ledger of jobs: their ends as rows in PostgreSQL."""

    def __init__(self, runtime: Runtime) -> None:
        self._database = runtime.database

    async def record(self, end: Finished) -> bool:
        """Write a job's end into the history; dead jobs stay in Redis, to be replayed."""
        assert end.job is not None
        await self._database.execute(monitoring.record_job(_row(end, end.job)))
        return False


def _row(end: Finished, job: JobType[..., Any]) -> dict[str, Any]:
    error = end.error
    kind = type(error).__name__
    row = {
        "id": end.job_id,
        "name": end.name,
        "queue": job.queue,
        "state": end.state,
        "arguments": msgspec.to_builtins(end.arguments),
        "result": msgspec.to_builtins(end.result),
        "error": f"{kind}: {error}" if error else None,
        "traceback": end.traceback,
        "tries": end.tries,
        "worker": NAME,
        "enqueued_at": end.enqueued_at,
        "started_at": end.started_at,
        "finished_at": end.finished_at,
    }
    if job.sensitive:
        row |= {
            "arguments": {},
            "result": None,
            "error": kind if error else None,
            "traceback": None,
        }
    return row
