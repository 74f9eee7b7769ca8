"""How any job runs: no domain word in here.

`install()` makes arq's command line build our Worker; it is called by `workers.process`, which
every WorkerSettings imports.
"""

from workers.engine.cron import TICKED, cron_jobs
from workers.engine.ending import Ending, Outcome
from workers.engine.functions import Context, run
from workers.engine.ledger import (
    LEDGER,
    Begun,
    Finished,
    Ledger,
    Over,
    RowClaim,
    RowLedger,
    RowOutcome,
)
from workers.engine.meter import METER, Meter, Vitals
from workers.engine.outcomes import Snooze, snooze
from workers.engine.processes import run_in_process
from workers.engine.running import Running
from workers.engine.worker import Worker, install

__all__ = [
    "LEDGER",
    "METER",
    "TICKED",
    "Begun",
    "Context",
    "Ending",
    "Finished",
    "Ledger",
    "Meter",
    "Outcome",
    "Over",
    "RowClaim",
    "RowLedger",
    "RowOutcome",
    "Running",
    "Snooze",
    "Vitals",
    "Worker",
    "cron_jobs",
    "install",
    "run",
    "run_in_process",
    "snooze",
]
