"""What waits in queues, for how long, and whether anybody is there to run it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from arq.connections import ArqRedis

from service.queue import presence
from service.queue.client import QueueClient
from service.queue.declaration import declared
from service.queue.entries import AGEING_MS
from service.queue.names import queue_key
from service.queue.scripting import script

HEALTH = ":health:"
"""Between a queue's key and a worker's name: the key where that worker says that it is well."""
_STOCK_HEALTH = ":health-check"
_depths = script("depths")


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue as it is now."""

    queue: str
    """Its key."""
    waiting: int
    """Jobs that are due and held by nobody, or by a stock worker."""
    oldest: float
    """Seconds since the first of them was due; 0 if there is none."""
    paused: bool
    running: int = 0
    """Jobs that a worker of ours holds."""
    deferred: int = 0
    """Jobs whose time is still to come."""
    dead: int = 0
    """Dead jobs that Redis keeps."""
    depth: int = 0
    """Ids in the queue."""


async def backlogs(client: ArqRedis, queues: Sequence[str]) -> list[Backlog]:
    """Return what the queues of these keys hold, at one instant and in one round trip."""
    if not queues:
        return []
    found = await _depths(client, queues, AGEING_MS)
    return [
        Backlog(
            queue=key,
            waiting=waiting,
            oldest=oldest_ms / 1000,
            paused=paused == 1,
            running=running,
            deferred=deferred,
            dead=dead,
            depth=depth,
        )
        for key, (paused, waiting, running, deferred, dead, oldest_ms, depth) in zip(
            queues, found, strict=True
        )
    ]


async def living(client: QueueClient) -> dict[str, int]:
    """Return how many workers of each queue, by its key, have said lately that they live.

    Three round trips. Stock arq workers are looked for in the queues of all declared jobs and the
    client's default queue; one speaks only as often as its `health_check_interval` says, and all of
    a queue count as one.
    """
    counts = Counter(worker.queue for worker in await presence.alive(client))
    known = {queue_key(job.queue) for job in declared().values()} | {client.default_queue_name}
    queues = sorted(known)
    async with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.exists(queue + _STOCK_HEALTH)
        stock = await pipe.execute()
    counts.update(queue for queue, there in zip(queues, stock, strict=True) if there)
    return dict(counts)
