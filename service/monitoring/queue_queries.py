"""SQL of queues: how fast their last jobs went."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

SAMPLE = 1000
"""Runs of a queue that are looked at, the last ones."""

_PACES = text(
    """
    SELECT wanted.queue, count(*) AS runs, min(run.finished_at) AS since,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
            ORDER BY extract(epoch FROM greatest(run.started_at - run.enqueued_at, '0'::interval))
        ) FILTER (WHERE run.attempt = 1) AS wait,
        percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (
            ORDER BY extract(epoch FROM run.finished_at - run.started_at)
        ) AS duration
    FROM unnest(CAST(:queues AS text[])) AS wanted (queue)
    CROSS JOIN LATERAL (
        SELECT enqueued_at, started_at, finished_at, attempt FROM job_runs
        -- Not "=": the order would be that of other indexes too, and one of them be read through.
        WHERE job_runs.queue BETWEEN wanted.queue AND wanted.queue
            AND finished_at >= :since AND attempt > 0
        ORDER BY job_runs.queue DESC, finished_at DESC LIMIT :sample
    ) AS run
    GROUP BY wanted.queue
    """
)


class Pace(NamedTuple):
    """How the last runs of a queue went: p50 and p95 in seconds."""

    queue: str
    """Its name."""
    runs: int
    since: datetime
    """When the first of them ended."""
    wait: Sequence[float] | None
    """From the sending of a job to its first run."""
    duration: Sequence[float]


async def paces(session: AsyncSession, queues: Sequence[str], since: datetime) -> list[Pace]:
    """Return how those queues did that had runs since then, by their last `SAMPLE` runs."""
    values = {"queues": list(queues), "since": since, "sample": SAMPLE}
    return [Pace(*row) for row in await session.execute(_PACES, values)]
