"""The notifications queue: what people are told."""

from service.monitoring import jobs as monitoring_jobs
from service.notifications import jobs
from workers import answering, notifying, process
from workers.engine import run


@process.serves("notifications")
class WorkerSettings:
    """`arq workers.notifications.WorkerSettings`."""

    functions = (
        run(jobs.notify, notifying.notify),
        run(jobs.mail_user, notifying.mail_user),
        run(jobs.digest_users, notifying.digest_users),
        run(jobs.cleanup, notifying.cleanup),
        run(monitoring_jobs.ping, answering.ping),
    )
