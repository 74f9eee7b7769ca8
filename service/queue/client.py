"""Sending jobs: arq's own client with JSON payloads and whole batches in one round trip."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from arq.connections import ArqRedis
from arq.jobs import Deserializer, Job, Serializer
from arq.utils import to_ms
from redis.asyncio import ConnectionPool
from redis.exceptions import NoScriptError

from service.kit import clock
from service.queue.call import LANES, JobCall, Lane
from service.queue.codec import deserialize, serialize
from service.queue.declaration import declared
from service.queue.entries import (
    AT_ONCE,
    EARLIEST_SCORE,
    FOR_GOOD,
    Batch,
    Command,
    Entry,
    commands,
    entry,
    write,
)
from service.queue.handle import JobHandle
from service.queue.instants import to_ms_up
from service.queue.names import queue_key
from service.queue.scripting import sha1, source
from service.queue.watching import Watch

_ENQUEUE = source("enqueue")
_REQUEUE = source("requeue")

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
        self.job_watch = Watch(self.connection_pool)
        """Tells of jobs that may have ended."""

    async def aclose(self, close_connection_pool: bool | None = None) -> None:  # noqa: FBT001 - redis-py's
        """Close the connections as redis-py's `aclose` does."""
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
        job = declared().get(function)
        lane = _lane or (job.lane if job else "normal")
        if lane not in LANES:
            raise ValueError(f"job {function}: lane is {lane!r}; it is one of {', '.join(LANES)}")
        item = Entry(
            batch=Batch(
                _queue_name or self.default_queue_name,
                lane,
                FOR_GOOD if _expires is None else to_ms(_expires) or FOR_GOOD,
            ),
            job_id=_job_id or uuid4().hex,
            score=_score(_defer_until, _defer_by),
            payload=write(self._serialize, function, args, kwargs, tries=_job_try),
        )
        (reply,) = await self._run(_ENQUEUE, [item])
        return self._handle(item, reply, named=_job_id is not None)

    async def enqueue(self, call: JobCall) -> Job | None:
        """Send one job in one round trip; see `enqueue_many`."""
        (job,) = await self.enqueue_many([call])
        return job

    async def enqueue_many(self, calls: Iterable[JobCall]) -> list[Job | None]:
        """Send any number of jobs in one round trip.

        Returns for each call what arq's `enqueue_job` returns: a handle, or None when a job of this
        id waits, runs or has a result, or a unique one of its key was queued lately. The handle of
        a debounced call is that of the waiting job that it moved, if there was one. When the
        connection is lost in the middle the batch is sent again, so that None may also mean that
        this very call queued the job.

        Raises EncodeError or PayloadTooLarge before anything is sent, redis-py's errors else; then
        some of the jobs may have been queued.
        """
        calls = list(calls)
        entries = [entry(call, self._serialize) for call in calls]
        replies = await self._run(_ENQUEUE, entries)
        return [
            self._handle(item, reply, named=call.job_id is not None)
            for call, item, reply in zip(calls, entries, replies, strict=True)
        ]

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
        entries = [entry(call, self._serialize)._replace(once=None) for call in calls]
        return [reply == 1 for reply in await self._run(_REQUEUE, entries)]

    def _handle(self, item: Entry, reply: Reply, *, named: bool) -> Job | None:
        """Return the handle of the job that an entry became, None when it was refused."""
        job_id = item.job_id
        if isinstance(reply, bytes):
            job_id = reply.decode()
        elif reply != 1 and (named or item.once):
            return None
        # Nobody else can have used a random id: if it exists, the first attempt got through.
        return JobHandle(job_id, self, item.batch.queue, self.job_deserializer, self.job_watch)

    async def _run(self, script: str, entries: Sequence[Entry]) -> list[Reply]:
        """Run a script over all entries in one unbroken pipeline."""
        replies: list[Reply] = [None] * len(entries)
        calls = list(commands(script, entries))
        if len(calls) == 1:  # a pipeline of one command costs twice its time
            answers = [await self._run_one(calls[0])]
        else:
            async with self.pipeline(transaction=False) as pipe:
                for call in calls:
                    pipe.execute_command("EVAL", call.script, *call.arguments)
                answers = await pipe.execute()
        for call, answer in zip(calls, answers, strict=True):
            answered = answer if isinstance(answer, list) else [answer]
            for i, reply in zip(call.positions, answered, strict=True):
                replies[i] = reply
        return replies

    async def _run_one(self, call: Command) -> Any:
        """Run one script by its digest, which is sent and found faster than its text."""
        try:
            return await self.execute_command("EVALSHA", sha1(call.script), *call.arguments)  # type: ignore[no-untyped-call] # redis-py's
        except NoScriptError:  # a restarted server or a flushed script cache
            return await self.execute_command("EVAL", call.script, *call.arguments)  # type: ignore[no-untyped-call] # redis-py's


def _score(until: datetime | None, by: float | timedelta | None) -> int | str:
    """Return the score of arq's two ways to defer; a naive instant is local time, as arq's."""
    delay = 0 if by is None else to_ms(by)
    if until is None and not delay:
        return AT_ONCE
    instant = until.astimezone(UTC) if until else clock.now() + timedelta(milliseconds=delay)
    return max(to_ms_up(instant), EARLIEST_SCORE)
