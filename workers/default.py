"""The default queue: generic jobs, and what is routed nowhere else."""

from service.calls import jobs
from service.monitoring import jobs as monitoring_jobs
from workers import answering, calls, process
from workers.engine import run


@process.serves("default")
class WorkerSettings:
    """`arq workers.default.WorkerSettings`."""

    functions = (
        run(jobs.api_call, calls.api_call),
        run(monitoring_jobs.ping, answering.ping),
    )
