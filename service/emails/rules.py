"""Pure rules of mails: pace, and what an answer or an event means for a mail."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from service.emails.models import MailState
from service.providers.mail.events import MailEventKind

SOFT_BOUNCES = 3
"""After so many within `SOFT_WITHIN`, without a delivery between, an address is suppressed."""
SOFT_WITHIN = timedelta(days=30)
AHEAD = timedelta(seconds=10)
"""How far ahead places are given away: who is later asks again, so that none is held for long by
a process that may die."""
BAD_ADDRESS = re.compile(r"(?<![\d.])5\.1\.(?:1|2|3|6|10)(?!\d)")
"""Enhanced status codes that say that there is no such address (RFC 3463 §3.2, RFC 7505)."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast mails may go out, over all workers; None is without limit."""

    per_second: float | None = None
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the pace has been used: when the next mail may go, and the day's number."""

    next_at: datetime
    day: date
    sent: int


@dataclass(frozen=True, slots=True)
class Reserved:
    """Places in the pace.

    Attributes:
        count: mails that may go out.
        at: from when; with a count of 0, when to ask again.
    """

    count: int
    at: datetime


def grant(pace: Pace, progress: Progress, wanted: int, now: datetime) -> tuple[Reserved, Progress]:
    """Give away places in the pace.

    Args:
        pace: the limits.
        progress: what was given away before.
        wanted: places that are asked for.
        now: the present instant, UTC.

    Returns the places and the progress after it.
    """
    used = progress.sent if progress.day == now.date() else 0
    left = wanted if pace.per_day is None else min(wanted, pace.per_day - used)
    if left <= 0:
        return Reserved(0, _midnight_after(now)), progress
    begin = max(progress.next_at, now) if pace.per_second else now
    if begin - now > AHEAD:
        return Reserved(0, begin), progress
    gap = timedelta(seconds=left / pace.per_second) if pace.per_second else timedelta()
    return Reserved(left, begin), Progress(begin + gap, now.date(), used + left)


def _midnight_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)


def is_hard(reason: str) -> bool:
    """Whether a refusal says that the address does not exist.

    A 5xx alone does not: servers give it for what they take for spam, or for a full mailbox.
    """
    return BAD_ADDRESS.search(reason) is not None


def is_bounce(code: int, reason: str) -> bool:
    """Whether a refusal is the words of the recipient's server, rather than our own."""
    return code >= 500 and reason.startswith(str(code))


def suppresses(soft: Sequence[datetime], now: datetime) -> bool:
    """Whether these soft bounces are enough to mail nothing more to their address."""
    return sum(now - at <= SOFT_WITHIN for at in soft) >= SOFT_BOUNCES


GIVEN_UP = (MailEventKind.BOUNCED, MailEventKind.SOFT_BOUNCED)
ARRIVED = (MailEventKind.ACCEPTED, MailEventKind.DELIVERED)
OUT = (MailState.SENDING, MailState.SENT, MailState.UNCONFIRMED)


def after(state: str, kind: MailEventKind) -> MailState | None:
    """Return the state of a mail after an event; None when it stays as it is."""
    if kind in ARRIVED and state == MailState.UNCONFIRMED:
        return MailState.SENT
    if kind in GIVEN_UP and state in OUT:
        return MailState.REFUSED
    return None
