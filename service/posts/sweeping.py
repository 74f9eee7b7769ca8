"""The sweep: the rows say what should be queued, the queue says what is."""

from datetime import UTC, datetime
from uuid import UUID

from service.kit.clock import now
from service.posts import jobs, queries
from service.runtime import Runtime

PAGE = 1000
BEGINNING = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


async def sweep(runtime: Runtime) -> dict[str, int]:
    """Queue every delivery that should be queued and is not; return how many, due and later."""
    moment = now()
    until = moment + runtime.settings.enqueue_horizon
    counts = {"processed": 0, "deferred": 0}
    after = BEGINNING
    while True:
        async with runtime.unit_of_work() as uow:
            page = await queries.due_deliveries(uow.session, until, after, PAGE)
        if not page:
            return counts
        calls = [jobs.publish_call(delivery, version, at) for delivery, version, at in page]
        queued = await runtime.queue.requeue_many(calls)
        for (_, _, at), is_new in zip(page, queued, strict=True):
            if is_new:
                counts["processed" if at <= moment else "deferred"] += 1
        last_id, _, last_at = page[-1]
        after = (last_at, last_id)
