"""Why a job is not running: what its queue, its workers, its limits and its row say."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from redis.exceptions import RedisError

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.kit.clock import now
from service.monitoring import rows
from service.monitoring.schemas import JobOut
from service.monitoring.visibility import sees
from service.monitoring.waiting_rules import Facts, Holder, Line, Reason, reasons
from service.queue import DecodeError, JobView, declared, inspect, queue_key
from service.queue.backlog import backlogs, living
from service.queue.limiting import waited_for
from service.queue.place import PlaceView, place_of
from service.queue.presence import WorkerView, queue_name, workers
from service.queue.views import JobState
from service.runtime import Runtime

CRASHES = 2
"""Deaths of its workers after which a job runs alone, unless a worker was told otherwise."""
CLOSE = timedelta(seconds=1)
"""A time so near counts as come: the clocks of three servers differ by that."""


async def why(runtime: Runtime, caller: Caller, job: JobOut) -> list[Reason]:
    """Return what keeps a job from running that has not ended; nothing for one that has.

    About ten round trips to Redis and one statement, whatever waits.
    """
    if JobState(job.state).terminal:
        return []
    row = await rows.find(runtime, job.id)
    declaration = declared().get(job.name)
    moment = now()
    facts = Facts(
        name=job.name,
        queue=job.queue,
        moment=moment,
        due_at=job.run_at if job.run_at and job.run_at > moment + CLOSE else None,
        tries=job.tries,
        last_error=_last_error(job),
        look_at=row.look_at if row else None,
        declared=declaration is not None,
        swept=declaration is not None and declaration.owner is not None,
    )
    try:
        facts = await _with_queue(runtime, caller, facts, job, row)
    except (RedisError, OSError):
        facts = replace(facts, answers=False, holder=_of_row(row))
    return reasons(facts)


def _last_error(job: JobOut) -> str | None:
    if job.error is not None:
        return job.error.type
    failed = [run.error for run in job.attempts if run.error is not None]
    return failed[-1].type if failed else None


async def _with_queue(
    runtime: Runtime, caller: Caller, facts: Facts, job: JobOut, row: DurableJob | None
) -> Facts:
    """Add what Redis tells."""
    client = runtime.queue
    view, readable = await _inspected(runtime, job.id)
    key = view.queue if view else row.queue if row else queue_key(job.queue)
    queued = not readable or (view is not None and not view.state.terminal)
    present = [w for w in await workers(client) if queue_name(key) == w.queue]
    place = await place_of(client, key, job.id, view.lane) if queued and view else None
    holder = _holder(place, present) or _of_row(row)
    if job.state == JobState.RUNNING and holder is None:
        holder = Holder(None)
    (backlog,) = await backlogs(client, [key])
    awake = [w for w in present if w.state == "running"]
    alive = (await living(client)).get(key, 0)
    told = sum(w.state != "offline" for w in present)
    stock = max(alive - told, 0)
    """Workers that tell nothing of themselves, and may know any job."""
    return replace(
        facts,
        queued=queued,
        readable=readable,
        paused=backlog.paused,
        workers=told + stock,
        quiet=told - len(awake),
        able=stock + sum(job.name in w.functions for w in awake),
        places=0 if stock else sum(w.open for w in awake),
        busy=sum(w.busy for w in awake),
        before=place.before if place else 0,
        crashes=view.crashes if view else 0,
        alone=view is not None and view.crashes >= CRASHES,
        holder=holder,
        lines=await _lines(runtime, caller, view) if queued and view else (),
    )


async def _inspected(runtime: Runtime, job_id: str) -> tuple[JobView | None, bool]:
    """Return a job as Redis has it, and whether it can be read."""
    try:
        return await inspect(runtime.queue, job_id), True
    except DecodeError:
        return None, False


def _holder(place: PlaceView | None, present: Sequence[WorkerView]) -> Holder | None:
    if place is None or place.incarnation is None:
        return None
    for worker in present:
        if worker.incarnation == place.incarnation:
            gone = worker.seen_at if worker.state == "offline" else None
            return Holder(worker.name, place.lease_ends, gone)
    return Holder(None, place.lease_ends)


def _of_row(row: DurableJob | None) -> Holder | None:
    """Return who holds a durable job without the queue, such as the process that runs it inline."""
    held = row is not None and row.claimed_until is not None and row.claimed_until > now()
    return Holder(None, row.claimed_until) if row is not None and held else None


async def _lines(runtime: Runtime, caller: Caller, view: JobView) -> list[Line]:
    """Return the limits that a job waits for, with the holders that exist for the caller."""
    job = declared().get(view.function)
    if job is None or job.sensitive:  # the name of its limit is made of what is encrypted
        return []
    names = list(job.parameters)
    given: Mapping[str, object] = {**dict(zip(names, view.args, strict=False)), **view.kwargs}
    found = await waited_for(runtime.queue, job, view.job_id, given)
    return [
        Line(
            each.limit, each.key, each.per, each.before, await _seen(runtime, caller, each.holders)
        )
        for each in found
    ]


async def _seen(runtime: Runtime, caller: Caller, ids: Sequence[str]) -> list[str]:
    views = [await inspect(runtime.queue, job_id) for job_id in ids]
    return [
        view.job_id
        for view in views
        if view is not None and sees(caller, view.headers.get("actor"), view.function)
    ]
