"""The users queue: what concerns single users and members."""

from datetime import UTC
from typing import Any

from service.config import Settings
from service.monitoring import jobs as monitoring_jobs
from service.queue import queue_key
from workers import answering, process
from workers.engine import run


class WorkerSettings:
    """`arq workers.users.WorkerSettings`."""

    functions = (run(monitoring_jobs.ping, answering.ping),)
    queue_name = queue_key("users")
    max_jobs = Settings().users_concurrency
    redis_pool = process.connect
    job_serializer = process.SERIALIZER
    job_deserializer = process.DESERIALIZER
    on_startup = process.startup
    on_shutdown = process.shutdown
    job_completion_wait = process.COMPLETION_WAIT
    health_check_interval = process.HEALTH_INTERVAL
    allow_abort_jobs = True
    timezone: Any = UTC
