"""Instants as Unix milliseconds, the unit of arq's scores and payloads."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_ms(instant: datetime) -> int:
    """Return the last whole millisecond that is not after the instant."""
    return (instant - _EPOCH) // _MILLISECOND


def to_ms_up(instant: datetime) -> int:
    """Return the first whole millisecond that is not before the instant."""
    return -((_EPOCH - instant) // _MILLISECOND)


def from_ms(milliseconds: int) -> datetime:
    """Return the instant, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
