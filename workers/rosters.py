"""The rosters queue: duty rosters."""

from zoneinfo import ZoneInfo

from service.kit.clock import now
from service.monitoring import jobs as monitoring_jobs
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


@process.serves("rosters")
class WorkerSettings:
    """`arq workers.rosters.WorkerSettings`."""

    functions = (
        run(jobs.lock, lock),
        run(monitoring_jobs.ping, answering.ping),
    )
