"""Calls as the scripts that write them take them."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

import msgspec
from arq.jobs import SerializationError, Serializer

from service.kit import clock
from service.queue.call import JobCall, Lane
from service.queue.declaration import declared
from service.queue.headers import HEADERS
from service.queue.instants import to_ms, to_ms_up
from service.queue.link import Script
from service.queue.names import queue_key, unique_key
from service.queue.pipeline import Command
from service.queue.scripting import SERVER_CLOCK, batches, source
from service.queue.values import encode_alike

AGEING_MS = 300_000
"""So much later than its time a low job is taken in turn with normal ones."""
EARLIEST_SCORE = 2
"""arq takes score 0 for no job and 1 for a job being aborted."""
AT_ONCE = ""
"""In place of a score: now, by the server's clock."""
FOR_GOOD = ""
"""In place of a period: without end."""

_ONCE = Script.of(source("enqueue_once"))


class Batch(NamedTuple):
    """What the jobs of one script share."""

    queue: str
    """Key of the queue."""
    lane: Lane = "normal"
    expires: int | str = FOR_GOOD
    """Milliseconds for which the payload is kept."""


class Once(NamedTuple):
    """The lock of a unique or debounced job."""

    mode: str
    key: str
    period: int
    """Milliseconds."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A job ready to be written; it holds no cycle that a garbage collector would look for."""

    batch: Batch
    job_id: str
    score: int | str
    payload: bytes
    named: bool
    """Whether the caller chose the id."""
    once: Once | None = None


class Writer:
    """Writes calls down as of one instant, with the headers of this context."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer
        self._now_ms = to_ms(clock.now())
        self._headers = HEADERS.get()

    def entries(self, calls: Sequence[JobCall]) -> list[Entry]:
        """Write calls down.

        Raises EncodeError or PayloadTooLarge when that cannot be, ValueError for a sensitive job
        that is unique by its arguments.
        """
        return [
            Entry(
                once=_once(call),
                batch=_batch(call.queue, call.lane),
                job_id=call.job_id or random_id,
                # Rounded up, so that no job starts before its time.
                score=AT_ONCE
                if call.run_at is None
                else max(to_ms_up(call.run_at), EARLIEST_SCORE),
                payload=self.payload(call.name, call.args, call.kwargs, headers=call.headers),
                named=call.job_id is not None,
            )
            for call, random_id in zip(calls, random_ids(len(calls)), strict=True)
        ]

    def payload(
        self,
        function: str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        headers: Mapping[str, str] | None = None,
        tries: int | None = None,
    ) -> bytes:
        """Return the payload of a job."""
        data = {"f": function, "a": args, "k": kwargs, "t": tries, "et": self._now_ms}
        if headers or self._headers:
            data["h"] = {**self._headers, **(headers or {})}
        try:
            return self._serializer(data)
        except SerializationError:
            raise
        except Exception as error:  # a caller's may raise anything; as arq's serialize_job
            raise SerializationError(f"unable to serialize job {function!r}") from error


def random_ids(count: int) -> Iterator[str]:
    """Yield so many ids of 128 random bits, all drawn at once: the system call is what costs."""
    digits = os.urandom(16 * count).hex()
    return (digits[i : i + 32] for i in range(0, len(digits), 32))


def commands(script: Script, entries: Iterable[Entry]) -> list[Command]:
    """Return the calls that write the entries: by batch, in order, none with too many jobs."""
    found: list[Command] = []
    by_batch: dict[Batch, list[tuple[int, Entry]]] = {}
    for i, item in enumerate(entries):
        if item.once:
            found.append(Command(_ONCE, _once_arguments(item, item.once), [i]))
        else:
            by_batch.setdefault(item.batch, []).append((i, item))
    for batch, items in by_batch.items():
        for chunk in batches(items):
            arguments = [1, batch.queue, SERVER_CLOCK, batch.lane, batch.expires, AGEING_MS]
            for _, item in chunk:
                arguments += (item.job_id, item.score, item.payload)
            found.append(Command(script, arguments, [i for i, _ in chunk]))
    return found


@lru_cache
def _batch(queue: str, lane: Lane) -> Batch:
    return Batch(queue_key(queue), lane)


def _once(call: JobCall) -> Once | None:
    if call.unique_for is not None:
        key = _digest(call) if call.key is None else call.key
        return Once("unique", unique_key(call.name, key), round(call.unique_for * 1000))
    if call.debounce is not None:
        key = unique_key(call.name, call.key or "")
        return Once("debounced", key, round(call.debounce * 1000))
    return None


def _digest(call: JobCall) -> str:
    job = declared().get(call.name)
    if job is not None and job.sensitive:
        raise ValueError(
            f"job {call.name} is sensitive: unique() needs a key, a digest of its arguments tells"
        )
    return sha256(encode_alike([call.args, call.kwargs])).hexdigest()


def _once_arguments(item: Entry, once: Once) -> list[Any]:
    batch = item.batch
    head = [2, batch.queue, once.key, SERVER_CLOCK, batch.lane, AGEING_MS]
    return [*head, once.mode, once.period, item.job_id, item.score, item.payload]
