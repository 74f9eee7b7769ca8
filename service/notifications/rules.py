"""Pure rules of notifications: what is one incident, and how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

QUIET = timedelta(hours=1)
"""After so long without a repeat, the next one is a new incident."""
MAX_TEXT = 2000
ALERT = "alert."
"""Begins the kinds of incidents that know themselves when they are over."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that a person must hear of.

    Attributes:
        kind: such as `job.failed`.
        key: the same for what is one incident while it lasts.
        title: one line.
        text: what happened.
        owner_id: whom it concerns; None for everybody who may see jobs.
    """

    kind: str
    key: str
    title: str
    text: str
    owner_id: UUID | None = None


class Told(Protocol):
    """What a mail says of an incident."""

    kind: str
    title: str
    text: str
    count: int
    created_at: datetime


def job_failed(job_id: str, name: str, error_type: str, message: str) -> Incident:
    """Return the incident of a job that failed for good: one per job and class of error."""
    kind = error_type.rpartition(".")[2]
    why = f"{kind}: {message}" if message else kind
    return Incident(
        kind="job.failed",
        key=f"job.failed:{name}:{error_type}",
        title=f"{name} failed: {kind}",
        text=f"Job {job_id} of {name} failed for good. {why}"[:MAX_TEXT].replace("\x00", ""),
    )


def mail_text(notice: Told) -> str:
    """Return the body of the mail about one incident."""
    if notice.kind.startswith(ALERT):  # it is told of once, and when it is over
        return f"{notice.text}\n\n{notice.created_at:%Y-%m-%d %H:%M:%S} UTC.\n"
    return (
        f"{notice.text}\n\nFirst seen {notice.created_at:%Y-%m-%d %H:%M:%S} UTC. It is counted "
        f"from here; a new mail comes when it happens again after {QUIET.seconds // 3600} h of "
        "quiet, or after it was resolved.\n"
    )


def digest_text(notices: Sequence[Told]) -> str:
    """Return the body of a digest, the oldest incident first."""
    return "\n".join(
        f"{notice.created_at:%Y-%m-%d %H:%M} UTC, seen {notice.count}: {notice.title}\n"
        f"  {notice.text}\n"
        for notice in notices
    )
