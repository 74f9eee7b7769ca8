"""The history as people see it: searching it, and what every run of one job came to."""

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.errors import InvalidInput, Problem
from service.kit.pagination import Page, encode_cursor
from service.monitoring import history_queries as queries
from service.monitoring.history_queries import Search
from service.monitoring.models import JobRun
from service.monitoring.schemas import AttemptOut, JobError, JobOut, RunList, RunOut
from service.queue import JobState, declared
from service.queue.sealing import MASK

MOST_ATTEMPTS = 100
"""Runs of one job that are shown, the last ones."""


def read_arguments(given: Iterable[str]) -> list[tuple[str, list[Any]]]:
    """Read `key:value` pairs; a number, true, false or null is looked for as such too.

    Raises InvalidInput when one has no colon, or no key.
    """
    found = []
    for pair in given:
        key, colon, value = pair.partition(":")
        if not (key and colon):
            problem = f"is {pair!r}; it must be key:value, such as number:13"
            raise InvalidInput([Problem("argument", problem)])
        found.append((key, _meanings(value)))
    return found


def read_instant(field: str, instant: datetime | None) -> datetime | None:
    """Return an instant in UTC; raise InvalidInput when it lies beyond the calendar."""
    try:
        return instant.astimezone(UTC) if instant else None
    except OverflowError:
        raise InvalidInput([Problem(field, "is not an instant of the years 1 to 9999")]) from None


def _meanings(value: str) -> list[Any]:
    try:
        number = msgspec.json.decode(value, type=bool | int | float | None)
    except msgspec.DecodeError:
        return [value]
    beyond = isinstance(number, float) and not math.isfinite(number)
    return [value] if beyond else [value, number]


async def search(session: AsyncSession, caller: Caller, wanted: Search, page: Page) -> RunList:
    """Return a page of the runs that match and exist for the caller, newest first."""
    found = await queries.search(session, caller, wanted, page)
    last = found.last
    return RunList(
        items=[_shown(run) for run in found.items],
        next_cursor=encode_cursor(last.id) if last else None,
        searched_to=last.finished_at if last and found.gave_up else None,
        lost=await queries.lost_events(session),
    )


async def attempts(session: AsyncSession, job_id: str) -> list[JobRun]:
    """Return the recorded runs of a job, oldest first."""
    return await queries.attempts(session, job_id, MOST_ATTEMPTS)


def job_of(runs: Sequence[JobRun]) -> JobOut:
    """Show a job by its recorded runs, of which there is one at least."""
    last = runs[-1]
    return JobOut(
        id=last.job_id,
        name=last.name,
        queue=last.queue,
        state=last.state,
        arguments=_arguments(last),
        tries=last.attempt,
        actor=last.actor,
        run_at=None,
        enqueued_at=last.enqueued_at,
        started_at=last.started_at,
        finished_at=None if last.state == JobState.RETRYING else last.finished_at,
        result=_result(last),
        error=_error(last),
    )


def attempt_of(run: JobRun) -> AttemptOut:
    """Show one run of a job."""
    return AttemptOut(
        attempt=run.attempt,
        state=run.state,
        worker=run.worker or None,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=_error(run),
    )


def _shown(run: JobRun) -> RunOut:
    error = _error(run)
    return RunOut(
        id=run.job_id,
        attempt=run.attempt,
        name=run.name,
        queue=run.queue,
        state=run.state,
        arguments=_arguments(run),
        worker=run.worker or None,
        actor=run.actor,
        trace=run.trace,
        enqueued_at=run.enqueued_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        error=error.model_copy(update={"traceback": None}) if error else None,
    )


def _arguments(run: JobRun) -> Any:
    if not run.sensitive:
        return run.arguments
    job = declared().get(run.name)
    return dict.fromkeys(job.parameters if job else ("…",), MASK)


def _result(run: JobRun) -> Any:
    return MASK if run.sensitive and run.result is not None else run.result


def _error(run: JobRun) -> JobError | None:
    if run.error_type is None:
        return None
    message = run.error if run.error is not None else MASK if run.sensitive else ""
    return JobError(type=run.error_type, message=message, traceback=run.traceback)
