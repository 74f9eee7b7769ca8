"""Settings with a cron job, for processes; it is apart, since arq changes cron jobs in place."""

from datetime import UTC

from service.queue.codec import deserialize, serialize
from tests.compat import plain


class Settings(plain.Settings):
    """A tick every second."""

    cron_jobs = (plain.every_second(),)
    timezone = UTC
    functions = ()
    redis_settings = plain.Settings.redis_settings
    job_serializer = serialize
    job_deserializer = deserialize
    on_startup = plain.started
    on_shutdown = plain.stopped
