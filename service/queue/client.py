"""Sending jobs: arq's own client with JSON payloads and whole batches in one round trip."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from arq.connections import ArqRedis
from arq.jobs import Deserializer, Job, Serializer
from arq.utils import to_ms
from redis.asyncio import ConnectionPool

from service.kit import clock
from service.queue.call import LANES, JobCall, Lane
from service.queue.codec import deserialize, serialize
from service.queue.declaration import declared
from service.queue.entries import (
    AT_ONCE,
    EARLIEST_SCORE,
    FOR_GOOD,
    Batch,
    Entry,
    Writer,
    commands,
    random_ids,
)
from service.queue.handle import JobHandle
from service.queue.instants import to_ms_up
from service.queue.link import Script
from service.queue.names import queue_key
from service.queue.pipeline import Command, Pipeline
from service.queue.scripting import source
from service.queue.spans import sending, sending_as
from service.queue.watching import Watch

ENQUEUED: Counter[str] = Counter()
"""How many jobs all clients of this process have queued, ever, by the keys of their queues."""
_ENQUEUE = Script.of(source("enqueue"))
_REQUEUE = Script.of(source("requeue"))

Reply = bytes | int | None


class QueueClient(ArqRedis):
    """arq's client for JSON payloads. `enqueue_job` and everything else of arq work as documented.

    Args:
        pool_or_conn: a redis-py pool; `service.queue.connect` makes one that survives restarts.
        job_serializer: writes payloads; JSON unless the caller passes another, such as pickle's.
        job_deserializer: reads them.
        default_queue_name: key of the queue where `enqueue_job` sends by default.
        options: what else redis-py's client takes.
    """

    def __init__(
        self,
        pool_or_conn: ConnectionPool | None = None,
        job_serializer: Serializer | None = None,
        job_deserializer: Deserializer | None = None,
        default_queue_name: str = queue_key("default"),
        **options: Any,
    ) -> None:
        self._serialize = job_serializer or serialize
        super().__init__(
            pool_or_conn,
            job_serializer=self._serialize,
            job_deserializer=job_deserializer or deserialize,
            default_queue_name=default_queue_name,
            **options,
        )
        self._pipeline = Pipeline(self.connection_pool)
        self.job_watch = Watch(self.connection_pool)
        """Tells of jobs that may have ended."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """Close the connections as redis-py's `aclose` does."""
        self._pipeline.close()
        self.job_watch.close()
        await super().aclose(close_connection_pool)

    async def enqueue_job(
        self,
        function: str,
        *args: Any,
        _job_id: str | None = None,
        _queue_name: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: float | timedelta | None = None,
        _expires: float | timedelta | None = None,
        _job_try: int | None = None,
        _lane: Lane | None = None,
        **kwargs: Any,
    ) -> Job | None:
        """Send one job as arq's `enqueue_job` does, in one round trip.

        `_lane` is its priority, by default the declared one. Without `_expires` the payload has no
        time limit. Returns a handle, or None when a job of this id waits, runs or has a result.

        Raises RuntimeError when both `_defer_until` and `_defer_by` are given, ValueError for an
        unknown lane, EncodeError or PayloadTooLarge before anything is sent, else redis-py's
        errors.
        """
        if _defer_until and _defer_by:
            raise RuntimeError("use either 'defer_until' or 'defer_by' or neither, not both")
        declaration = declared().get(function)
        lane = _lane or (declaration.lane if declaration else "normal")
        if lane not in LANES:
            raise ValueError(f"job {function}: lane is {lane!r}; it is one of {', '.join(LANES)}")
        period = FOR_GOOD if _expires is None else to_ms(_expires) or FOR_GOOD
        batch = Batch(_queue_name or self.default_queue_name, lane, period)
        with sending_as(function, batch.queue):
            item = Entry(
                batch=batch,
                job_id=_job_id or next(random_ids(1)),
                score=_score(_defer_until, _defer_by),
                payload=Writer(self._serialize).payload(function, args, kwargs, tries=_job_try),
                named=_job_id is not None,
            )
            (job,) = await self.send([item])
        return job

    async def enqueue(self, call: JobCall) -> Job | None:
        """Send one job in one round trip; see `enqueue_many`."""
        (job,) = await self.enqueue_many([call])
        return job

    async def enqueue_many(self, calls: Iterable[JobCall]) -> list[Job | None]:
        """Send any number of jobs: up to 3,200 in one round trip, the others as it answers.

        Returns for each call what arq's `enqueue_job` returns: a handle, or None when a job of this
        id waits, runs or has a result, or a unique one of its key was queued lately. The handle of
        a debounced call is that of the waiting job that it moved, if there was one. When the
        connection is lost in the middle the batch is sent again, so that None may also mean that
        this very call queued the job.

        Raises EncodeError or PayloadTooLarge before anything is sent, redis-py's errors else; then
        some of the jobs may have been queued.
        """
        calls = list(calls)
        with sending(calls):
            return await self.send(self.entries(calls))

    def entries(self, calls: Iterable[JobCall]) -> list[Entry]:
        """Write calls down, to be sent by `send` or `requeue`; raises as `enqueue_many`."""
        return Writer(self._serialize).entries(list(calls))

    async def requeue_many(self, calls: Iterable[JobCall]) -> list[bool]:
        """Queue jobs again although an earlier run of their ids left results, tries or an abort.

        For callers who know from elsewhere that the job must run (a row that is not done). Only the
        queue itself is asked: an id that is in it stays as it is, except that a lost payload is
        written again; unique and debounced calls are sent like others. Returns for each call
        whether it was queued now. One round trip; raises as `enqueue_many`, and ValueError for a
        call without `job_id`.
        """
        calls = list(calls)
        if unnamed := {call.name for call in calls if call.job_id is None}:
            raise ValueError(f"requeue_many needs a job_id; {', '.join(sorted(unnamed))} has none")
        with sending(calls):
            return await self.requeue(self.entries(calls))

    async def requeue(self, entries: Sequence[Entry]) -> list[bool]:
        """Send entries as `requeue_many` sends calls."""
        queued = [False] * len(entries)

        def heard(command: Command, answer: list[Reply]) -> None:
            for i, reply in zip(command.positions, answer, strict=True):
                queued[i] = reply == 1
            _count(entries[command.positions[0]], answer)

        plain = (msgspec.structs.replace(item, once=None) for item in entries)
        await self._pipeline.run(commands(_REQUEUE, plain), heard)
        return queued

    async def send(self, entries: Sequence[Entry]) -> list[Job | None]:
        """Send entries as `enqueue_many` sends calls."""
        # Each handle is made while the server works on the next entries.
        jobs: list[Job | None] = [None] * len(entries)

        def heard(command: Command, answer: list[Reply] | Reply) -> None:
            answers = answer if isinstance(answer, list) else [answer]
            for i, reply in zip(command.positions, answers, strict=True):
                jobs[i] = self._handle(entries[i], reply)
            _count(entries[command.positions[0]], answers)

        await self._pipeline.run(commands(_ENQUEUE, entries), heard)
        return jobs

    def _handle(self, item: Entry, reply: Reply) -> Job | None:
        """Return the handle of the job that an entry became, None when it was refused."""
        job_id = item.job_id
        if isinstance(reply, bytes):
            job_id = reply.decode()
        elif reply != 1 and (item.named or item.once):
            return None
        # Nobody else can have used a random id: if it exists, the first attempt got through.
        return JobHandle(job_id, self, item.batch.queue, self.job_deserializer, self.job_watch)


def _count(first: Entry, answers: Sequence[Reply]) -> None:
    """Count what a script has queued; its entries are all of one queue.

    A unique or debounced one is answered by the id of the job that will run.
    """
    queued = first.job_id.encode() if first.once else 1
    ENQUEUED[first.batch.queue] += sum(answer == queued for answer in answers)


def _score(until: datetime | None, by: float | timedelta | None) -> int | str:
    """Return the score of arq's two ways to defer; a naive instant is local time, as arq's."""
    delay = 0 if by is None else to_ms(by)
    if until is None and not delay:
        return AT_ONCE
    instant = until.astimezone(UTC) if until else clock.now() + timedelta(milliseconds=delay)
    return max(to_ms_up(instant), EARLIEST_SCORE)
