"""Calls as the scripts that write them take them."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from secrets import token_hex
from typing import Any, NamedTuple

from arq.jobs import SerializationError, Serializer

from service.kit import clock
from service.queue.call import JobCall, Lane
from service.queue.declaration import declared
from service.queue.headers import HEADERS
from service.queue.instants import to_ms, to_ms_up
from service.queue.names import queue_key, unique_key
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

_ONCE = source("enqueue_once")


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


class Entry(NamedTuple):
    """A job ready to be written."""

    batch: Batch
    job_id: str
    score: int | str
    payload: bytes
    once: Once | None = None

    @property
    def job(self) -> tuple[str, int | str, bytes]:
        """What a script takes of each job."""
        return self.job_id, self.score, self.payload


class Command(NamedTuple):
    """One script call, and the positions of its entries among all."""

    script: str
    arguments: list[Any]
    """The number of keys, the keys and the rest."""
    positions: Sequence[int]


def entry(call: JobCall, serializer: Serializer) -> Entry:
    """Write a call down.

    Raises EncodeError or PayloadTooLarge when that cannot be, ValueError for a sensitive job that
    is unique by its arguments.
    """
    once = _once(call)
    return Entry(
        batch=Batch(queue_key(call.queue), call.lane),
        job_id=call.job_id or token_hex(16),
        # Rounded up, so that no job starts before its time.
        score=AT_ONCE if call.run_at is None else max(to_ms_up(call.run_at), EARLIEST_SCORE),
        payload=write(serializer, call.name, call.args, call.kwargs, headers=call.headers),
        once=once,
    )


def write(  # noqa: PLR0913 - the parts of a payload
    serializer: Serializer,
    function: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    *,
    headers: Mapping[str, str] | None = None,
    tries: int | None = None,
) -> bytes:
    """Return the payload of a job with the headers of this context."""
    data = {"f": function, "a": args, "k": kwargs, "t": tries, "et": to_ms(clock.now())}
    if merged := {**HEADERS.get(), **(headers or {})}:
        data["h"] = merged
    try:
        return serializer(data)
    except SerializationError:
        raise
    except Exception as error:  # a caller's serializer may raise anything; as arq's serialize_job
        raise SerializationError(f"unable to serialize job {function!r}") from error


def commands(script: str, entries: Sequence[Entry]) -> Iterator[Command]:
    """Yield the calls that write the entries: by batch, in order, none with too many jobs."""
    by_batch: dict[Batch, list[int]] = {}
    for i, item in enumerate(entries):
        if item.once:
            yield Command(_ONCE, _once_arguments(item, item.once), [i])
        else:
            by_batch.setdefault(item.batch, []).append(i)
    for batch, positions in by_batch.items():
        head = [1, batch.queue, SERVER_CLOCK, batch.lane, batch.expires, AGEING_MS]
        for chunk in batches(positions):
            jobs = [value for i in chunk for value in entries[i].job]
            yield Command(script, head + jobs, chunk)


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
    return [*head, once.mode, once.period, *item.job]
