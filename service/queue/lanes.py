"""Priority within a queue."""

from service.queue.call import LANES, Lane
from service.queue.client import QueueClient
from service.queue.entries import AGEING_MS
from service.queue.scripting import script

_move = script("move_lane")


async def move_lane(client: QueueClient, queue: str, job_id: str, lane: Lane) -> bool:
    """Move a waiting job to another lane of its queue, whose key is given.

    Returns whether it is in that lane now: a job that runs, is being aborted or is not in the queue
    stays as it is. Raises ValueError for an unknown lane.
    """
    if lane not in LANES:
        raise ValueError(f"lane is {lane!r}; it is one of {', '.join(LANES)}")
    moved: int = await _move(client, [queue], lane, AGEING_MS, job_id)
    return moved == 1
