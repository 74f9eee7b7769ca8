"""Sending jobs: arq's own client with JSON payloads and whole batches in one round trip."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from secrets import token_hex
from typing import Any, NamedTuple

from arq.connections import ArqRedis
from arq.jobs import Deserializer, Job, Serializer
from redis.asyncio import ConnectionPool

from service.kit import clock
from service.queue.codec import deserialize, serialize
from service.queue.declaration import JobCall
from service.queue.instants import to_ms, to_ms_up
from service.queue.names import queue_key

_SCRIPTS = Path(__file__).with_name("scripts")
# Sent as text (EVAL), which a restarted server or a flushed script cache cannot have forgotten.
_ENQUEUE = (_SCRIPTS / "enqueue.lua").read_text()
_REQUEUE = (_SCRIPTS / "requeue.lua").read_text()
_JOBS_PER_SCRIPT = 100  # a script blocks the server: about 1 ms for this many

_EARLIEST_SCORE = 2  # arq takes score 0 for no job and 1 for a job being aborted


class _Entry(NamedTuple):
    """A call ready to be written; a script takes all but the queue, in this order."""

    queue: str
    job_id: str
    score: int
    payload: bytes


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

    async def enqueue(self, call: JobCall) -> Job | None:
        """Send one job in one round trip; see `enqueue_many`."""
        (job,) = await self.enqueue_many([call])
        return job

    async def enqueue_many(self, calls: Iterable[JobCall]) -> list[Job | None]:
        """Send any number of jobs in one round trip.

        Returns for each call what arq's `enqueue_job` returns: a handle, or None when a job of this
        id waits, runs or has a result. When the connection is lost in the middle the batch is sent
        again, so that None may also mean that this very call queued the job.

        Raises EncodeError or PayloadTooLarge before anything is sent, redis-py's errors else; then
        some of the jobs may have been queued.
        """
        calls = list(calls)
        entries = self._entries(calls)
        accepted = await self._run(_ENQUEUE, entries)
        return [
            # Nobody else can have used a random id: if it exists, the first attempt got through.
            Job(entry.job_id, self, entry.queue, self.job_deserializer)
            if queued or call.job_id is None
            else None
            for call, entry, queued in zip(calls, entries, accepted, strict=True)
        ]

    async def requeue_many(self, calls: Iterable[JobCall]) -> list[bool]:
        """Queue jobs again although an earlier run of their ids left results, tries or an abort.

        For callers who know from elsewhere that the job must run (a row that is not done). Only the
        queue itself is asked: an id that is in it stays as it is, except that a lost payload is
        written again. Returns for each call whether it was queued now. One round trip; raises as
        `enqueue_many`, and ValueError for a call without `job_id`.
        """
        calls = list(calls)
        if unnamed := {call.name for call in calls if call.job_id is None}:
            raise ValueError(f"requeue_many needs a job_id; {', '.join(sorted(unnamed))} has none")
        return await self._run(_REQUEUE, self._entries(calls))

    def _entries(self, calls: Iterable[JobCall]) -> list[_Entry]:
        now = to_ms(clock.now())
        return [self._entry(call, now) for call in calls]

    def _entry(self, call: JobCall, now: int) -> _Entry:
        data = {"f": call.name, "a": call.args, "k": call.kwargs, "t": None, "et": now}
        if call.headers:
            data["h"] = call.headers
        # Rounded up, so that no job starts before its time.
        score = now if call.run_at is None else to_ms_up(call.run_at)
        return _Entry(
            queue=queue_key(call.queue),
            job_id=call.job_id or token_hex(16),
            score=max(score, _EARLIEST_SCORE),
            payload=self._serialize(data),
        )

    async def _run(self, script: str, entries: Sequence[_Entry]) -> list[bool]:
        """Run a script over all entries, by queue and in chunks, in one unbroken pipeline."""
        chunks = list(_chunks(entries))
        replies = [False] * len(entries)
        async with self.pipeline(transaction=False) as pipe:
            for chunk in chunks:
                arguments = [value for i in chunk for value in entries[i][1:]]
                pipe.execute_command("EVAL", script, 1, entries[chunk[0]].queue, *arguments)
            for chunk, reply in zip(chunks, await pipe.execute(), strict=True):
                for i, done in zip(chunk, reply, strict=True):
                    replies[i] = done == 1
        return replies


def _chunks(entries: Sequence[_Entry]) -> Iterator[list[int]]:
    """Yield the positions of at most `_JOBS_PER_SCRIPT` entries of one queue, in order."""
    by_queue: dict[str, list[int]] = {}
    for i, entry in enumerate(entries):
        by_queue.setdefault(entry.queue, []).append(i)
    for positions in by_queue.values():
        for start in range(0, len(positions), _JOBS_PER_SCRIPT):
            yield positions[start : start + _JOBS_PER_SCRIPT]
