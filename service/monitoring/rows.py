"""Durable jobs as people see and steer them: by their rows."""

from datetime import timedelta
from functools import partial
from typing import Any

from service import durable
from service.access.caller import Caller
from service.db import outbox
from service.db.outbox import DurableJob
from service.monitoring import ends
from service.monitoring.visibility import sees
from service.queue import JobView, QueueClient, cancel_queued
from service.runtime import Runtime
from service.workflows import actions as workflows


async def find(runtime: Runtime, job_id: str) -> DurableJob | None:
    """Return the row of a durable job."""
    async with runtime.database.session() as session:
        return await session.get(DurableJob, job_id)


async def cancel(runtime: Runtime, row: DurableJob) -> bool:
    """Cancel a durable job, its row first; return False when it has ended.

    One that runs is left to its worker, who writes the row when the job has stopped.
    """
    if row.state not in outbox.OPEN:
        return False
    closed = await close(runtime, row, {"state": "cancelled", "error": None})
    return await cancel_queued(runtime.queue, row.id) or closed


async def sweep(
    runtime: Runtime, *, everything: bool = False, horizon: timedelta | None = None
) -> int:
    """Send open rows that the queue does not have; return how many. See `durable.sweep`."""
    return await durable.sweep(
        runtime.database,
        runtime.queue,
        runtime.settings.enqueue_horizon if horizon is None else horizon,
        close=partial(close, runtime),
        everything=everything,
    )


async def close(runtime: Runtime, row: DurableJob, values: dict[str, Any]) -> bool:
    """Write the end of a row that nobody runs, and tell of it; return False if it is none."""
    async with runtime.unit_of_work() as uow:
        closed = (await uow.session.execute(outbox.close(row.id, row.version, values))).all()
        if closed:
            await ends.row_ended(runtime, uow, row.id)
    return bool(closed)


async def replay(runtime: Runtime, row: DurableJob) -> bool:
    """Let a durable job that failed or was cancelled run again; return whether it will.

    That of a workflow's step does not: resuming the workflow runs the step again, by a new job.
    """
    if workflows.is_step(row.id):
        return False
    return await durable.replay(runtime.database, runtime.queue, row)


class RowOwner:
    """Acts on the row of a durable job in the stead of the job; see `service.queue.Owner`.

    Args:
        runtime: where the rows are.
        caller: who asks, and may only touch what the caller may see.
    """

    def __init__(self, runtime: Runtime, caller: Caller) -> None:
        self._runtime, self._caller = runtime, caller

    async def cancel(self, client: QueueClient, view: JobView) -> bool:
        """Cancel the row, then what the queue has of it."""
        row = await self._row(view)
        return row is not None and await cancel(self._runtime, row)

    async def replay(self, client: QueueClient, view: JobView) -> bool:
        """Let the row run again."""
        row = await self._row(view)
        return row is not None and await replay(self._runtime, row)

    async def _row(self, view: JobView) -> DurableJob | None:
        row = await find(self._runtime, view.job_id)
        return row if row is not None and sees(self._caller, row.actor, row.name) else None
