"""The users queue: what concerns single users and members."""

from service.monitoring import jobs as monitoring_jobs
from workers import answering, process
from workers.engine import run


@process.serves("users")
class WorkerSettings:
    """`arq workers.users.WorkerSettings`."""

    functions = (run(monitoring_jobs.ping, answering.ping),)
