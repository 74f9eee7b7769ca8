"""What an operator does to a whole queue: pause, resume, purge."""

from asyncio import CancelledError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.kit import clock
from service.queue.client import QueueClient
from service.queue.codec import Record, readable, serialize_end
from service.queue.events import EVENTS_KEPT, in_history
from service.queue.inspection import inspect
from service.queue.instants import to_ms
from service.queue.owners import Resolve, owner_of, owner_path
from service.queue.scripting import LARGEST_BATCH, batches, script
from service.queue.views import JobState

_PAYLOAD = "arq:job:"
_purge = script("purge")


@dataclass(frozen=True, slots=True)
class Purged:
    """What became of the jobs of a purged queue, in numbers."""

    removed: int
    kept_owned: int
    """Jobs that belong to a row, and were left to it."""
    running_left: int


async def pause(client: QueueClient, queue: str) -> None:
    """Let no worker start a job of this queue, whose key is given; running ones run on."""
    await client.set(_paused(queue), 1)


async def resume(client: QueueClient, queue: str) -> None:
    """Let the jobs of a paused queue start again."""
    await client.delete(_paused(queue))


async def is_paused(client: QueueClient, queue: str) -> bool:
    """Return whether the queue is paused."""
    return bool(await client.exists(_paused(queue)))


async def purge(
    client: QueueClient,
    queue: str,
    *,
    cancel_owners: bool = False,
    resolve: Resolve | None = None,
) -> Purged:
    """Remove every job that waits in this queue, whose key is given.

    A job that belongs to a row is left, or with `cancel_owners` its owner, found by `resolve`,
    cancels the row first. What is sent meanwhile may stay. Raises ValueError for `cancel_owners`
    without `resolve`.
    """
    if cancel_owners and resolve is None:
        raise ValueError("purge: cancel_owners needs resolve, which finds the owners")
    work = _Purge(client, queue, resolve if cancel_owners else None)
    cursor = -1
    while cursor:
        cursor, page = await client.zscan(queue, max(cursor, 0), count=LARGEST_BATCH)
        for ids in batches([job_id.decode() for job_id, _ in page]):
            await work.page(ids)
    return Purged(work.removed, len(work.kept), len(work.running))


class _Purge:
    """One purge under way. ZSCAN may show an id twice, so those that stay are remembered."""

    def __init__(self, client: QueueClient, queue: str, resolve: Resolve | None) -> None:
        self._client, self._queue, self._resolve = client, queue, resolve
        self.removed = 0
        self.kept: set[str] = set()
        self.running: set[str] = set()

    async def page(self, ids: Sequence[str]) -> None:
        payloads = await self._client.mget([_PAYLOAD + job_id for job_id in ids])
        records = dict(zip(ids, map(readable, payloads), strict=True))
        for job_id, record in records.items():
            owned = owner_path(record.function, record.headers)
            if owned and not await self._cancel(job_id):
                self.kept.add(job_id)
        await self._remove({i: record for i, record in records.items() if i not in self.kept})

    async def _cancel(self, job_id: str) -> bool:
        """Return whether the owner cancelled its row; a job that runs is left alone."""
        if self._resolve is None:
            return False
        view = await inspect(self._client, job_id, queue=self._queue, unmask=True)
        if view is None or view.state.terminal or view.state is JobState.RUNNING:
            return True
        owner = owner_of(view.function, view.headers, self._resolve)
        return owner is None or await owner.cancel(self._client, view)

    async def _remove(self, records: Mapping[str, Record]) -> None:
        if not records:
            return
        jobs = [part for i, record in records.items() for part in (i, self._event(i, record))]
        replies = await _purge(self._client, [self._queue], EVENTS_KEPT, *jobs)
        self.removed += replies.count(1)
        self.running.update(i for i, reply in zip(records, replies, strict=True) if reply == 0)

    def _event(self, job_id: str, record: Record) -> bytes:
        """Return what the history keeps of a job that is removed."""
        if not in_history(record.function):
            return b""
        return serialize_end(
            record,
            CancelledError(),
            job_id=job_id,
            queue=self._queue,
            tries=record.tries or 0,
            now_ms=to_ms(clock.now()),
        )


def _paused(queue: str) -> str:
    return f"{queue}:paused"
