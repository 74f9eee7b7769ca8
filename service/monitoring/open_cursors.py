"""Cursors of the list of jobs that have not ended: it goes on in the rows, and in the queues."""

from datetime import datetime
from typing import Annotated, NamedTuple

import msgspec

from service.kit.pagination import no_cursor, pack, unpack

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Place(NamedTuple):
    """A job in the order of the list: by Unix ms and id."""

    moment: int
    job_id: str

    @property
    def text(self) -> str:
        """As `service.queue.listing` says it."""
        return f"{self.moment}:{self.job_id}"

    @classmethod
    def of(cls, text: str) -> "Place":
        """Read the text of a place."""
        moment, _, job_id = text.partition(":")
        return cls(int(moment), job_id)


class Cursor(msgspec.Struct, array_like=True, frozen=True):
    """The last row, and the last place in the queues, that were shown or passed."""

    due_at: Instant | None = None
    job_id: str = ""
    queued: Place | None = None

    def after_row(self, due_at: datetime, job_id: str) -> "Cursor":
        """Return a cursor that goes on behind this row."""
        return Cursor(due_at, job_id, self.queued)

    def after_queued(self, place: Place) -> "Cursor":
        """Return a cursor that goes on behind this place in the queues."""
        return Cursor(self.due_at, self.job_id, place)


START = Cursor()


def encode(cursor: Cursor) -> str:
    """Return a cursor as a client gets it."""
    return pack(msgspec.json.encode(cursor))


def decode(text: str) -> Cursor:
    """Return the cursor that a client sends; raise InvalidInput when it is none of this list."""
    try:
        cursor = msgspec.json.decode(unpack(text), type=Cursor)
    except ValueError:
        raise no_cursor() from None
    if "\x00" in cursor.job_id or (cursor.queued and cursor.queued.moment < 0):
        raise no_cursor()
    return cursor
