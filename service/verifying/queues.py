"""Queues as jobs see them: who is there, and a job through each that is served."""

import time
from collections import Counter

import msgspec

from service.monitoring import jobs
from service.queue import JobState, cancel, is_paused, wait
from service.queue.backlog import Backlog, backlogs, living
from service.queue.presence import WorkerView, queue_name, workers
from service.runtime import Runtime
from service.verifying.check import Wrong
from service.verifying.parts import served_queues

ROUND_TRIP = 5.0
"""Seconds in which a worker must have run the job of a round trip."""


async def known(runtime: Runtime) -> list[str]:
    """Return the keys of queues that must be served, or are, by key."""
    return sorted({*served_queues(), *await living(runtime.queue)})


async def round_trip(runtime: Runtime, key: str) -> str:
    """Send a job through a queue and return who ran it, in what time.

    Raises:
        Wrong: nobody serves the queue, or the job did not come back.
    """
    (backlog,) = await backlogs(runtime.queue, [key])
    serving = Counter(await living(runtime.queue))[key]
    if not serving:
        raise Wrong(_lonely(backlog))
    if await is_paused(runtime.queue, key):
        return f"paused, {backlog.waiting} jobs wait; no round trip"
    views = [view for view in await workers(runtime.queue) if view.queue == queue_name(key)]
    if not any(_answers(view) for view in views):
        return f"{serving} workers, none of which runs {jobs.ping.name}; no round trip"
    return await _send(runtime, key, backlog)


def _lonely(backlog: Backlog) -> str:
    name = queue_name(backlog.queue)
    waits = f"{backlog.waiting} jobs are due since {backlog.oldest:.0f} s, and "
    return f"{waits if backlog.waiting else ''}nobody serves it: start almanac worker {name}"


def _answers(view: WorkerView) -> bool:
    return view.state == "running" and jobs.ping.name in view.functions


async def _send(runtime: Runtime, key: str, backlog: Backlog) -> str:
    client, began = runtime.queue, time.monotonic()
    handle = await client.enqueue(msgspec.structs.replace(jobs.ping(), queue=queue_name(key)))
    assert handle is not None, "its id is random"
    view = await wait(client, handle.job_id, ROUND_TRIP)
    others = f"{backlog.waiting} others wait"
    if view is not None and view.state is JobState.SUCCEEDED:
        took = (time.monotonic() - began) * 1000
        return f"{view.result} answered in {took:.0f} ms; {others}"
    await cancel(client, handle.job_id)
    state = "is gone" if view is None else f"is {view.state}"
    reason = f": {view.error.type}: {view.error.message}" if view and view.error else ""
    raise Wrong(
        f"after {ROUND_TRIP:g} s the job {state}{reason}; {others}, {backlog.running} run: "
        "see almanac workers list"
    )
