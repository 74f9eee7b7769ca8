"""The stream of a queue's events: what its runs came to, until it is recorded elsewhere.

One entry holds any number of runs: the worker's name under an empty field, then the id of each job
with its result as `service.queue.codec` reads it.
"""

from collections.abc import Sequence
from secrets import token_hex
from typing import NamedTuple

from arq.connections import ArqRedis

from service.queue.declaration import declared
from service.queue.scripting import script

EVENTS_KEPT = 100_000
"""Entries of a stream; older ones are dropped, recorded or not."""
_START = "0-0"
_read, _unrecorded = script("events"), script("unrecorded")


class Offset(NamedTuple):
    """How far a stream is recorded."""

    generation: str = ""
    """Changes when Redis has lost the stream."""
    last_id: str = _START
    """Of the last recorded entry."""


class Event(NamedTuple):
    """One run, or the end of a job that never ran."""

    worker: str
    """Empty where none had the job."""
    job_id: bytes
    result: bytes


class Page(NamedTuple):
    """Some events that follow an offset."""

    events: list[Event]
    entries: int
    """Entries of the stream that they come from."""
    gone: int
    """Entries that have left the stream in this generation, recorded or not."""
    offset: Offset
    """Of the last of them."""
    more: bool
    """Whether a limit ended the reading."""


def stream_key(queue: str) -> str:
    """Return the key of the stream of a queue, whose key is given."""
    return f"{queue}:events"


def in_history(function: str) -> bool:
    """Whether the history has room for ends of this function that are no success."""
    job = declared().get(function)
    return job is None or job.history != "none"


async def streams_with_events(client: ArqRedis, queues: Sequence[str]) -> list[str]:
    """Return those of the queues, whose keys are given, that have entries in their streams."""
    async with client.pipeline(transaction=False) as pipe:
        for queue in queues:
            pipe.xlen(stream_key(queue))
        lengths = await pipe.execute()
    return [queue for queue, length in zip(queues, lengths, strict=True) if length]


async def unrecorded_since(client: ArqRedis, queue: str, offset: Offset) -> float | None:
    """Return the Unix time of the first event of a queue, by its key, that follows an offset.

    None if there is none. Raises redis-py's errors.
    """
    stream = stream_key(queue)
    found = await _unrecorded(client, [stream, f"{stream}:generation"], *offset)
    return int(found) / 1000 if found else None


async def read_events(
    client: ArqRedis, queue: str, offset: Offset, *, entries: int, size: int
) -> Page:
    """Return what follows an offset, and forget what does not.

    Args:
        client: where the stream is.
        queue: the queue's key.
        offset: up to which everything is recorded.
        entries: at most so many of the stream.
        size: bytes after which no more are read.

    Raises redis-py's errors.
    """
    stream = stream_key(queue)
    keys = [stream, f"{stream}:generation"]
    reply = await _read(client, keys, token_hex(8), *offset, entries, size)
    named, gone, more, found = reply
    generation = named.decode()
    last_id = offset.last_id if generation == offset.generation else _START
    events = []
    for entry_id, fields in found:
        last_id = entry_id.decode()
        pairs = zip(fields[::2], fields[1::2], strict=True)
        worker = ""
        if not fields[0]:  # else a release wrote it that named no worker
            worker = next(pairs)[1].decode(errors="replace")
        events += [Event(worker, *pair) for pair in pairs]
    return Page(events, len(found), gone, Offset(generation, last_id), more == 1)
