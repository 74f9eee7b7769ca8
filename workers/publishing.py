"""The publishing queue: posts at their time."""

from datetime import timedelta
from uuid import UUID, uuid4

from schedules import posts as rules
from service.kit.clock import now
from service.monitoring import jobs as monitoring_jobs
from service.platforms.failures import RateLimited
from service.posts import jobs, publishing, removing, sweeping
from service.posts.models import DUE_STATES
from service.posts.rules import BatchReport
from service.runtime import Runtime
from workers import answering, periodic, process
from workers.engine import Context, run, snooze

BATCH_POLL = timedelta(seconds=1)
SLOWEST_BATCH_POLL = timedelta(seconds=15)


async def publish(ctx: Context, delivery_id: UUID, version: int) -> None:
    """Claim the delivery, bring it as far as it gets now, record the outcome."""
    runtime: Runtime = ctx["runtime"]
    token = uuid4()
    claimed = await publishing.claim(runtime.database, delivery_id, version, token)
    if claimed is None:
        delay = await publishing.delay_until_due(runtime.database, delivery_id, version)
    else:
        outcome = await publishing.deliver(runtime, claimed, token, process.NAME)
        delay = outcome.delay if outcome and outcome.state in DUE_STATES else None
    # What lies beyond the horizon is left to the sweep.
    if delay is not None and delay <= runtime.settings.enqueue_horizon:
        raise snooze(delay)


async def remove(ctx: Context, delivery_id: UUID) -> None:
    """Take a delivery back from its platform."""
    try:
        wait = await removing.remove(ctx["runtime"], delivery_id)
    except RateLimited as limited:
        raise snooze(limited.until - now()) from limited
    if wait is not None:
        raise snooze(timedelta(seconds=wait.seconds))


async def publish_batch(ctx: Context, batch_id: UUID) -> BatchReport:
    """Wait, without holding a slot, until every delivery of the batch has ended."""
    report = await publishing.batch_report(ctx["runtime"], batch_id)
    if report.pending:
        waited = now() - ctx["enqueue_time"]
        raise snooze(min(max(BATCH_POLL, waited / 8), SLOWEST_BATCH_POLL))
    return report


async def sweep(ctx: Context) -> dict[str, int]:
    """Queue what should be queued and is not."""
    return await sweeping.sweep(ctx["runtime"])


@process.serves("publishing")
class WorkerSettings:
    """`arq workers.publishing.WorkerSettings`."""

    functions = (
        run(jobs.publish, publish),
        run(jobs.publish_batch, publish_batch),
        run(jobs.remove, remove),
        run(jobs.sweep, sweep),
        run(monitoring_jobs.ping, answering.ping),
    )
    cron_jobs = periodic.cron_jobs(rules.RULES, functions)
