"""Runs of sensitive jobs, in the audit log."""

from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from service.access.audit import note
from service.kit.context import set_to
from service.monitoring.runs import Run
from service.queue.headers import HEADERS

SOMEBODY = "(unknown)"
"""The actor of a job that does not say who asked for it."""


async def note_sensitive(session: AsyncSession, runs: Iterable[Run]) -> None:
    """Write down which sensitive jobs ran: in the transaction of their history, so each once."""
    for run in runs:
        if run.sensitive:
            # The entry belongs to the trace of the run, not to that of the recorder.
            with set_to(HEADERS, {"trace": run.trace} if run.trace else {}):
                await note(
                    *(session, run.actor or SOMEBODY, "jobs.run", run.job_id),
                    name=run.name,
                    attempt=run.attempt,
                    state=run.state,
                    worker=run.worker,
                    finished_at=run.finished_at,
                )
