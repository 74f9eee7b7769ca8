"""What follows from the end of a job: people are told, in the transaction that writes it."""

import msgspec

from service.db.outbox import DurableJob
from service.db.session import UnitOfWork
from service.kit.clock import now
from service.notifications import actions as notifications
from service.queue.codec import readable
from service.runtime import Runtime
from service.webhooks import actions as webhooks
from service.webhooks.actions import JobEnd


async def row_ended(runtime: Runtime, uow: UnitOfWork, job_id: str) -> None:
    """Tell of the end of a durable job, as its row has it by now."""
    row = await uow.session.get_one(DurableJob, job_id, populate_existing=True)
    await told(runtime, uow, _end_of(row))


async def told(runtime: Runtime, uow: UnitOfWork, end: JobEnd) -> None:
    """Tell webhooks of a job's end, and people of one that failed for good."""
    await webhooks.job_ended(uow, end)
    if end.error_type and end.told:
        incident = notifications.job_failed(end.id, end.name, end.error_type, end.error)
        await notifications.report(uow, incident, mail=runtime.settings.mails_at_once)


def _end_of(row: DurableJob) -> JobEnd:
    record = readable(row.result)
    failed = row.state == "failed" and row.error
    kind, _, message = (row.error or "").partition(": ")
    shown = record.success and not record.sensitive
    return JobEnd(
        id=row.id,
        run=str(row.version),
        name=row.name,
        queue=row.queue.removeprefix("almanac:"),
        state=row.state,
        tries=row.tries,
        result=msgspec.json.decode(record.outcome) if shown else None,
        error_type=kind if failed else None,
        error=message,
        enqueued_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at or now(),
    )
