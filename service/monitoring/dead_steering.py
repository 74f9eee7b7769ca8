"""Dead jobs run again, or are forgotten, wherever they are kept."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import msgspec

from service import queue
from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.monitoring import dead, models, rows
from service.monitoring import dead_queries as queries
from service.monitoring.dead_queries import Position, Wanted
from service.monitoring.queues import queue_keys
from service.queue import DeadFilter, DeadJob, declared
from service.queue.entries import AT_ONCE, Batch, Entry
from service.queue.owners import owner_of
from service.runtime import Runtime

PAGE = 100
MOST_REASONS = 100
"""Refused jobs that are named."""


@dataclass(slots=True)
class Replay:
    """What became of dead jobs that were to run again."""

    replayed: int = 0
    left: int = 0
    """Still dead: queued under the same id, expired, or refused by what they belong to."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why, by id, of those whose function is gone; the first of them."""

    def count(self, tried: int, done: int) -> None:
        """Add how many were tried, and how many of them will run."""
        self.replayed += done
        self.left += tried - done

    def may_run(self, job_id: str, name: str) -> bool:
        """Whether there is a function for a job; one without is counted as left, with the reason.

        Queued, it would wait for a worker that knows it, and be dead no longer: nobody would look.
        """
        if name in declared():
            return True
        self.left += 1
        if len(self.refused) < MOST_REASONS:
            self.refused[job_id] = f"this release has no job '{name}'"
        return False


async def replay(runtime: Runtime, caller: Caller, wanted: Wanted) -> Replay:
    """Let dead jobs run again, those that belong to something by what they belong to.

    Only those that exist for the caller. Raises redis-py's errors when the queue is away; rows are
    replayed all the same.
    """
    done = Replay()
    async for failed in _failed(runtime, caller, wanted):
        known = [row for row in failed if done.may_run(row.id, row.name)]
        again = [await rows.replay(runtime, row) for row in known]
        done.count(len(again), sum(again))
    await _replay_kept(runtime, caller, wanted, done)
    resolve = runtime.owners(caller)
    for key in queue_keys(wanted.queue):
        async for jobs in _in_redis(runtime, caller, key, wanted):
            views = [job.view for job in jobs]
            ids = [view.job_id for view in views if done.may_run(view.job_id, view.function)]
            some = await queue.replay(runtime.queue, key, DeadFilter(ids=ids), resolve=resolve)
            done.count(len(ids), some.replayed)
    return done


async def _replay_kept(runtime: Runtime, caller: Caller, wanted: Wanted, done: Replay) -> None:
    """Replay what PostgreSQL keeps of jobs without rows."""
    before: Position | None = None
    while True:
        async with runtime.unit_of_work() as uow:
            kept = await queries.dead_jobs(uow.session, caller, wanted, before, PAGE, lock=True)
            known = [row for row in kept if done.may_run(row.id, row.name)]
            gone = await _send(runtime, caller, known)
            await queries.forget(uow.session, gone)
        done.count(len(known), len(gone))
        if len(kept) < PAGE:
            return
        before = Position(kept[-1].died_at, kept[-1].id)


async def discard(runtime: Runtime, caller: Caller, wanted: Wanted) -> int:
    """Forget dead jobs that exist for the caller; return how many."""
    discarded = 0
    async for failed in _failed(runtime, caller, wanted):
        async with runtime.unit_of_work() as uow:
            discarded += await queries.forget_rows(uow.session, [row.id for row in failed])
    while True:
        async with runtime.unit_of_work() as uow:
            kept = await queries.dead_jobs(uow.session, caller, wanted, None, PAGE, lock=True)
            await queries.forget(uow.session, [row.id for row in kept])
        discarded += len(kept)
        if len(kept) < PAGE:
            break
    for key in queue_keys(wanted.queue):
        async for jobs in _in_redis(runtime, caller, key, wanted):
            ids = [job.view.job_id for job in jobs]
            discarded += await queue.discard(runtime.queue, key, DeadFilter(ids=ids))
    return discarded


async def _failed(
    runtime: Runtime, caller: Caller, wanted: Wanted
) -> AsyncIterator[Sequence[DurableJob]]:
    """Yield the rows that match, in pages."""
    before: Position | None = None
    while True:
        async with runtime.unit_of_work() as uow:
            found = await queries.failed_rows(uow.session, caller, wanted, before, PAGE)
        if not found:
            return
        before = dead.position_of(found[-1])
        yield found


async def _in_redis(
    runtime: Runtime, caller: Caller, key: str, wanted: Wanted
) -> AsyncIterator[list[DeadJob]]:
    """Yield what Redis keeps of a queue and matches, in pages."""
    async for jobs in queue.find_dead(runtime.queue, key, dead.redis_filter(wanted)):
        if seen := [job for job in jobs if dead.visible(caller, job)]:
            yield seen


async def _send(runtime: Runtime, caller: Caller, kept: Sequence[models.DeadJob]) -> list[str]:
    """Send jobs again; return the ids of those that will run."""
    gone, entries = [], []
    for row in kept:
        job = dead.read(row, unmask=True)
        owner = owner_of(job.view.function, job.headers, runtime.owners(caller))
        if owner is None:
            batch = msgspec.convert((row.queue, row.lane), Batch)
            entries.append(Entry(batch, row.id, AT_ONCE, row.payload, named=True))
        elif await owner.replay(runtime.queue, job.view):
            gone.append(row.id)
    queued = await runtime.queue.requeue(entries)
    return gone + [entry.job_id for entry, sent in zip(entries, queued, strict=True) if sent]
