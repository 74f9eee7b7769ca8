"""Cursor pagination over uuid7 ids, newest first: stable while rows are added."""

import base64
import binascii
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from service.errors import InvalidInput, Problem

T = TypeVar("T")
DEFAULT_LIMIT = 50
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows are wanted: at most `limit`, older than `before` when given."""

    limit: int = DEFAULT_LIMIT
    before: UUID | None = None


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """One page of rows and the cursor of the next, None at the end."""

    items: list[T]
    next_cursor: str | None


def encode_cursor(last: UUID) -> str:
    """Return an opaque cursor that continues after the row with this id."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def decode_cursor(cursor: str) -> UUID:
    """Return the id in a cursor.

    Raises:
        InvalidInput: it is not a cursor that `encode_cursor` made.
    """
    try:
        return UUID(bytes=base64.b64decode(cursor + "==", altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        problem = Problem("cursor", "is not a cursor of this list; leave it out to start anew")
        raise InvalidInput([problem]) from None
