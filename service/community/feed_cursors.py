"""Where a page of the feed ends: what the next one continues after."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

import msgspec

from service.kit.pagination import no_cursor, pack, unpack

MAX_SCORE = Decimal(10) ** 17
"""No score that the table can hold is greater."""


class Order(StrEnum):
    """In which order the feed is wanted."""

    TOP = "top"
    """By score; the newest of equal ones first."""
    NEW = "new"


@dataclass(frozen=True, slots=True)
class Place:
    """A post's place in an order: by score or time, and by id among equal ones."""

    key: Decimal | datetime
    id: UUID


def cursor_of(order: Order, place: Place) -> str:
    """Return an opaque cursor that continues after this place."""
    key = place.key if isinstance(place.key, Decimal) else place.key.isoformat()
    return pack(msgspec.json.encode([order, str(key), place.id]))


def place_of(order: Order, cursor: str) -> Place:
    """Return the place in a cursor.

    Raises:
        InvalidInput: it is no cursor of a list in this order.
    """
    try:
        made_for, key, found = msgspec.json.decode(unpack(cursor), type=tuple[Order, str, UUID])
        place = Place(_score(key) if order is Order.TOP else _instant(key), found)
    except (ValueError, ArithmeticError):  # an instant may be beyond all calendars
        raise no_cursor() from None
    if made_for is not order:
        raise no_cursor()
    return place


def _score(text: str) -> Decimal:
    score = Decimal(text)
    if not (score.is_finite() and abs(score) < MAX_SCORE):
        raise ValueError("no score")
    return round(score, 1)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError("no instant")
    return instant.astimezone(UTC)
