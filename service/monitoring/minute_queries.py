"""SQL of minutes: what runs came to in each, added up as they are recorded."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import CursorResult, delete, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.monitoring.minute_rules import minutes_of
from service.monitoring.models import JobMinute
from service.monitoring.runs import Run

_ADD = text(
    """
    INSERT INTO job_minutes AS kept
        (minute, queue, succeeded, failed, cancelled, retrying, waits, durations)
    VALUES (:minute, :queue, :succeeded, :failed, :cancelled, :retrying,
        CAST(:waits AS integer[]), CAST(:durations AS integer[]))
    ON CONFLICT (minute, queue) DO UPDATE SET
        succeeded = kept.succeeded + excluded.succeeded,
        failed = kept.failed + excluded.failed,
        cancelled = kept.cancelled + excluded.cancelled,
        retrying = kept.retrying + excluded.retrying,
        waits = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)
            FROM unnest(kept.waits, excluded.waits) WITH ORDINALITY AS pair (a, b, place)
            ORDER BY place),
        durations = ARRAY(SELECT coalesce(a, 0) + coalesce(b, 0)
            FROM unnest(kept.durations, excluded.durations) WITH ORDINALITY AS pair (a, b, place)
            ORDER BY place)
    """
)
_STEPS = text(
    """
    WITH chosen AS MATERIALIZED (
        SELECT date_bin(:step, minute, :since) AS at, *
        FROM job_minutes
        WHERE minute >= :since AND (CAST(:queue AS text) IS NULL OR queue = :queue)
    ), buckets AS (
        SELECT at, place, coalesce(sum(wait), 0) AS wait, coalesce(sum(duration), 0) AS duration
        FROM chosen, unnest(waits, durations) WITH ORDINALITY AS bucket (wait, duration, place)
        GROUP BY at, place
    ), spans AS (
        SELECT at, array_agg(wait ORDER BY place) AS waits,
            array_agg(duration ORDER BY place) AS durations
        FROM buckets GROUP BY at
    ), ends AS (
        SELECT at, sum(succeeded) AS succeeded, sum(failed) AS failed,
            sum(cancelled) AS cancelled, sum(retrying) AS retrying
        FROM chosen GROUP BY at
    )
    SELECT at, succeeded, failed, cancelled, retrying,
        coalesce(waits, '{}'), coalesce(durations, '{}')
    FROM ends LEFT JOIN spans USING (at) ORDER BY at
    """
)


class Step(NamedTuple):
    """What runs came to within one step of time; the counts as `minute_rules.Minute` has them."""

    at: datetime
    """Its begin."""
    counts: tuple[int, ...]
    waits: Sequence[int]
    durations: Sequence[int]


async def add(session: AsyncSession, runs: Sequence[Run]) -> None:
    """Add runs to their minutes: a statement for each minute and queue, in one order for all."""
    values = [
        {
            "minute": at,
            "queue": queue,
            "succeeded": minute.counts[0],
            "failed": minute.counts[1],
            "cancelled": minute.counts[2],
            "retrying": minute.counts[3],
            "waits": minute.waits,
            "durations": minute.durations,
        }
        for (at, queue), minute in minutes_of(runs).items()
    ]
    if values:
        await session.execute(_ADD, values)


async def steps(
    session: AsyncSession, since: datetime, step: timedelta, queue: str | None = None
) -> list[Step]:
    """Return the steps of time since then in which runs ended, of all queues or one.

    Args:
        session: reads them.
        since: the begin of the first step, a whole minute.
        step: how long each is, whole minutes.
        queue: its name.
    """
    values = {"since": since, "step": step, "queue": queue}
    found = await session.execute(_STEPS, values)
    return [Step(at, tuple(counts), waits, durations) for at, *counts, waits, durations in found]


async def forget(session: AsyncSession, before: datetime) -> int:
    """Delete minutes before that; return how many rows they had."""
    result = await session.execute(delete(JobMinute).where(JobMinute.minute < before))
    assert isinstance(result, CursorResult)
    return result.rowcount
