"""The ledger of Almanac's workers: rows of durable jobs, and ends of the others, in PostgreSQL."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from functools import partial
from typing import Any, cast

from sqlalchemy import ColumnElement, false, true
from sqlalchemy.exc import SQLAlchemyError

from service.db import outbox
from service.kit.text import storable
from service.monitoring import dead_queries, ends
from service.queue import JobType, live, queue_key
from service.queue.codec import parse_failure, readable
from service.queue.instants import to_ms_up
from service.runtime import Runtime
from service.webhooks import queries as webhooks
from service.workflows import actions as workflows
from workers.engine import Begun, Finished, Over, RowClaim, RowOutcome
from workers.engine.ending import Outcome
from workers.engine.limits import Wait
from workers.notes import Notes
from workers.settling import settle
from workers.telling import Teller
from workers.together import Together

RENEW = outbox.CLAIM.total_seconds() / 3
ERRORS = 20
"""Of the last tries, that are kept of a dead job."""
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
        path: what rows say of who ran them: `queue` or `inline`.
    """

    def __init__(self, runtime: Runtime, path: str = "queue") -> None:
        self._runtime = runtime
        self._path = path
        self._database = runtime.database
        self._held: dict[str, str] = {}
        self._teller = Teller(runtime)
        self._claims = Together(self._claim)
        self._steps = Together(partial(settle, runtime))
        self.notes = Notes(runtime.database, partial(live.progress, runtime.queue))

    async def begin(self, claim: RowClaim) -> Begun | Wait | Over:
        """Claim the row, by one UPDATE with those that begin at the same time."""
        tries = await self._claims.ask(claim)
        if tries is not None:
            self._held[claim.job_id] = claim.token
            self.notes.open(claim.job_id, claim.token)
            if self._path == "inline":
                log.info("job %s runs inline", claim.job_id)
            return Begun(tries)
        waiting = outbox.wait_for(claim.job_id, int(claim.version))
        open_rows = await self._database.execute(waiting)
        return Wait(to_ms_up(open_rows[0][0])) if open_rows else Over()

    async def _claim(self, claims: Sequence[RowClaim]) -> list[int | None]:
        """Claim rows; return the tries of each that is claimed."""
        wanted = [outbox.Claim(c.job_id, int(c.version), c.token, c.crashed) for c in claims]
        found = await self._database.execute(outbox.claim(wanted, self._path))
        tries = {row.id: row.tries for row in found}
        if (begun := workflows.begun(tries)) is not None:
            await self._database.execute(begun)
        return [tries.get(claim.job_id) for claim in claims]

    async def settle(self, outcome: RowOutcome) -> bool:
        """Write the outcome by one UPDATE, together with what follows from it."""
        claim, values = outcome.claim, _values(outcome)
        await self.notes.close(claim.job_id)
        if values["state"] not in outbox.OPEN and workflows.is_step(claim.job_id):
            end = outbox.Outcome(claim.job_id, int(claim.version), claim.token, **values)
            settled = await self._steps.ask(end)
        else:
            settled = await self._settle(claim, values, _followed(values["state"]))
        self._held.pop(claim.job_id, None)
        return settled

    async def _settle(
        self, claim: RowClaim, values: dict[str, Any], followed: ColumnElement[bool]
    ) -> bool:
        """Write an outcome; in one statement if nothing follows from it, as from most."""
        mine = (claim.job_id, int(claim.version), claim.token)
        alone = outbox.settle(*mine, values, only=~followed)
        if await self._database.execute(alone):
            return True
        if values["state"] in outbox.OPEN:
            return False
        async with self._runtime.unit_of_work() as uow:
            rows = (await uow.session.execute(outbox.settle(*mine, values))).all()
            if rows:
                await ends.row_ended(self._runtime, uow, claim.job_id)
        return bool(rows)

    async def renew(self) -> None:
        """Keep the claims of running jobs, until cancelled."""
        while True:
            await asyncio.sleep(RENEW)
            if self._held:
                await self._renew(dict(self._held))

    async def record(self, end: Finished) -> bool:
        """Tell of the end of a job without a row, and keep it if it is dead."""
        await self._teller.tell(end)
        if not end.dead or end.job is None:
            return False
        await self._database.execute(dead_queries.keep(await self._dead(end, end.job)))
        return True

    async def _dead(self, end: Finished, job: JobType[..., Any]) -> dict[str, Any]:
        queue = queue_key(job.queue)
        earlier = self._runtime.queue.lrange(f"{queue}:attempts:{end.job_id}", -ERRORS + 1, -1)
        return {
            "id": end.job_id,
            "name": end.name,
            "queue": queue,
            "lane": job.lane,
            "payload": end.payload,
            "error_type": parse_failure(end.failure).type,
            "errors": [*await cast("Awaitable[list[bytes]]", earlier), end.failure],
            "tries": end.tries,
            "actor": readable(end.payload).headers.get("actor"),
            "died_at": end.finished_at,
        }

    async def _renew(self, held: Mapping[str, str]) -> None:
        try:
            kept = {row[0] for row in await self._database.execute(outbox.renew(held))}
        except (SQLAlchemyError, OSError) as error:
            log.warning("claims of %d durable jobs could not be renewed: %s", len(held), error)
            return
        for job_id, token in held.items():
            if job_id not in kept and self._held.get(job_id) == token:
                log.warning("durable job %s of this worker was taken over", job_id)
                del self._held[job_id]
                self.notes.drop(job_id)


def _followed(state: str) -> ColumnElement[bool]:
    """Return the condition that something follows when a row gets this state."""
    if state in outbox.OPEN:
        return false()
    return true() if state == "failed" else webhooks.listened_to(f"job.{state}")


def _values(outcome: RowOutcome) -> dict[str, Any]:
    values: dict[str, Any] = {
        "state": _STATES[outcome.outcome],
        "tries": outcome.tries,
        "error": outcome.error and storable(outcome.error),
    }
    if outcome.due_at is not None:
        return values | {"due_at": outcome.due_at}
    return values | {"result": outcome.result or None}
