"""The emails queue: mails, newsletters and digests."""

from datetime import timedelta
from uuid import UUID

from service.community import jobs as community_jobs
from service.emails import jobs, sending
from service.monitoring import jobs as monitoring_jobs
from service.newsletters import jobs as newsletter_jobs
from workers import answering, community, newsletters, process, writing
from workers.engine import Context, run, snooze


async def send(ctx: Context, email_id: UUID) -> str | None:
    """Attempt a mail; come back where it must wait, for its turn or for another's claim to end."""
    state = await sending.send(ctx["runtime"], email_id, last=ctx["job_try"] >= jobs.TRIES)
    if isinstance(state, timedelta):
        raise snooze(state)
    return state


@process.serves("emails")
class WorkerSettings:
    """`arq workers.emails.WorkerSettings`."""

    functions = (
        run(jobs.send, send),
        run(newsletter_jobs.generate, writing.generate),
        run(newsletter_jobs.write_issue, newsletters.write_issue),
        run(newsletter_jobs.send_issue, newsletters.send_issue),
        run(newsletter_jobs.send_one, newsletters.send_one),
        run(newsletter_jobs.check_due, newsletters.check_due),
        run(newsletter_jobs.sweep, newsletters.sweep),
        run(community_jobs.welcome, community.welcome),
        run(community_jobs.send_digests, community.send_digests),
        run(monitoring_jobs.ping, answering.ping),
    )
