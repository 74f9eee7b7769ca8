"""The analytics queue: how posts, accounts and the community do."""

from datetime import UTC
from typing import Any

from service.community import jobs as community_jobs
from service.config import Settings
from service.measures import jobs, measuring
from service.monitoring import jobs as monitoring_jobs
from service.queue import queue_key
from workers import answering, community, process
from workers.engine import Context, run


async def measure(ctx: Context) -> dict[str, int]:
    """Ask for what is due."""
    return await measuring.run(ctx["runtime"])


async def clean(ctx: Context) -> int:
    """Delete what is past its retention."""
    return await measuring.forget(ctx["runtime"])


class WorkerSettings:
    """`arq workers.analytics.WorkerSettings`."""

    functions = (
        run(jobs.measure, measure),
        run(jobs.clean, clean),
        run(community_jobs.update_statistics, community.update_statistics),
        run(community_jobs.update_trending, community.update_trending),
        run(community_jobs.analyse_day, community.analyse_day),
        run(community_jobs.update_scores, community.update_scores),
        run(monitoring_jobs.ping, answering.ping),
    )
    queue_name = queue_key("analytics")
    max_jobs = Settings().analytics_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = process.startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
