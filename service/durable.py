"""Durable jobs: calls as rows before the commit, rows as jobs of the queue after it.

A call of a job with an owner has a row of its domain already; one that is unique or debounced
depends on what the queue knows. Every other one gets a row of `durable_jobs`.
"""

import contextlib
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
from arq.constants import result_key_prefix
from redis.exceptions import RedisError

from service.db import outbox
from service.db.outbox import DurableJob
from service.db.session import Database
from service.kit.clock import now
from service.queue import JobCall, QueueClient, declared
from service.queue.codec import Record, readable, with_headers
from service.queue.entries import AT_ONCE, Batch, Entry
from service.queue.headers import HEADERS, ROW
from service.queue.instants import to_ms, to_ms_up
from service.queue.views import end_state

PAGE = 500
"""Rows of one look at the queue."""
Close = Callable[[DurableJob, dict[str, Any]], Awaitable[object]]
"""Closes a row that nobody runs, with these values."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The jobs of one unit of work: rows to insert, and what to send when they are committed."""

    rows: list[dict[str, Any]]
    entries: list[Entry]

    def to_send(self, new_rows: Collection[str]) -> list[Entry]:
        """Return the entries without those whose rows existed before."""
        old = {row["id"] for row in self.rows}.difference(new_rows)
        return [entry for entry in self.entries if entry.job_id not in old]


def named(calls: Sequence[JobCall]) -> list[JobCall]:
    """Return the calls, each with an id: a random one where the caller chose none."""
    return [
        call if call.job_id else msgspec.structs.replace(call, job_id=uuid4().hex) for call in calls
    ]


def prepare(client: QueueClient, calls: Sequence[JobCall], horizon: timedelta) -> Prepared:
    """Write calls down, each with the row that makes it durable.

    Args:
        client: whose serializer and queues are meant.
        calls: in the order in which they are sent.
        horizon: what is due later is a row only, until the sweep sends it.

    Raises EncodeError or PayloadTooLarge when a call cannot be written.
    """
    durable = [needs_row(call) for call in calls]
    calls = [_durable(call) if row else call for call, row in zip(calls, durable, strict=True)]
    entries = client.entries(calls)
    until = now() + horizon
    rows = [
        _row(call, entry, until)
        for call, entry, row in zip(calls, entries, durable, strict=True)
        if row
    ]
    soon = [
        entry
        for call, entry in zip(calls, entries, strict=True)
        if call.run_at is None or call.run_at <= until
    ]
    return Prepared(rows, soon)


def split_due(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Return what may start now, and what may not: it is due later, or a lock in Redis decides."""
    now_ms = to_ms(now())
    due: list[Entry] = []
    later: list[Entry] = []
    for entry in entries:
        starts = entry.score == AT_ONCE or int(entry.score) <= now_ms
        (due if starts and entry.once is None else later).append(entry)
    return due, later


def needs_row(call: JobCall) -> bool:
    """Whether no other row and no lock of the queue stands behind the call."""
    job = declared().get(call.name)
    owned = job is not None and job.owner is not None
    return not owned and call.unique_for is None and call.debounce is None


def _durable(call: JobCall) -> JobCall:
    return msgspec.structs.replace(call, headers={**call.headers, ROW: "1"})


def _row(call: JobCall, entry: Entry, until: datetime) -> dict[str, Any]:
    moment = now()
    due = call.run_at or moment
    headers = {**HEADERS.get(), **call.headers}
    return {
        "id": entry.job_id,
        "name": call.name,
        "queue": entry.batch.queue,
        "lane": call.lane,
        "payload": entry.payload,
        "due_at": due,
        "look_at": moment + outbox.FIRST_LOOK + max(due - until, timedelta()),
        "actor": headers.get("actor"),
    }


def _entry(row: DurableJob) -> Entry:
    return Entry(
        batch=Batch(row.queue, row.lane),  # type: ignore[arg-type] # checked when it was written
        job_id=row.id,
        score=to_ms_up(row.due_at),
        payload=row.payload,
        named=True,
    )


async def sweep(
    database: Database,
    client: QueueClient,
    horizon: timedelta,
    *,
    close: Close,
    everything: bool = False,
) -> int:
    """Send open rows that the queue does not have; return how many.

    Args:
        database: where the rows are.
        client: of the queue.
        horizon: rows due later wait.
        close: writes the ends that stock arq workers left, and what follows from them.
        everything: look also at rows that were looked at lately: the queue was wiped.

    Raises redis-py's errors when the queue does not answer; nothing is lost by that.
    """
    sent, after = 0, ""
    until = now() + horizon
    while True:
        async with database.session() as session:
            page = await outbox.to_look_at(session, until, after, PAGE, everything=everything)
        if not page:
            return sent
        after = page[-1].id
        rows = await _close_ended(client, page, close)
        sent += sum(await client.requeue([_entry(row) for row in rows]))
        await database.execute(outbox.looked_at([row.id for row in rows]))


async def _close_ended(
    client: QueueClient, page: Sequence[DurableJob], close: Close
) -> list[DurableJob]:
    """Close rows whose results a stock arq worker left, which knows no rows; return the others."""
    results = await client.mget([f"{result_key_prefix}{row.id}" for row in page])
    still_open = []
    for row, result in zip(page, results, strict=True):
        record = readable(result)
        if record.success is None or record.headers.get(ROW) not in (None, str(row.version)):
            still_open.append(row)
            continue
        values = {"result": result, "path": "queue", "tries": record.tries or 1}
        await close(row, {**values, **_end_of(record)})
    return still_open


def _end_of(record: Record) -> dict[str, Any]:
    failure = None if record.success else record.shown_failure()
    if failure is None:
        return {"state": end_state(None), "error": None}
    kind = failure.type.rpartition(".")[2]
    error = kind if record.sensitive else f"{kind}: {failure.message}"
    return {"state": end_state(failure), "error": error}


async def replay(database: Database, client: QueueClient, row: DurableJob) -> bool:
    """Let a row that failed or was cancelled run again, as its next version.

    Returns whether it will; the sweep sends what cannot be sent now. Raises DecodeError when the
    payload is unreadable.
    """
    version = row.version + 1
    payload = with_headers(row.payload, {ROW: str(version)})
    reopened = await database.execute(outbox.reopen(row.id, version, payload))
    if not reopened:
        return False
    row.payload, row.due_at = payload, reopened[0].due_at
    with contextlib.suppress(RedisError, OSError):  # the sweep sends it
        await client.requeue([_entry(row)])
    return True
