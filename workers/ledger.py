"""The ledger of Almanac's workers: rows of durable jobs, and ends of the others, in PostgreSQL."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy.exc import SQLAlchemyError

from service.db import outbox
from service.monitoring import queries as monitoring
from service.queue import JobType
from service.queue.instants import to_ms_up
from service.runtime import Runtime
from workers.engine import Begun, Finished, Over, RowClaim, RowOutcome
from workers.engine.ending import Outcome
from workers.engine.limits import Wait

RENEW = outbox.CLAIM.total_seconds() / 3
_STATES = {
    Outcome.SUCCEEDED: "succeeded",
    Outcome.FAILED: "failed",
    Outcome.DEAD: "failed",
    Outcome.CANCELLED: "cancelled",
    Outcome.RETRIED: "retrying",
    Outcome.SNOOZED: "queued",
    Outcome.RELEASED: "queued",
}
log = logging.getLogger(__name__)


class JobLedger:
    """See `workers.engine.RowLedger`.

    Args:
        runtime: whose database it writes to.
        worker: names this process.
    """

    def __init__(self, runtime: Runtime, worker: str) -> None:
        self._runtime = runtime
        self._database = runtime.database
        self._worker = worker
        self._held: set[str] = set()

    async def begin(self, claim: RowClaim) -> Begun | Wait | Over:
        """Claim the row by one UPDATE."""
        version = int(claim.version)
        statement = outbox.claim(
            claim.job_id, version, claim.token, take_over=claim.crashed, path="queue"
        )
        if rows := await self._database.execute(statement):
            self._held.add(claim.token)
            return Begun(tries=rows[0].tries)
        open_rows = await self._database.execute(outbox.wait_for(claim.job_id, version))
        return Wait(to_ms_up(open_rows[0][0])) if open_rows else Over()

    async def settle(self, outcome: RowOutcome) -> bool:
        """Write the outcome by one UPDATE, together with what its workflow does next."""
        claim = outcome.claim
        settled = await self._database.execute(
            outbox.settle(claim.job_id, int(claim.version), claim.token, _values(outcome))
        )
        self._held.discard(claim.token)
        return bool(settled)

    async def renew(self) -> None:
        """Keep the claims of running jobs, until cancelled."""
        while True:
            await asyncio.sleep(RENEW)
            if held := list(self._held):
                await self._renew(held)

    async def record(self, end: Finished) -> bool:
        """Write the end of a job without a row into the history; dead ones stay in Redis."""
        assert end.job is not None
        row = _record(end, end.job, self._worker)
        await self._database.execute(monitoring.record_job(row))
        return False

    async def _renew(self, held: Sequence[str]) -> None:
        try:
            kept = {row[0] for row in await self._database.execute(outbox.renew(held))}
        except (SQLAlchemyError, OSError) as error:
            log.warning("claims of %d durable jobs could not be renewed: %s", len(held), error)
            return
        for token in self._held.intersection(held).difference(kept):
            log.warning("a durable job of this worker was taken over: claim %s", token)
            self._held.discard(token)


def _values(outcome: RowOutcome) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": _STATES[outcome.outcome],
        "tries": outcome.tries,
        "error": outcome.error,
    }
    if outcome.due_at is not None:
        return values | {"due_at": outcome.due_at}
    return values | {"result": outcome.result or None}


def _record(end: Finished, job: JobType[..., Any], worker: str) -> dict[str, Any]:
    error = end.error
    kind = type(error).__name__
    row = {
        "id": end.job_id,
        "name": end.name,
        "queue": job.queue,
        "state": end.state,
        "arguments": msgspec.to_builtins(end.arguments),
        "result": msgspec.to_builtins(end.result),
        "error": f"{kind}: {error}" if error else None,
        "traceback": end.traceback,
        "tries": end.tries,
        "worker": worker,
        "enqueued_at": end.enqueued_at,
        "started_at": end.started_at,
        "finished_at": end.finished_at,
    }
    if job.sensitive:
        row |= {
            "arguments": {},
            "result": None,
            "error": kind if error else None,
            "traceback": None,
        }
    return row
