"""The webhooks queue: what ended is told to whoever asked for it."""

from datetime import UTC
from typing import Any
from uuid import UUID

from service.config import Settings
from service.monitoring import jobs as monitoring_jobs
from service.queue import queue_key
from service.webhooks import delivering, jobs
from workers import answering, process
from workers.engine import Context, run, snooze


async def deliver(ctx: Context, delivery_id: UUID, endpoint_id: UUID, version: int) -> None:
    """Attempt a delivery; come back for the next attempt."""
    delay = await delivering.deliver(ctx["runtime"], delivery_id, version)
    if delay is not None:
        raise snooze(delay)


class WorkerSettings:
    """`arq workers.webhooks.WorkerSettings`."""

    functions = (run(jobs.deliver, deliver), run(monitoring_jobs.ping, answering.ping))
    queue_name = queue_key("webhooks")
    max_jobs = Settings().webhooks_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = process.startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
