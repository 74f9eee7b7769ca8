"""Pure rules of webhooks: what is told of an end, and what an answer means."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

MAX_RESULT = 262_144
"""Bytes of a result that are sent; a larger one is fetched from the API."""
MAX_EXCERPT = 500
"""Characters of an answer that are kept."""
UNTOLD = ("webhooks.", "notifications.")
"""Jobs that tell of others: telling of them would never end."""


class EventType(StrEnum):
    """What an endpoint can be told of."""

    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CANCELLED = "job.cancelled"
    WORKFLOW_SUCCEEDED = "workflow.succeeded"
    WORKFLOW_FAILED = "workflow.failed"
    WORKFLOW_UNDONE = "workflow.undone"
    WORKFLOW_CANCELLED = "workflow.cancelled"
    ALERT_OPENED = "alert.opened"
    ALERT_RESOLVED = "alert.resolved"


TEST = "webhook.test"
"""The type of an event that a person asks for to try an endpoint."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that ended.

    Attributes:
        id: the same however often it is announced, and of no other event.
        type: see `EventType`.
        name: of the job or workflow, or the rule of an alert.
        queue: of the job, or what an alert is about; empty for a workflow.
        at: when it ended.
        data: what receivers are told; JSON values, UUIDs and instants.
        owner_id: whose it is; None for what everybody may see who sees jobs.
    """

    id: str
    type: str
    name: str
    queue: str
    at: datetime
    data: dict[str, Any]
    owner_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class JobEnd:
    """The end of a job.

    Attributes:
        run: tells this end from others of the same id, such as that of a replay.
        result: JSON values; None for a job that is sensitive or did not succeed.
        error: why it failed, of a sensitive job empty.
    """

    id: str
    run: str
    name: str
    queue: str
    state: str
    tries: int
    result: object
    error_type: str | None
    error: str
    enqueued_at: datetime
    started_at: datetime | None
    finished_at: datetime

    @property
    def told(self) -> bool:
        """Whether anybody is told of it."""
        return not self.name.startswith(UNTOLD)


def event_of(end: JobEnd) -> Event:
    """Return what is told of a job's end."""
    failed = {"type": end.error_type, "message": end.error} if end.error_type else None
    data = {
        "id": end.id,
        "name": end.name,
        "queue": end.queue,
        "state": end.state,
        "tries": end.tries,
        **_bounded(end.result),
        "error": failed,
        "enqueued_at": end.enqueued_at,
        "started_at": end.started_at,
        "finished_at": end.finished_at,
    }
    event_id = f"{end.id}/{end.run}"
    return Event(event_id, f"job.{end.state}", end.name, end.queue, end.finished_at, data)


def _bounded(result: object) -> dict[str, object]:
    if len(msgspec.json.encode(result)) <= MAX_RESULT:
        return {"result": result}
    return {"result": None, "result_omitted": True}


def body(event: Event) -> str:
    """Return the JSON of an event as it is sent, in the form that Standard Webhooks proposes."""
    told = {"type": event.type, "timestamp": event.at, "data": event.data}
    return msgspec.json.encode(told).decode()


class Verdict(StrEnum):
    """What an attempt means for its delivery."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"
    GONE = "gone"
    """The receiver wants no more of any event."""


def verdict(status: int) -> Verdict:
    """Judge an answer. A redirect is refused: who signs for one host does not follow to another."""
    if 200 <= status < 300:
        return Verdict.DELIVERED
    if status == 410:
        return Verdict.GONE
    return Verdict.RETRY if status in (408, 425, 429) or status >= 500 else Verdict.REFUSED


def next_delay(
    gaps: Sequence[float], attempts: int, asked: timedelta | None = None
) -> timedelta | None:
    """Return how long to wait after so many failed attempts; None to give up.

    Args:
        gaps: seconds after the first attempt, the second, and so on.
        attempts: so far.
        asked: by the receiver; it may only lengthen the wait.
    """
    if attempts > len(gaps):
        return None
    gap = timedelta(seconds=gaps[attempts - 1])
    return max(gap, asked) if asked else gap


def excerpt(answer: bytes) -> str:
    """Return how an answer begins, without what PostgreSQL or a terminal could not bear."""
    text = answer[: 4 * MAX_EXCERPT].decode("utf-8", "replace")[:MAX_EXCERPT]
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text)
