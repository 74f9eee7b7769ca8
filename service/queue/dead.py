"""Dead jobs: those that are not retried by themselves. Looking at them, replaying, forgetting."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.queue.client import QueueClient
from service.queue.codec import readable
from service.queue.declaration import declared
from service.queue.entries import AGEING_MS
from service.queue.errors import DecodeError
from service.queue.failures import Failure
from service.queue.instants import from_ms, to_ms
from service.queue.owners import Owner, Resolve, owner_of
from service.queue.scripting import LARGEST_BATCH, batches, script
from service.queue.views import Found, JobView, failure_of_try, found

_read = script("dead_read")
_replay = script("replay")
_discard = script("discard")


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A dead job as it is kept."""

    view: JobView
    died_at: datetime
    attempts: tuple[Failure, ...]
    """The errors of its last tries, at most 20, oldest first."""
    headers: Mapping[str, str]
    payload: bytes
    """As it was stored; empty when it had expired."""
    unreadable: str | None = None
    """Why the payload cannot be read."""


@dataclass(frozen=True, slots=True)
class DeadFilter:
    """Which dead jobs; what is None does not matter, so that `DeadFilter()` is all of them."""

    ids: Collection[str] | None = None
    function: str | None = None
    error: str | None = None
    """Class of the last error, with or without its module."""

    def matches(self, job: DeadJob) -> bool:
        """Return whether function and error are the wanted ones."""
        last = job.attempts[-1].type if job.attempts else ""
        return self.function in (None, job.view.function) and (
            self.error in (None, last) or last.endswith(f".{self.error}")
        )


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the dead jobs that were to run again, in numbers."""

    replayed: int
    left: int
    """Still dead: queued under the same id, expired, or refused by their owner."""


async def dead_jobs(
    client: QueueClient,
    queue: str,
    *,
    limit: int = LARGEST_BATCH,
    before: DeadJob | None = None,
    unmask: bool = False,
) -> list[DeadJob]:
    """Return dead jobs of a queue, whose key is given, the latest first.

    Args:
        client: where they are.
        queue: the queue's key.
        limit: at most so many, up to 100.
        before: the last job of the page before; None: the first page.
        unmask: show the values of sensitive jobs.
    """
    cursor = (to_ms(before.died_at), before.view.job_id) if before else ("", "")
    replies = await _read(client, [queue], min(limit, LARGEST_BATCH), *cursor)
    return [read_dead(queue, reply, unmask=unmask) for reply in replies]


async def find_dead(
    client: QueueClient, queue: str, which: DeadFilter, *, unmask: bool = False
) -> AsyncIterator[list[DeadJob]]:
    """Yield the dead jobs that match, in pages; those that die meanwhile may be missing."""
    if which.ids is not None:
        for ids in batches(list(which.ids)):
            replies = await _read(client, [queue], 0, "", "", *ids)
            page = [read_dead(queue, reply, unmask=unmask) for reply in replies]
            yield [job for job in page if which.matches(job)]
        return
    page = await dead_jobs(client, queue, unmask=unmask)
    while page:
        following = await dead_jobs(client, queue, before=page[-1], unmask=unmask)
        yield [job for job in page if which.matches(job)]
        page = following


async def replay(
    client: QueueClient, queue: str, which: DeadFilter, *, resolve: Resolve | None = None
) -> Replayed:
    """Let dead jobs of a queue, whose key is given, run again, as if they never had.

    They keep their ids. The owner of a job that belongs to a row, found by `resolve`, sends a job
    of its own instead. Raises Conflict for such a job without `resolve`.
    """
    replayed = left = 0
    async for page in find_dead(client, queue, which, unmask=True):
        owners = [owner_of(job.view.function, job.headers, resolve) for job in page]
        done = await _replay_page(client, queue, page, owners)
        replayed += done
        left += len(page) - done
    return Replayed(replayed, left)


async def discard(client: QueueClient, queue: str, which: DeadFilter) -> int:
    """Forget dead jobs of a queue, whose key is given; return how many."""
    discarded = 0
    async for page in find_dead(client, queue, which):
        discarded += await _forget(client, queue, page)
    return discarded


async def _replay_page(
    client: QueueClient, queue: str, page: Sequence[DeadJob], owners: Sequence[Owner | None]
) -> int:
    done = 0
    free: list[str] = []
    for job, owner in zip(page, owners, strict=True):
        if owner is None:
            free += [job.view.job_id, _lane(job.view.function)]
        elif await owner.replay(client, job.view):
            done += await _forget(client, queue, [job])
    if free:
        done += sum(await _replay(client, [queue], AGEING_MS, *free))
    return done


async def _forget(client: QueueClient, queue: str, jobs: Sequence[DeadJob]) -> int:
    if not jobs:
        return 0
    return sum(await _discard(client, [queue], *(job.view.job_id for job in jobs)))


def _lane(function: str) -> str:
    job = declared().get(function)
    return job.lane if job else "normal"


def read_dead(queue: str, reply: Sequence[Any], *, unmask: bool) -> DeadJob:
    """Read a dead job from what is kept of it.

    Args:
        queue: key of its queue.
        reply: id, Unix ms when it died, payload, number of failed tries, errors of the last of
            them as JSON; all as Redis has them.
        unmask: show the values of a sensitive job.
    """
    job_id, died, payload, tries, failures = reply
    record = readable(payload)
    it = Found(
        dead=True,
        queue=queue,
        moment=int(float(died)),
        payload=payload,
        tries=tries,
        failure=failures[-1] if failures else b"",
    )
    unreadable = None
    try:
        view = found(job_id.decode(), it, unmask=unmask)
    except DecodeError as error:
        unreadable = error.message
        view = found(job_id.decode(), it._replace(payload=b""), unmask=unmask)
    return DeadJob(
        view=view,
        died_at=from_ms(it.moment),
        attempts=tuple(failure_of_try(each, record, unmask=unmask) for each in failures),
        headers=record.headers,
        payload=payload,
        unreadable=unreadable,
    )
