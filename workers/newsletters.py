"""Jobs that write and send newsletters."""

from collections.abc import Callable
from uuid import UUID

from service.newsletters import jobs, making, sending
from workers.engine import Context, snooze
from workers.progress import progress


async def write_issue(ctx: Context, issue_id: UUID) -> None:
    """Write an issue, then leave it to be approved, or let it be sent."""
    await making.write(ctx["runtime"], issue_id, last=_last(ctx, jobs.write_issue.retry.tries))


async def send_issue(ctx: Context, issue_id: UUID) -> None:
    """Send what is due of an issue, and go on as the next run."""
    last = _last(ctx, jobs.send_issue.retry.tries)
    later = await sending.run(ctx["runtime"], issue_id, ctx["job_id"], _teller(ctx), last=last)
    if later is not None:
        raise snooze(later)


async def send_one(ctx: Context, newsletter_id: UUID, address: str) -> UUID:
    """Write an issue and send it to one address."""
    last = _last(ctx, jobs.send_one.retry.tries)
    issue_id, later = await making.send_one(
        ctx["runtime"], newsletter_id, address, ctx["job_id"], _teller(ctx), last=last
    )
    if later is not None:
        raise snooze(later)
    return issue_id


async def check_due(ctx: Context) -> dict[str, int]:
    """Begin the issues that are due."""
    return await making.check_due(ctx["runtime"])


async def sweep(ctx: Context) -> int:
    """Give every issue a job that should have one."""
    return await making.sweep(ctx["runtime"])


def _last(ctx: Context, tries: int) -> bool:
    tried: int = ctx["job_try"]
    return tried >= tries


def _teller(ctx: Context) -> Callable[[int, int], None]:
    def tell(done: int, total: int) -> None:
        progress(ctx, done, total, f"{done:,} of {total:,} mails")

    return tell
