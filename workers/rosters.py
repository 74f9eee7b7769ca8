"""The rosters queue: duty rosters."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from service.config import Settings
from service.kit.clock import now
from service.monitoring import jobs as monitoring_jobs
from service.queue import queue_key
from service.rosters import jobs, locking_actions, rules
from service.runtime import Runtime
from workers import answering, process
from workers.engine import Context, run


async def lock(ctx: Context) -> int:
    """Lock the rosters of the days that are over where the site is."""
    runtime: Runtime = ctx["runtime"]
    zone = ZoneInfo(runtime.settings.site_zone)
    async with runtime.unit_of_work() as uow:
        return await locking_actions.lock_past(uow.session, rules.today(now(), zone))


class WorkerSettings:
    """`arq workers.rosters.WorkerSettings`."""

    functions = (
        run(jobs.lock, lock),
        run(monitoring_jobs.ping, answering.ping),
    )
    queue_name = queue_key("rosters")
    max_jobs = Settings().rosters_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = process.startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
