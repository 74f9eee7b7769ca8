"""What a page says of the action before it: carried by a cookie over one redirect."""

import base64
import json
from typing import NamedTuple

from fastapi import Request, Response

COOKIE = "almanac_note"
SECONDS = 60
LONGEST = 1500
"""Characters; a cookie has about 4,000 bytes."""


class Note(NamedTuple):
    """A sentence, and whether what it tells of was done."""

    text: str
    done: bool = True


def leave(response: Response, note: Note, *, secure: bool) -> None:
    """Leave a note for the next page."""
    content = json.dumps([note.text[:LONGEST], note.done]).encode()
    text = base64.urlsafe_b64encode(content).decode()
    response.set_cookie(COOKIE, text, max_age=SECONDS, secure=secure, httponly=True, samesite="lax")


def take(request: Request) -> Note | None:
    """Return the note for this page; None for none, or for something that is not one."""
    if (cookie := request.cookies.get(COOKIE)) is None:
        return None
    try:
        text, done = json.loads(base64.urlsafe_b64decode(cookie))
    except (ValueError, TypeError):
        return None
    return Note(str(text), bool(done))
