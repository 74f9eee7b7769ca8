"""What people do to jobs: cancel them, let them run again. Routes and commands note it first."""

import asyncio
from dataclasses import dataclass, replace

from service.access.caller import Caller
from service.errors import Conflict, NotFound
from service.kit.context import set_to
from service.monitoring import dead_steering, lookup, open_jobs, rows
from service.monitoring.dead_queries import Wanted
from service.monitoring.history_queries import Search
from service.monitoring.schemas import JobOut
from service.posts import actions as posts
from service.queue import HEADERS, JobCall, JobState, declared, inspect
from service.queue import cancel as cancel_in_queue
from service.runtime import Runtime
from service.workflows import actions as workflows

MOST = 1000
"""Jobs that one call cancels, at most."""
AT_ONCE = 20
GONE = "There is no such job, or its result has expired"


async def cancel(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Cancel a job; one that belongs to a delivery cancels the delivery.

    Raises:
        NotFound: for the caller there is no such job.
        Conflict: it has ended.
    """
    if posts.is_publish_job(job_id):
        async with runtime.unit_of_work() as uow:
            await posts.cancel_publish_job(posts.Desk.of(runtime, uow, caller), job_id)
        return
    job = await _found(runtime, caller, job_id)
    row = await rows.find(runtime, job_id)
    if row is not None:
        cancelled = await rows.cancel(runtime, row)
    else:
        resolve = runtime.owners(caller)
        cancelled = await cancel_in_queue(runtime.queue, job_id, resolve=resolve)
    if not cancelled:
        raise Conflict(f"Only a job that waits or runs is cancelled; this one is {job.state}")


async def retry(runtime: Runtime, caller: Caller, job_id: str) -> None:
    """Let a job that failed or was cancelled run again, under its id.

    Raises:
        NotFound: for the caller there is no such job.
        Conflict: it has not failed, its function is gone, or nothing is kept that could run.
    """
    if posts.is_publish_job(job_id):
        async with runtime.unit_of_work() as uow:
            await posts.replay_publish_job(posts.Desk.of(runtime, uow, caller), job_id)
        return
    job = await _found(runtime, caller, job_id)
    if job.state not in (JobState.FAILED, JobState.CANCELLED):
        reason = f"Only a job that failed or was cancelled runs again; this one is {job.state}"
        raise Conflict(reason)
    if workflows.is_step(job_id):
        raise Conflict("It is a step of a workflow: resume the workflow")
    if job.name not in declared():
        raise Conflict(f"This release has no job '{job.name}'; it stays as it is")
    row = await rows.find(runtime, job_id)
    if row is not None:
        again = await rows.replay(runtime, row)
    else:
        done = await dead_steering.replay(runtime, caller, Wanted(ids=[job_id]))
        again = bool(done.replayed) or await _resend(runtime, job_id)
    if not again:
        raise Conflict("Nothing is kept of it that could run again: send it anew")


async def _found(runtime: Runtime, caller: Caller, job_id: str) -> JobOut:
    job = await lookup.look(runtime, caller, job_id)
    if job is None:
        raise NotFound(GONE)
    return job


async def _resend(runtime: Runtime, job_id: str) -> bool:
    """Send again what the result of a job without a row says of it; return whether there is one."""
    view = await inspect(runtime.queue, job_id, unmask=True)
    if view is None or not view.state.terminal:
        return False
    queue = view.queue.removeprefix("almanac:")
    call = JobCall(
        view.function, queue, view.args, view.kwargs, job_id=job_id, headers=view.headers
    )
    with set_to(HEADERS, {}):  # whoever lets it run again, it stays its sender's
        return (await runtime.queue.requeue_many([call]))[0]


@dataclass(slots=True)
class Cancelled:
    """What became of jobs that were to be cancelled."""

    cancelled: int = 0
    left: int = 0
    """They have ended meanwhile, or what they belong to refuses."""
    more: bool = False
    """Whether there may be more than one call cancels."""


async def cancel_all(runtime: Runtime, caller: Caller, wanted: Search) -> Cancelled:
    """Cancel the jobs that match and exist for the caller, `MOST` at most.

    Args:
        runtime: where they are.
        caller: who cancels.
        wanted: a state of `open_jobs.OPEN_STATES` or none, name, queue.
    """
    done = Cancelled()
    states = open_jobs.OPEN_STATES if wanted.state is None else (JobState(wanted.state),)
    for state in states:
        await _cancel_state(runtime, caller, replace(wanted, state=state), done)
    return done


async def _cancel_state(runtime: Runtime, caller: Caller, wanted: Search, done: Cancelled) -> None:
    cursor = None
    while not done.more:
        page = await open_jobs.page(runtime, caller, wanted, open_jobs.PAGE, cursor)
        ids = [item.id for item in page.items]
        for start in range(0, len(ids), AT_ONCE):
            tried = (_tried(runtime, caller, each) for each in ids[start : start + AT_ONCE])
            ended = await asyncio.gather(*tried)
            done.cancelled += sum(ended)
            done.left += len(ended) - sum(ended)
        cursor = page.next_cursor
        if cursor is None:
            return
        done.more = done.cancelled + done.left >= MOST


async def _tried(runtime: Runtime, caller: Caller, job_id: str) -> bool:
    try:
        await cancel(runtime, caller, job_id)
    except (NotFound, Conflict):
        return False
    return True
