"""Pure rules of newsletters: when one is due, when a mail is tried again, what a name becomes."""

import re
import unicodedata
from calendar import monthrange
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from service.errors import Problem
from service.kit.crontab import first_instant
from service.kit.instants import locate
from service.newsletters.models import Frequency

DAY = timedelta(days=1)
STEPS = {Frequency.DAILY: 1, Frequency.WEEKLY: 7, Frequency.BIWEEKLY: 14}
"""Days from one issue to the next."""
RETRIES = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30))
"""How long a mail waits that its server refused for now; after them it is refused. Greylisting
servers want some minutes."""
PAST_GRACE = timedelta(seconds=60)
"""A time that has just passed means now: clocks differ and requests travel."""
FARTHEST = timedelta(days=3660)
LONGEST_SLUG = 60


def next_due(
    last: datetime, frequency: str, zone: ZoneInfo, send_time: time, month_day: int | None = None
) -> datetime | None:
    """Return when the issue after one is due, in UTC; None: a person sends it.

    A time that the clocks jump over is the first minute after it, one that comes twice its first.

    Args:
        last: when the last one was due or sent.
        frequency: one of `Frequency`.
        zone: whose wall clock `send_time` is on.
        send_time: of the day.
        month_day: the day that a monthly one is meant to come on; by default that of `last`. The
            31st is the last day of a shorter month, and the 31st again in the next.
    """
    if frequency == Frequency.MANUAL:
        return None
    day = last.astimezone(zone).date()
    if frequency == Frequency.MONTHLY:
        following = _month_after(day, month_day or day.day)
    else:
        following = day + STEPS[Frequency(frequency)] * DAY
    return first_instant(datetime.combine(following, send_time), zone)


def _month_after(day: date, wanted: int) -> date:
    year, month = (day.year + 1, 1) if day.month == 12 else (day.year, day.month + 1)
    return date(year, month, min(wanted, monthrange(year, month)[1]))


def next_send_time(after: datetime, zone: ZoneInfo, send_time: time) -> datetime:
    """Return the first instant from `after` at which a wall clock shows this time, in UTC."""
    day = after.astimezone(zone).date() - DAY  # a time that was jumped over may be of yesterday
    while True:
        found = first_instant(datetime.combine(day, send_time), zone)
        if found >= after:
            return found
        day += DAY


def due_after(  # noqa: PLR0913, PLR0917 - what a newsletter's rhythm is made of
    due: datetime,
    frequency: str,
    zone: ZoneInfo,
    send_time: time,
    month_day: int | None,
    now: datetime,
) -> datetime | None:
    """Return the next time that is still to come: what an outage has skipped is not made up for."""
    following = next_due(due, frequency, zone, send_time, month_day)
    while following is not None and following <= now:
        following = next_due(following, frequency, zone, send_time, month_day)
    return following


def period(due: datetime, zone: ZoneInfo) -> str:
    """Return the name of the period that begins at an instant: its day."""
    return due.astimezone(zone).date().isoformat()


def retry_delay(attempts: int) -> timedelta | None:
    """Return how long a mail waits after so many attempts, at least 1; None: it is given up."""
    return RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


def scheduled(value: str, zone: ZoneInfo, now: datetime) -> datetime | Problem:
    """Return the instant at which an issue is to be sent, in UTC.

    Args:
        value: ISO 8601, with an offset, or as wall-clock time in `zone`.
        zone: of a wall-clock time.
        now: the present instant.
    """
    found = locate(value, zone, field="at")
    if isinstance(found, Problem):
        return found
    if found < now - PAST_GRACE:
        return Problem("at", f"{found:%Y-%m-%d %H:%M:%S} UTC has passed; use send to send it now")
    if found > now + FARTHEST:
        return Problem("at", "lies more than ten years ahead")
    return found


def slug_of(name: str) -> str:
    """Return a name as a part of an address: small letters, digits, hyphens; it may be empty."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")


def distinct(words: Iterable[str]) -> list[str]:
    """Return words, such as tags, each once and in their order."""
    return list(dict.fromkeys(word.strip() for word in words if word.strip()))
