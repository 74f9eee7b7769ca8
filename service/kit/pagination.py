"""Cursor pagination over uuid7 ids, newest first: stable while rows are added."""

import base64
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
    return pack(last.bytes)


def decode_cursor(cursor: str) -> UUID:
    """Return the id in a cursor.

    Raises:
        InvalidInput: it is not a cursor that `encode_cursor` made.
    """
    try:
        return UUID(bytes=unpack(cursor))
    except ValueError:
        raise no_cursor() from None


def pack(content: bytes) -> str:
    """Return bytes as the text of a cursor."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def unpack(cursor: str) -> bytes:
    """Return what `pack` was given; raise ValueError when it has not made this."""
    padded = cursor + "=" * (-len(cursor) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)


def no_cursor() -> InvalidInput:
    """Return the refusal of what is no cursor."""
    message = "is not a cursor of this list; leave it out to start anew"
    return InvalidInput([Problem("cursor", message)])
