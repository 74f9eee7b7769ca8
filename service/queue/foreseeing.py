"""What a purge would come to, before anybody asks for it."""

from dataclasses import dataclass

from service.queue.client import QueueClient
from service.queue.codec import readable
from service.queue.owners import owner_path

_PAYLOAD, _HELD = "arq:job:", "arq:in-progress:"
MOST_READ = 1000
"""Jobs of which the owners are looked for."""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What waits in a queue, in numbers."""

    free: int
    """Jobs that belong to nothing: a purge removes them."""
    owned: int
    """Jobs that belong to a row, such as a post's."""
    running: int
    """Jobs of either kind that run: they are left alone."""
    unread: int
    """Jobs beyond `MOST_READ`, of which nobody looked whose they are."""


async def foresee(client: QueueClient, queue: str) -> Foreseen:
    """Return what a purge of this queue, whose key is given, would find. Three round trips."""
    async with client.pipeline(transaction=False) as pipe:
        pipe.zcard(queue)
        pipe.zrange(queue, 0, MOST_READ - 1)
        depth, found = await pipe.execute()
    ids = [job_id.decode() for job_id in found]
    if not ids:
        return Foreseen(0, 0, 0, 0)
    payloads = await client.mget([_PAYLOAD + job_id for job_id in ids])
    async with client.pipeline(transaction=False) as pipe:
        for job_id in ids:
            pipe.exists(_HELD + job_id)
        held = await pipe.execute()
    free = owned = 0
    for payload, running in zip(payloads, held, strict=True):
        if not running:
            record = readable(payload)
            if owner_path(record.function, record.headers):
                owned += 1
            else:
                free += 1
    return Foreseen(free, owned, len(ids) - free - owned, depth - len(ids))
