"""What a run owes to the ledger: its row before it starts, its outcome before Redis is told."""

import asyncio
import inspect
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from service.queue import JobState
from service.queue.failures import text_of
from service.queue.headers import ROW
from service.queue.instants import from_ms
from workers.engine.ending import Ending, Outcome
from workers.engine.ledger import LEDGER, Finished, Ledger, Over, RowClaim, RowLedger, RowOutcome
from workers.engine.limits import Wait
from workers.engine.running import Running, Stop

_PAUSE = 1.0
"""Seconds between two attempts to reach the rows."""
_STATES = {
    Outcome.SUCCEEDED: JobState.SUCCEEDED,
    Outcome.FAILED: JobState.FAILED,
    Outcome.DEAD: JobState.FAILED,
    Outcome.CANCELLED: JobState.CANCELLED,
}

T = TypeVar("T")
log = logging.getLogger(__name__)


class Books:
    """Writes runs into the ledger of a worker's context, if there is one.

    Args:
        ctx: arq's context, which holds it under `LEDGER`.
    """

    def __init__(self, ctx: Mapping[Any, Any]) -> None:
        self._ctx = ctx

    async def begin(self, run: Running) -> Ending | None:
        """Claim the row of a durable job; return how it ends if it is not to run now."""
        ledger, claim = self._rows(), _claim_of(run)
        if ledger is None or claim is None:
            return None
        answer = await _insist(run, lambda: ledger.begin(claim))
        if isinstance(answer, Wait):
            return Ending(Outcome.SNOOZED, at_ms=answer.until_ms)
        if isinstance(answer, Over):
            log.info("job %s is done: its row needs no run", run.job_id)
            return Ending(Outcome.SUCCEEDED, tries=run.job_try)
        if answer is not None:
            run.row = claim
            run.job_try = max(run.job_try, answer.tries + 1)
        return None

    async def record(self, run: Running, end: Ending) -> Ending:
        """Hand an ending over before Redis forgets the job; return what Redis is to be told."""
        terminal = end.outcome in _STATES
        if terminal and run.row is None and (instead := await self.begin(run)) is not None:
            return instead
        if run.row is not None:
            return await self._settle(run, run.row, end)
        ledger: Ledger | None = self._ctx.get(LEDGER)
        if ledger is None or not terminal or run.job is None:
            return end
        if end.outcome is not Outcome.DEAD and not in_history(run, end.outcome):
            return end
        try:
            if await ledger.record(_finished(run, end)) and end.outcome is Outcome.DEAD:
                end.outcome = Outcome.FAILED
        except Exception:  # the ledger is the user's; the outcome is true whatever it says
            log.exception("the ledger did not take the end of job %s", run.job_id)
        return end

    async def _settle(self, run: Running, claim: RowClaim, end: Ending) -> Ending:
        """Write an outcome into the row, for as long as it takes."""
        ledger = self._rows()
        assert ledger is not None
        # Its code has ended: no limit of time is left to keep, but its lease is still needed.
        run.soft_at = run.hard_at = run.renewable_until = math.inf
        outcome = RowOutcome(
            claim=claim,
            outcome=end.outcome,
            due_at=from_ms(end.at_ms) if end.at_ms else None,
            tries=run.job_try - (end.outcome in (Outcome.SNOOZED, Outcome.RELEASED)),
            result=end.result,
            error=_error_of(run, end),
        )
        settled = await _insist(run, lambda: ledger.settle(outcome))
        if settled is None:
            return Ending(Outcome.RELEASED, at_ms=end.at_ms, tries=run.job_try - 1)
        if not settled:
            log.warning("job %s: its row was claimed by another, which decides", run.job_id)
        if end.outcome is Outcome.DEAD:  # the row keeps it
            end.outcome = Outcome.FAILED
        return end

    def _rows(self) -> RowLedger | None:
        ledger = self._ctx.get(LEDGER)
        return ledger if hasattr(ledger, "settle") else None


async def _insist(run: Running, ask: Callable[[], Awaitable[T]]) -> T | None:
    """Ask until there is an answer; None when the run was stopped meanwhile."""
    while True:
        try:
            return await ask()
        except Exception as error:  # noqa: BLE001 - whatever the ledger's store raises while it is away
            log.warning("job %s waits for its row: %s: %s", run.job_id, type(error).__name__, error)
        if run.stop in (Stop.LOST, Stop.RELEASED):
            return None
        await asyncio.sleep(_PAUSE)


def has_row(run: Running) -> bool:
    """Whether the job is a durable one."""
    return run.record is not None and ROW in run.record.headers


def _claim_of(run: Running) -> RowClaim | None:
    version = run.record.headers.get(ROW) if run.record is not None else None
    if version is None:
        return None
    return RowClaim(run.job_id, version, run.token, crashed=run.crashes > 0)


def _error_of(run: Running, end: Ending) -> str | None:
    error = end.error
    if error is None:
        return None
    kind = type(error).__name__
    return kind if run.job and run.job.sensitive else f"{kind}: {text_of(error)}"


def _finished(run: Running, end: Ending) -> Finished:
    assert run.record is not None
    return Finished(
        job_id=run.job_id,
        name=run.name,
        job=run.job,
        arguments=arguments_by_name(run),
        state=_STATES[end.outcome],
        tries=run.job_try,
        enqueued_at=from_ms(run.record.enqueued_ms),
        started_at=from_ms(run.started_ms) if run.started_ms else datetime.now(UTC),
        finished_at=datetime.now(UTC),
        result=end.value,
        error=end.error,
        dead=end.outcome is Outcome.DEAD,
        payload=run.payload or b"",
        failure=end.failure,
    )


def arguments_by_name(run: Running) -> dict[str, Any]:
    """Return a run's arguments by the names of its coroutine's parameters."""
    assert run.function is not None
    if not run.args:
        return dict(run.kwargs)
    signature = inspect.signature(run.function.coroutine)
    bound = dict(signature.bind(None, *run.args, **run.kwargs).arguments)
    bound.pop(next(iter(signature.parameters)))
    return bound


def in_history(run: Running, outcome: Outcome) -> bool:
    """Whether the job's declaration wants this ending in the history."""
    if run.job is None or run.job.history == "none":
        return False
    return run.job.history == "all" or outcome is not Outcome.SUCCEEDED
