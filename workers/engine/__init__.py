"""How any job runs: no domain word in here.

`install()` makes arq's command line build our Worker; it is called by `workers.process`, which
every WorkerSettings imports.
"""

from workers.engine.cron import cron_jobs
from workers.engine.functions import Context, Finished, Recorder, run
from workers.engine.outcomes import snooze
from workers.engine.worker import Worker, install

__all__ = [
    "Context",
    "Finished",
    "Recorder",
    "Worker",
    "cron_jobs",
    "install",
    "run",
    "snooze",
]
