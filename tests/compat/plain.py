"""Functions of arq's own kind for worker processes, and the settings that mount them.

What really ran is written to a file, a line for each start and end: outside Redis, and safe from
SIGKILL.
"""

import asyncio
import os
import pickle
from pathlib import Path
from typing import Any

from arq import cron
from arq.connections import RedisSettings
from arq.cron import CronJob
from arq.worker import Function, func

from service.queue.codec import deserialize, serialize

Ctx = dict[Any, Any]
LEDGER = Path(os.environ.get("COMPAT_LEDGER", "/dev/null"))
SOCKET = os.environ.get("COMPAT_SOCKET", "")
NAME = os.environ.get("COMPAT_NAME", "")
PICKLED = "COMPAT_PICKLED" in os.environ
KEEP_TICK = 600


def note(*words: object) -> None:
    """Append one line; the system writes it whole."""
    descriptor = os.open(LEDGER, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, (" ".join(map(str, words)) + "\n").encode())
    os.close(descriptor)


async def work(ctx: Ctx, seconds: float = 0.0) -> str:
    """Sleep, and say who ran it."""
    note("start", ctx["job_id"], NAME)
    await asyncio.sleep(seconds)
    note("end", ctx["job_id"], NAME)
    return NAME


async def tick(ctx: Ctx) -> None:
    """Note the id of a tick."""
    note("tick", ctx["job_id"], NAME)


async def started(_ctx: Ctx) -> None:
    """Say that the worker serves."""
    note("ready", os.getpid(), NAME)


async def stopped(_ctx: Ctx) -> None:
    """Say that it has ended in good order."""
    note("stopped", os.getpid(), NAME)


def every_second() -> CronJob:
    """Return a cron job of every second whose ticks are remembered, as ours are (rule 17)."""
    return cron(tick, second=set(range(60)), keep_result=KEEP_TICK)


class Settings:
    """As the documentation of arq writes them, with our codec or with pickle."""

    functions: tuple[Function, ...] = (func(work, name="work", timeout=2),)
    redis_settings = RedisSettings(unix_socket_path=SOCKET)
    job_serializer = pickle.dumps if PICKLED else serialize
    job_deserializer = pickle.loads if PICKLED else deserialize
    on_startup = started
    on_shutdown = stopped
    allow_abort_jobs = True
    poll_delay = 0.1
    health_check_interval = 1
    max_jobs = 10


class Slow(Settings):
    """Gives running jobs time at SIGTERM."""

    functions = Settings.functions
    redis_settings = Settings.redis_settings
    job_serializer = Settings.job_serializer
    job_deserializer = Settings.job_deserializer
    on_startup = started
    on_shutdown = stopped
    job_completion_wait = 5
