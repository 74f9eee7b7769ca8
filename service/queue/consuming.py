"""Whether a queue's workers do their work: being alive is not enough."""

from collections.abc import Iterable, Sequence

from arq.connections import ArqRedis

from service.queue import presence
from service.queue.backlog import Backlog, backlogs
from service.queue.presence import WorkerView, queue_name

PATIENCE = 60.0
"""Seconds for which a job may be due beside a worker with a free slot."""


def free(queue: str, seen: Iterable[WorkerView]) -> list[str]:
    """Return the workers of a queue, by its name, that could start a job now."""
    mine = (worker for worker in seen if (worker.queue, worker.state) == (queue, "running"))
    return [worker.name for worker in mine if worker.busy < worker.open]


def reason(queue: Backlog, alive: int, seen: Iterable[WorkerView]) -> str | None:
    """Return why a queue is not served; None if it is.

    Args:
        queue: what waits.
        alive: workers of it that have said lately that they live.
        seen: those that tell more of themselves, of any queue; stock arq workers do not.
    """
    if alive:
        return stuck(queue, seen)
    return f"no worker of {queue_name(queue.queue)} is alive"


def stuck(queue: Backlog, seen: Iterable[WorkerView]) -> str | None:
    """Return which workers take no jobs although there are some; None if all do."""
    name = queue_name(queue.queue)
    if queue.paused or queue.oldest <= PATIENCE or not (idle := free(name, seen)):
        return None
    return (
        f"{', '.join(idle)} is alive but takes no jobs of {name}: one has been due for "
        f"{queue.oldest:.0f} s, and there is a free slot"
    )


async def unserved(client: ArqRedis, queues: Sequence[str], host: str | None = None) -> list[str]:
    """Return why queues are not served; nothing if all are.

    Args:
        client: where they are.
        queues: their keys.
        host: whose workers must serve them; by default any.

    Raises redis-py's errors.
    """
    seen = [
        worker
        for worker in await presence.workers(client)
        if worker.state != "offline" and host in (None, worker.host)
    ]
    reasons = []
    for queue in await backlogs(client, queues):
        alive = sum(worker.queue == queue_name(queue.queue) for worker in seen)
        reasons.append(reason(queue, alive, seen))
    return [text for text in reasons if text is not None]
