"""Instants that people write: ISO 8601, with an offset or on a zone's wall clock."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.errors import Problem


def parse_zone(name: str) -> ZoneInfo | Problem:
    """Return the IANA zone of this name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return Problem("zone", f"'{name[:80]}' is not an IANA time zone such as Europe/Paris")


def locate(value: str, zone: ZoneInfo | None, *, field: str) -> datetime | Problem:
    """Return the instant that a person means, in UTC, whether it has passed or not.

    Args:
        value: ISO 8601, with an offset, or as wall-clock time in `zone`.
        zone: the zone of a wall-clock time; None: the caller gave none.
        field: in which the person wrote it, for the problem.
    """
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        text = f"'{value[:80]}' is not an ISO 8601 time such as 2030-01-31T09:00:00Z"
        return Problem(field, text)
    try:
        located = moment if moment.tzinfo else _on_the_wall(moment, zone)
        if isinstance(located, str):
            return Problem(field, located)
        return located.astimezone(UTC)
    except OverflowError:
        return Problem(field, "lies outside the calendar")


def _on_the_wall(moment: datetime, zone: ZoneInfo | None) -> datetime | str:
    """Return wall-clock time as an instant; clocks that skip or repeat an hour are a problem."""
    if zone is None:
        return "has no offset: add one (…Z, …+01:00) or name a 'zone'"
    first, second = moment.replace(tzinfo=zone), moment.replace(tzinfo=zone, fold=1)
    wall = f"{moment:%Y-%m-%d %H:%M}"
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) != moment:
        return f"{wall} does not exist in {zone.key}: clocks go forward over it"
    if first.utcoffset() != second.utcoffset():
        offsets = f"{first:%z} or {second:%z}"
        return f"{wall} comes twice in {zone.key} as clocks go back: add {offsets}"
    return first
