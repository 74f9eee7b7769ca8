"""The notifications queue: what people are told."""

from datetime import UTC
from typing import Any

from service.config import Settings
from service.monitoring import jobs as monitoring_jobs
from service.notifications import jobs
from service.queue import queue_key
from workers import answering, notifying, process
from workers.engine import run


class WorkerSettings:
    """`arq workers.notifications.WorkerSettings`."""

    functions = (
        run(jobs.notify, notifying.notify),
        run(jobs.mail_user, notifying.mail_user),
        run(jobs.digest_users, notifying.digest_users),
        run(jobs.cleanup, notifying.cleanup),
        run(monitoring_jobs.ping, answering.ping),
    )
    queue_name = queue_key("notifications")
    max_jobs = Settings().notifications_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = process.startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
