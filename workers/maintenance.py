"""The maintenance queue: every periodic rule, and the jobs that keep the house clean.

It is never scaled to zero: it is the clock of all schedules, also when no other worker runs.
"""

from datetime import UTC
from typing import Any

from schedules import monitoring as monitoring_rules
from schedules import posts as posts_rules
from service.config import Settings
from service.monitoring import actions, jobs
from service.posts import jobs as posts_jobs
from service.queue import queue_key
from service.runtime import Runtime
from workers import loops, process, publishing
from workers.engine import Context, cron_jobs, run


async def clean(ctx: Context) -> dict[str, int]:
    """Delete what has outlived its retention."""
    runtime: Runtime = ctx["runtime"]
    settings = runtime.settings
    async with runtime.unit_of_work() as uow:
        return await actions.clean(
            uow.session, settings.history_retention, settings.idempotency_retention
        )


async def startup(ctx: Context) -> None:
    """Open what every worker opens, and begin what only this process does."""
    await process.startup(ctx)
    runtime: Runtime = ctx["runtime"]
    sweep = loops.run_alone(runtime, loops.SWEEP_LOCK, "the sweep of durable jobs", loops.sweep)
    process.beside(ctx, sweep)


class WorkerSettings:
    """`arq workers.maintenance.WorkerSettings`."""

    functions = (run(jobs.clean, clean), run(posts_jobs.sweep, publishing.sweep))
    cron_jobs = cron_jobs((*posts_rules.RULES, *monitoring_rules.RULES), functions)
    queue_name = queue_key("maintenance")
    max_jobs = Settings().maintenance_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
