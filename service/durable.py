"""Durable jobs: calls as rows before the commit, rows as jobs of the queue after it.

A call of a job with an owner has a row of its domain already; one that is unique or debounced
depends on what the queue knows. Every other one gets a row of `durable_jobs`.
"""

import contextlib
from collections.abc import Collection, Sequence
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
from service.queue.codec import readable, with_headers
from service.queue.entries import Batch, Entry
from service.queue.headers import HEADERS, ROW
from service.queue.instants import to_ms_up

PAGE = 500
"""Rows of one look at the queue."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The jobs of one unit of work: rows to insert, and what to send when they are committed."""

    rows: list[dict[str, Any]]
    entries: list[Entry]

    def to_send(self, new_rows: Collection[str]) -> list[Entry]:
        """Return the entries without those whose rows existed before."""
        old = {row["id"] for row in self.rows}.difference(new_rows)
        return [entry for entry in self.entries if entry.job_id not in old]


def prepare(client: QueueClient, calls: Sequence[JobCall], horizon: timedelta) -> Prepared:
    """Write calls down, each with the row that makes it durable.

    Args:
        client: whose serializer and queues are meant.
        calls: in the order in which they are sent.
        horizon: what is due later is a row only, until the sweep sends it.

    Raises EncodeError or PayloadTooLarge when a call cannot be written.
    """
    durable = [needs_row(call) for call in calls]
    named = [_named(call) if row else call for call, row in zip(calls, durable, strict=True)]
    entries = client.entries(named)
    until = now() + horizon
    rows = [
        _row(call, entry, until)
        for call, entry, row in zip(named, entries, durable, strict=True)
        if row
    ]
    soon = [
        entry
        for call, entry in zip(named, entries, strict=True)
        if call.run_at is None or call.run_at <= until
    ]
    return Prepared(rows, soon)


def needs_row(call: JobCall) -> bool:
    """Whether no other row and no lock of the queue stands behind the call."""
    job = declared().get(call.name)
    owned = job is not None and job.owner is not None
    return not owned and call.unique_for is None and call.debounce is None


def _named(call: JobCall) -> JobCall:
    return msgspec.structs.replace(
        call, job_id=call.job_id or uuid4().hex, headers={**call.headers, ROW: "1"}
    )


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
        "step_id": headers.get("step"),
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
    database: Database, client: QueueClient, horizon: timedelta, *, everything: bool = False
) -> int:
    """Send open rows that the queue does not have; return how many.

    Args:
        database: where the rows are.
        client: of the queue.
        horizon: rows due later wait.
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
        rows = await _close_ended(database, client, page)
        sent += sum(await client.requeue([_entry(row) for row in rows]))
        await database.execute(outbox.looked_at([row.id for row in rows]))


async def _close_ended(
    database: Database, client: QueueClient, page: Sequence[DurableJob]
) -> list[DurableJob]:
    """Close rows whose results a stock arq worker left, which knows no rows; return the others."""
    results = await client.mget([f"{result_key_prefix}{row.id}" for row in page])
    still_open = []
    for row, result in zip(page, results, strict=True):
        record = readable(result)
        if record.success is None or record.headers.get(ROW) not in (None, str(row.version)):
            still_open.append(row)
            continue
        state = "succeeded" if record.success else "failed"
        values = {"state": state, "result": result, "path": "queue", "tries": record.tries or 1}
        await database.execute(outbox.close(row.id, row.version, values))
    return still_open


async def replay(database: Database, client: QueueClient, row: DurableJob) -> bool:
    """Let a failed row run again as its next version; return whether it will.

    The sweep sends what cannot be sent now. Raises DecodeError when the payload is unreadable.
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
