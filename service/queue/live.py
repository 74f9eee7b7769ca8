"""What becomes of jobs, as it happens: written to one stream for as long as somebody watches.

The scripts that queue, claim, finish and cancel jobs write to it (`announce.part`). Jobs of stock
arq clients are not seen being queued; those that stock workers run are not seen at all.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import msgspec
from arq.connections import ArqRedis
from redis.exceptions import RedisError

from service.queue.declaration import declared
from service.queue.instants import from_ms
from service.queue.presence import queue_name
from service.queue.scripting import script

LIVE = "almanac:live:events"
"""Stream of events; about the last 10,000 are kept."""
WATCHED = "almanac:live:watched"
"""String: while it exists, events are written."""
FOR_MS = 15_000
"""For which events are written unless a watcher asks again."""
RENEW = 5.0
KEPT_MS = 3_600_000
"""For which events are kept that nobody watches any more."""
PAGE = 500
"""Events of one read."""
BLOCK_MS = 1000
PAUSE = 0.05
"""Seconds between two reads, so that many events are read at once: at most 10,000 a second."""
ANYBODY = "?"
"""In place of an actor that is not known."""
_ID = re.compile(r"[0-9]{1,13}-[0-9]{1,19}")
_watch, _progress = script("watch"), script("progress")


class LiveEvent(msgspec.Struct, frozen=True):
    """Something that became of a job."""

    id: str
    """Of the stream: later events have later ids."""
    event: str
    """`queued`; `started`: a worker took it; `progress`; an outcome: `succeeded`, `failed`, `dead`,
    `cancelled`, `retried`, `snoozed`, `released`; or `gap`: events before this one are missing."""
    at: datetime
    job: str = ""
    queue: str = ""
    """Name of the queue."""
    name: str | None = None
    """Of the function; None where it could not be read."""
    worker: str | None = None
    """Host and process id of the worker that says so."""
    actor: str | None = None
    """Who sent it, `ANYBODY` where that could not be read."""
    run_at: datetime | None = None
    """When it may start, if it is queued for later."""
    percent: int | None = None
    """How far it is; of `progress`, likewise `text`: what it says of it."""
    text: str | None = None


def is_event_id(text: str) -> bool:
    """Return whether this may be the id of an event."""
    return _ID.fullmatch(text) is not None


def position(event_id: str) -> tuple[int, int]:
    """Return what says which of two events is later."""
    moment, _, number = event_id.partition("-")
    return int(moment), int(number)


async def watch(client: ArqRedis, after: str | None = None) -> AsyncIterator[LiveEvent]:
    """Yield events as they come, until the iterator is closed.

    Args:
        client: where the queues are.
        after: id of an event; those after it come first, a `gap` where they are gone. By default
            only what happens from now on.

    Raises redis-py's errors only at the start; later it goes on once Redis is back.
    """
    async for page in pages(client, after):
        for event in page:
            yield event


async def pages(client: ArqRedis, after: str | None = None) -> AsyncIterator[Sequence[LiveEvent]]:
    """Yield events as `watch`, those that were read together together.

    The first page comes at once, and may be empty: from then on nothing is missed.
    """
    last, renewed = await _renew(client), time.monotonic()
    begin: list[LiveEvent] = []
    if after is not None:
        if not await client.xrange(LIVE, after, after, count=1):
            begin.append(_gap(after))
        last = after
    yield begin
    behind = False
    while True:
        try:
            if time.monotonic() - renewed >= RENEW:
                await _renew(client)
                renewed = time.monotonic()
            found = await client.xread({LIVE: last}, count=PAGE, block=BLOCK_MS)
            lost = behind and not await client.xrange(LIVE, last, last, count=1)
        except (RedisError, OSError):
            await asyncio.sleep(1)
            continue
        entries = found[0][1] if found else []
        page = [_gap(last)] if lost else []
        page += [_event(entry_id.decode(), fields) for entry_id, fields in entries]
        behind = len(entries) == PAGE
        if page:
            last = page[-1].id
            yield page
            await asyncio.sleep(PAUSE)


async def past(client: ArqRedis, after: str) -> list[LiveEvent]:
    """Return the events after this one that are still there, a `gap` where some are gone."""
    entries = await client.xrange(LIVE, after, "+")
    known = bool(entries) and entries[0][0].decode() == after
    events = [_event(entry_id.decode(), fields) for entry_id, fields in entries[known:]]
    told = known or (bool(events) and events[0].event == "gap")
    return events if told else [_gap(after), *events]


async def progress(client: ArqRedis, job_id: str, percent: int, text: str | None) -> None:
    """Tell whoever watches how far a job is; raises redis-py's errors."""
    await _progress(client, [LIVE], job_id, percent, text or "")


async def _renew(client: ArqRedis) -> str:
    last: bytes = await _watch(client, [WATCHED, LIVE], FOR_MS, KEPT_MS)
    return last.decode()


def _gap(event_id: str) -> LiveEvent:
    return LiveEvent(event_id, "gap", from_ms(_moment(event_id)))


def _event(event_id: str, fields: dict[bytes, bytes]) -> LiveEvent:
    told = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    if told.get("e", "begin") == "begin":  # nobody watched before
        return _gap(event_id)
    run_at = int(float(told["at"])) if told["at"] else 0
    job = declared().get(told["f"])
    return LiveEvent(
        id=event_id,
        event=told["e"],
        at=from_ms(_moment(event_id)),
        job=told["id"],
        queue=queue_name(told["q"]) or (job.queue if job else ""),
        name=told["f"] or None,
        worker=told["w"] or None,
        actor=told["a"] or None,
        run_at=from_ms(run_at) if run_at > _moment(event_id) else None,
        percent=int(told["p"]) if "p" in told else None,
        text=told.get("t") or None,
    )


def _moment(event_id: str) -> int:
    return position(event_id)[0]
