"""The webhooks queue: what ended is told to whoever asked for it."""

from uuid import UUID

from service.monitoring import jobs as monitoring_jobs
from service.webhooks import delivering, jobs
from workers import answering, process
from workers.engine import Context, run, snooze


async def deliver(ctx: Context, delivery_id: UUID, endpoint_id: UUID, version: int) -> None:
    """Attempt a delivery; come back for the next attempt."""
    delay = await delivering.deliver(ctx["runtime"], delivery_id, version)
    if delay is not None:
        raise snooze(delay)


@process.serves("webhooks")
class WorkerSettings:
    """`arq workers.webhooks.WorkerSettings`."""

    functions = (run(jobs.deliver, deliver), run(monitoring_jobs.ping, answering.ping))
