"""For the tests of Almanac's own jobs: `workers.engine.testing` with a runtime and its rows."""

from datetime import timedelta
from typing import Any

from service.db import outbox
from service.monitoring import rows
from service.runtime import Runtime
from workers.engine import LEDGER
from workers.engine.testing import Steps, WorkerSettings
from workers.ledger import JobLedger


def steps(settings: WorkerSettings, runtime: Runtime, **overrides: Any) -> Steps:
    """Return steps through a queue whose jobs get this runtime, and durable ones their rows.

    `advance` moves the rows of durable jobs too, and sends those that were not in the queue yet.

    Args:
        settings: the queue's WorkerSettings; what it opens and closes is the runtime instead.
        runtime: of the test.
        overrides: arguments of Worker that replace those of the settings.
    """

    async def advanced(by: timedelta) -> None:
        await runtime.database.execute(outbox.advance(by))
        await rows.sweep(runtime, everything=True)

    ctx = {"runtime": runtime, LEDGER: JobLedger(runtime)}
    opened = {"ctx": ctx, "on_startup": None, "on_shutdown": None}
    return Steps(settings, runtime.queue, advanced=advanced, **{**opened, **overrides})
