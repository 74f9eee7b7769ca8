"""Queues and workers in the shapes that tools for Celery have."""

from collections.abc import Sequence
from itertools import groupby

from service.kit.clock import now
from service.monitoring.queue_schemas import QueueStatus, TaskCounts
from service.monitoring.queues import queue_keys
from service.monitoring.worker_schemas import Pool, WorkerStat, WorkerStats
from service.queue import presence
from service.queue.backlog import Backlog, backlogs
from service.queue.presence import WorkerView, queue_name
from service.runtime import Runtime


async def queue_status(runtime: Runtime) -> QueueStatus:
    """Count the jobs of all queues; raise redis-py's errors."""
    alive = await presence.alive(runtime.queue)
    keys = sorted({*queue_keys(), *(worker.queue for worker in alive)})
    queues = await backlogs(runtime.queue, keys)
    return QueueStatus(
        timestamp=now(),
        workers=sorted({worker.name for worker in alive}),
        queues={queue_name(queue.queue): _counts([queue]) for queue in queues},
        total_tasks=_counts(queues),
    )


def _counts(queues: Sequence[Backlog]) -> TaskCounts:
    scheduled = sum(queue.deferred for queue in queues)
    reserved = sum(queue.waiting for queue in queues)
    return TaskCounts(
        active=sum(queue.running for queue in queues),
        scheduled=scheduled,
        reserved=reserved,
        pending=scheduled + reserved,
    )


async def worker_stats(runtime: Runtime) -> WorkerStats:
    """Describe each worker; raise redis-py's errors."""
    found = await presence.workers(runtime.queue)  # sorted by name
    by_name = groupby(found, key=lambda view: view.name)
    return WorkerStats(
        timestamp=now(), workers={name: _stat(list(views)) for name, views in by_name}
    )


def _stat(views: Sequence[WorkerView]) -> WorkerStat:
    """Describe a process by its workers, one for each of its queues."""
    done = sum(view.done for view in views)
    failed = sum(view.failed for view in views)
    retried = sum(view.retried for view in views)
    latest = max(views, key=lambda view: view.seen_at)
    totals = {"succeeded": done, "failed": failed, "retried": retried}
    return WorkerStat(
        status=latest.state,
        total_tasks={"all": sum(totals.values()), **totals},
        pool=Pool(
            open=sum(view.open for view in views),
            most=sum(view.most for view in views),
            busy=sum(view.busy for view in views),
            processes=[latest.pid],
        ),
        uptime=int((latest.seen_at - latest.started_at).total_seconds()),
        load_avg=latest.load_average,
        registered_tasks=sorted({name for view in views for name in view.functions}),
        queues=[view.queue for view in views],
    )
