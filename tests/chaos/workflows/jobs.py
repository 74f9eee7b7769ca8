"""Jobs whose effects are counted, and the worker that runs them:

python -m tests.chaos.workflows.jobs
"""

import asyncio
from random import uniform
from typing import Any

from sqlalchemy import text

from service.queue import RetryPolicy, job, queue_key
from service.queue.codec import deserialize, serialize
from service.runtime import Runtime
from workers import process
from workers.engine import Context, run
from workers.engine.serve import serve

QUEUE = "chaosflows"
KEY = queue_key(QUEUE)
HERE = "tests.chaos.workflows.jobs"
LEASE = 3.0
"""Seconds; a killed worker's jobs run again then."""
RETRY = RetryPolicy(10, delay=0.1, permanent=(ValueError,))

TABLES = (
    "CREATE TABLE chaos_claims (job_id text PRIMARY KEY)",
    "CREATE TABLE chaos_effects (job_id text)",
    "CREATE TABLE chaos_runs (job_id text)",
)
_EFFECT = text("""
    WITH claimed AS (
        INSERT INTO chaos_claims VALUES (:job_id) ON CONFLICT DO NOTHING RETURNING job_id
    )
    INSERT INTO chaos_effects SELECT job_id FROM claimed
""")
_RUN = text("INSERT INTO chaos_runs VALUES (:job_id)")


@job("chaos.member", queue=QUEUE, coroutine=f"{HERE}.run_member", retry=RETRY)
async def member(number: int, seconds: float) -> int:
    """Take a while, have an effect, return the number."""
    raise NotImplementedError


@job("chaos.total", queue=QUEUE, coroutine=f"{HERE}.run_total", retry=RETRY)
async def total(numbers: list[int]) -> int:
    """Have an effect, return the sum."""
    raise NotImplementedError


@job("chaos.fail", queue=QUEUE, coroutine=f"{HERE}.run_fail", retry=RETRY)
async def fail() -> None:
    """Fail for good, without an effect."""
    raise NotImplementedError


@job("chaos.revoke", queue=QUEUE, coroutine=f"{HERE}.run_revoke", retry=RETRY)
async def revoke() -> None:
    """Have the effect of undoing."""
    raise NotImplementedError


async def run_member(ctx: Context, number: int, seconds: float) -> int:
    await asyncio.sleep(uniform(0, 2 * seconds))
    await _effect(ctx)
    return number


async def run_total(ctx: Context, numbers: list[int]) -> int:
    await _effect(ctx)
    return sum(numbers)


async def run_fail(ctx: Context) -> None:
    raise ValueError("meant to fail")


async def run_revoke(ctx: Context) -> None:
    await _effect(ctx)


async def _effect(ctx: Context) -> None:
    """Have the effect that a claim allows once, and note that there was a run."""
    runtime: Runtime = ctx["runtime"]
    values = {"job_id": ctx["job_id"]}
    await runtime.database.execute(_RUN, values)
    await runtime.database.execute(_EFFECT, values)


class WorkerSettings:
    """The worker of these jobs."""

    functions = (
        run(member, run_member),
        run(total, run_total),
        run(fail, run_fail),
        run(revoke, run_revoke),
    )
    queue_name = KEY
    max_jobs = 20
    lease = LEASE
    max_crashes = 50
    redis_pool = process.connect
    job_serializer = serialize
    job_deserializer = deserialize
    on_startup = process.startup
    on_shutdown = process.shutdown
    allow_abort_jobs = True


if __name__ == "__main__":
    settings: Any = WorkerSettings
    asyncio.run(serve([settings]))
