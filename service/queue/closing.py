"""What Redis is told of a job that ran past its queue."""

from service.queue.client import QueueClient
from service.queue.events import EVENTS_KEPT, stream_key
from service.queue.scripting import script

_close = script("close")


async def close_queued(
    client: QueueClient, queue: str, job_id: str, result: bytes, keep_ms: int
) -> bool:
    """Take a job off its queue because it ended elsewhere; return whether it waited there.

    Args:
        client: of the queue.
        queue: its key.
        job_id: the job's; one that runs is left to its worker.
        result: what it left, as `service.queue.codec` reads it.
        keep_ms: for how long that stays; 0 leaves none.
    """
    reply: int = await _close(client, [queue], job_id, result, keep_ms)
    return reply == 1


async def add_event(
    client: QueueClient, queue: str, worker: str, job_id: str, event: bytes
) -> None:
    """Tell the history of a run, as a worker's outcomes do.

    Args:
        client: of the queue.
        queue: its key.
        worker: names who ran it.
        job_id: of the run.
        event: its result, as `service.queue.codec` reads it.
    """
    fields: dict[bytes | str, bytes | str] = {"": worker, job_id: event}
    await client.xadd(stream_key(queue), fields, maxlen=EVENTS_KEPT)  # type: ignore[arg-type] # redis-py's dict is invariant
