"""Looking at one job by its id: what it is doing, how it ended; waiting for it, cancelling it."""

import asyncio

from service.kit import clock
from service.queue.client import QueueClient
from service.queue.codec import Record, parse, readable, serialize_end
from service.queue.declaration import declared
from service.queue.events import EVENTS_KEPT, in_history
from service.queue.instants import to_ms
from service.queue.names import Queue, queue_key
from service.queue.owners import Resolve, owner_of
from service.queue.scripting import script
from service.queue.views import Found, JobView, ended, found

_inspect = script("inspect")
_cancel = script("cancel")
_KEEP_RESULT_SECONDS = 3600  # arq's default, for a job that is declared nowhere


async def inspect(
    client: QueueClient, job_id: str, *, queue: str | None = None, unmask: bool = False
) -> JobView | None:
    """Return a job as it is at one instant, or None when Redis knows no job of this id.

    One round trip. Looks into the queues of all declared jobs and the client's default queue, or
    only into the one whose key is given. Values of a sensitive job are masked unless `unmask`.
    Raises DecodeError when its payload cannot be read.
    """
    seen = await _look(client, job_id, queue)
    if isinstance(seen, Record):
        return ended(job_id, seen, unmask=unmask)
    return None if seen is None else found(job_id, seen, unmask=unmask)


async def wait(client: QueueClient, job_id: str, seconds: float) -> JobView | None:
    """Return the job as soon as it has ended, or as it is after so many seconds.

    None means that Redis knows no such job, also when it ended meanwhile and keeps no result.
    Raises as `inspect`.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    view = await inspect(client, job_id)
    if view is None or view.state.terminal:
        return view
    async with client.job_watch.job(job_id) as changes:
        while True:
            await changes.arm()
            view = await inspect(client, job_id, queue=view.queue)
            left = deadline - loop.time()
            if view is None or view.state.terminal or left <= 0:
                return view
            await changes.sleep(left)


async def cancel(client: QueueClient, job_id: str, *, resolve: Resolve | None = None) -> bool:
    """Cancel a job; return False when there is none or it has ended.

    A job that does not run ends here and now as cancelled, no worker is needed. One that runs is
    marked for its worker, as arq's `Job.abort` does: workers with `allow_abort_jobs` then stop it,
    others let it finish; `wait` tells. A job with an owner is left to the owner, who is found by
    `resolve`. Raises Conflict for such a job without `resolve`.
    """
    seen = await _look(client, job_id, None)
    if seen is None or isinstance(seen, Record) or seen.dead:
        return False
    record = readable(seen.payload)
    if owner := owner_of(record.function, record.headers, resolve):
        return await owner.cancel(client, found(job_id, seen, unmask=True))
    return await _cancel_found(client, job_id, seen, record)


async def cancel_queued(client: QueueClient, job_id: str) -> bool:
    """Cancel what the queue has of a job, whoever owns it; for owners, after their rows."""
    seen = await _look(client, job_id, None)
    if seen is None or isinstance(seen, Record) or seen.dead:
        return False
    return await _cancel_found(client, job_id, seen, readable(seen.payload))


async def _cancel_found(client: QueueClient, job_id: str, seen: Found, record: Record) -> bool:
    now_ms = to_ms(clock.now())
    result = serialize_end(
        record,
        asyncio.CancelledError(),
        job_id=job_id,
        queue=seen.queue,
        tries=seen.tries,
        now_ms=now_ms,
    )
    job = declared().get(record.function)
    keep = _KEEP_RESULT_SECONDS if job is None else job.keep_result
    events = EVENTS_KEPT if in_history(record.function) else 0
    reply: bytes = await _cancel(client, [seen.queue], job_id, result, int(keep * 1000), events)
    return reply != b"absent"


async def _look(client: QueueClient, job_id: str, queue: str | None) -> Record | Found | None:
    """Return the result of a job that has one, else where it is."""
    queues = [queue] if queue else _known_queues(client)
    reply = await _inspect(client, queues, job_id)
    if reply is None:
        return None
    if reply[0] == b"ended":
        return parse(reply[1])
    kind, key, moment, payload, tries, lane, leased, crashes, due, failure = reply
    return Found(
        dead=kind == b"dead",
        queue=key.decode(),
        moment=int(float(moment)),
        payload=payload,
        tries=int(tries),
        lane=lane.decode(),
        leased=leased == 1,
        crashes=int(crashes),
        due=due == 1,
        failure=failure,
    )


def _known_queues(client: QueueClient) -> list[str]:
    # Also queues that no declared job names: a job may be sent to any.
    names = [*(job.queue for job in declared().values()), *Queue]
    return list(dict.fromkeys([*map(queue_key, names), client.default_queue_name]))
