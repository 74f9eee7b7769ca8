"""What is known of one job beside `JobOut`: how it was sent, and whether it is dead."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from redis.exceptions import RedisError

from service.monitoring import dead_queries, history_queries, rows
from service.monitoring.schemas import JobOut
from service.queue import DecodeError, JobState, JobView, declared, inspect
from service.queue.codec import readable
from service.queue.headers import TRACE, trace_of
from service.queue.sealing import MASK
from service.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Details:
    """More of one job."""

    trace: str
    lane: str | None = None
    """Its priority in its queue; None where nobody knows it any more."""
    crashes: int = 0
    """Runs whose worker died."""
    dead: bool = False
    """Whether it is kept to be replayed or discarded."""
    durable: bool = False
    started_at: datetime | None = None
    """When the run under way began, of a durable job."""
    sensitive: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


async def details(runtime: Runtime, job: JobOut) -> Details:
    """Return more of a job that exists for the caller. Three lookups at most."""
    try:
        view = await inspect(runtime.queue, job.id)
    except (RedisError, OSError, DecodeError):  # the rows tell the rest
        view = None
    row = await rows.find(runtime, job.id)
    headers = dict(view.headers if view else readable(row.payload).headers if row else {})
    declaration = declared().get(job.name)
    return Details(
        trace=headers.get(TRACE) or await _trace(runtime, job.id),
        lane=row.lane if row else view.lane if view and not view.state.terminal else None,
        crashes=view.crashes if view else 0,
        dead=await _is_dead(runtime, job, view, row.state if row else None),
        durable=row is not None,
        started_at=row.started_at if row and row.state == JobState.RUNNING else None,
        sensitive=(declaration is not None and declaration.sensitive) or _is_masked(job),
        headers=headers,
    )


def _is_masked(job: JobOut) -> bool:
    return isinstance(job.arguments, dict) and MASK in job.arguments.values()


async def _trace(runtime: Runtime, job_id: str) -> str:
    async with runtime.database.session() as session:
        runs = await history_queries.attempts(session, job_id, 1)
    return runs[-1].trace if runs and runs[-1].trace else trace_of(job_id, {})


async def _is_dead(runtime: Runtime, job: JobOut, view: JobView | None, state: str | None) -> bool:
    if job.state != JobState.FAILED:
        return False
    # What has a result is kept elsewhere; without one Redis itself keeps the dead job.
    in_redis = view is not None and view.state is JobState.FAILED and view.started_at is None
    if in_redis or state == JobState.FAILED:
        return True
    async with runtime.database.session() as session:
        return await dead_queries.dead_job(session, job.id) is not None
