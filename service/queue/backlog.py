"""What waits in queues, for how long, and whether anybody is there to run it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from service.queue.client import QueueClient
from service.queue.entries import AGEING_MS, EARLIEST_SCORE

HEALTH = ":health:"
"""Between a queue's key and a worker's name: the key where that worker says that it is well."""
_STOCK_HEALTH = ":health-check"


@dataclass(frozen=True, slots=True)
class Backlog:
    """One queue as it is now."""

    queue: str
    """Its key."""
    waiting: int
    """Jobs that are due and held by nobody."""
    oldest: float
    """Seconds since the first of them was due; 0 if there is none."""
    paused: bool


async def backlogs(client: QueueClient, queues: Sequence[str]) -> list[Backlog]:
    """Return what waits in the queues of these keys, in one round trip and one for the time."""
    seconds, microseconds = await client.time()
    now = seconds * 1000 + microseconds // 1000
    async with client.pipeline(transaction=False) as pipe:
        for key in queues:
            # A low job stands behind its time in the queue, and at it in the lane's index.
            young, low = f"({now - AGEING_MS}", f"{key}:low"
            pipe.exists(f"{key}:paused")
            pipe.zcount(key, EARLIEST_SCORE, now)
            pipe.zcount(low, young, now)
            for index in (key, low):
                pipe.zrangebyscore(index, EARLIEST_SCORE, now, start=0, num=1, withscores=True)
        found = await pipe.execute()
    each = [found[i : i + 5] for i in range(0, len(found), 5)]
    return [
        Backlog(
            queue=key,
            waiting=due + low_due,
            oldest=max((now - score) / 1000 for _, score in (*first, *low_first, ("", now))),
            paused=bool(paused),
        )
        for key, (paused, due, low_due, first, low_first) in zip(queues, each, strict=True)
    ]


async def living(client: QueueClient) -> dict[str, int]:
    """Return how many workers of each queue, by its key, have said lately that they are well.

    Looks through all keys of the database, so it is nothing to ask every second. A stock arq worker
    speaks only as often as its `health_check_interval` says, and all of a queue count as one.
    """
    counts: dict[str, int] = {}
    keys: Iterable[bytes] = [key async for key in client.scan_iter(match="*:health*", count=1000)]
    for key in keys:
        name = key.decode(errors="replace")
        queue, separator, _ = name.partition(HEALTH)
        if not separator and name.endswith(_STOCK_HEALTH):
            queue, separator = name.removesuffix(_STOCK_HEALTH), _STOCK_HEALTH
        if separator:
            counts[queue] = counts.get(queue, 0) + 1
    return counts
