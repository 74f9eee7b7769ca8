"""Replies about alerts."""

from datetime import datetime
from uuid import UUID

from service.schema import Reply


class AlertOut(Reply):
    """One incident of a rule."""

    id: UUID
    rule: str
    """Its name, as in docs/monitoring.md."""
    subject: str
    """What it is about, such as a queue or a job; empty for the installation."""
    text: str
    """What is the matter, as it was seen last."""
    value: float
    """In the unit of the rule's threshold, as it was seen last."""
    opened_at: datetime
    last_seen_at: datetime
    resolved_at: datetime | None
    """Null while it is open."""


class AlertList(Reply):
    """A page of alerts, newest first."""

    items: list[AlertOut]
    next_cursor: str | None
