"""Tells of the ends of jobs without a row."""

import time

import msgspec

from service.monitoring import ends
from service.queue import JobState
from service.queue.failures import text_of
from service.runtime import Runtime
from service.webhooks import queries as webhooks
from service.webhooks.actions import JobEnd
from workers.engine import Finished

LOOK = 1.0
"""Seconds for which a worker goes by what it knew: such jobs may end by the thousand."""


class Teller:
    """Tells whoever wants to hear of it.

    Args:
        runtime: where webhooks and notices are.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._looked = -LOOK
        self._listened_to = False

    async def tell(self, end: Finished) -> None:
        """Tell of an end. What cannot be told raises SQLAlchemy's errors."""
        if end.state is JobState.FAILED or await self._anybody_listens():
            async with self._runtime.unit_of_work() as uow:
                await ends.told(self._runtime, uow, _end_of(end))

    async def _anybody_listens(self) -> bool:
        if time.monotonic() - self._looked >= LOOK:
            found = await self._runtime.database.execute(webhooks.any_enabled())
            self._listened_to, self._looked = bool(found), time.monotonic()
        return self._listened_to


def _end_of(end: Finished) -> JobEnd:
    assert end.job is not None, "the ends of unknown jobs are not recorded"
    error = end.error if end.state is JobState.FAILED else None
    shown = end.state is JobState.SUCCEEDED and not end.job.sensitive
    return JobEnd(
        id=end.job_id,
        run=str(round(end.started_at.timestamp() * 1000)),
        name=end.name,
        queue=end.job.queue,
        state=end.state,
        tries=end.tries,
        result=msgspec.to_builtins(end.result) if shown else None,
        error_type=type(error).__name__ if error else None,
        error="" if end.job.sensitive or error is None else text_of(error),
        enqueued_at=end.enqueued_at,
        started_at=end.started_at,
        finished_at=end.finished_at,
    )
