"""The analytics queue: how posts, accounts and the community do."""

from service.community import jobs as community_jobs
from service.measures import jobs, measuring
from service.monitoring import jobs as monitoring_jobs
from workers import answering, community, process
from workers.engine import Context, run


async def measure(ctx: Context) -> dict[str, int]:
    """Ask for what is due."""
    return await measuring.run(ctx["runtime"])


async def clean(ctx: Context) -> int:
    """Delete what is past its retention."""
    return await measuring.forget(ctx["runtime"])


@process.serves("analytics")
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
