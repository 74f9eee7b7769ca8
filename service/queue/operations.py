"""What an operator does to a whole queue: pause, resume, purge."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.queue.client import QueueClient
from service.queue.codec import readable
from service.queue.inspection import inspect
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
        owned = await self._owned(ids)
        for job_id in owned:
            if not await self._cancel(job_id):
                self.kept.add(job_id)
        await self._remove([job_id for job_id in ids if job_id not in self.kept])

    async def _owned(self, ids: Sequence[str]) -> list[str]:
        payloads = await self._client.mget([_PAYLOAD + job_id for job_id in ids])
        records = map(readable, payloads)
        return [
            job_id
            for job_id, record in zip(ids, records, strict=True)
            if owner_path(record.function, record.headers)
        ]

    async def _cancel(self, job_id: str) -> bool:
        """Return whether the owner cancelled its row; a job that runs is left alone."""
        if self._resolve is None:
            return False
        view = await inspect(self._client, job_id, queue=self._queue, unmask=True)
        if view is None or view.state.terminal or view.state is JobState.RUNNING:
            return True
        owner = owner_of(view.function, view.headers, self._resolve)
        return owner is None or await owner.cancel(self._client, view)

    async def _remove(self, ids: Sequence[str]) -> None:
        if not ids:
            return
        replies = await _purge(self._client, [self._queue], *ids)
        self.removed += replies.count(1)
        self.running.update(i for i, reply in zip(ids, replies, strict=True) if reply == 0)


def _paused(queue: str) -> str:
    return f"{queue}:paused"
