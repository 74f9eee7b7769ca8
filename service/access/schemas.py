"""Requests and replies of access."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, Field, SecretStr

from service.access.caller import Scope
from service.schema import Reply, Schema

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text without control characters."""


class LoginIn(Schema):
    """Who logs in."""

    name: Line = Field(examples=["admin"])
    password: SecretStr = Field(max_length=1024)


class WhoOut(Reply):
    """Who the caller is, and what they may do."""

    user_id: UUID
    name: str
    scopes: list[Scope]
    csrf_token: str | None
    """With a session: sent as `X-CSRF-Token` by every request that is no GET. Null with a key."""
    expires_at: datetime | None
    """With a session: its end at the latest."""


class SessionOut(Reply):
    """A login."""

    id: UUID
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    address: str | None
    user_agent: str | None
    current: bool
    """Whether it is the one of this request."""


class SessionList(Reply):
    """The caller's logins."""

    items: list[SessionOut]
    next_cursor: str | None


class KeyIn(Schema):
    """A key to make."""

    name: Line = Field(examples=["nightly import"])
    """What it is for."""
    scopes: list[Scope] = Field(min_length=1, max_length=len(Scope), examples=[["posts:write"]])
    """What it may do: only what the caller may too."""
    user: Line | None = None
    """Who owns what the key makes; by default the caller. Only an admin names somebody else."""
    expires_at: AwareDatetime | None = None
    """From when on it is refused; by default never."""


class KeyOut(Reply):
    """An API key; the key itself is never shown again."""

    id: UUID
    user: str
    name: str
    prefix: str
    """The first characters of the key."""
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    """To the minute."""


class KeyMade(KeyOut):
    """A new key."""

    key: str | None
    """Shown only now; null when the reply is given again."""


class KeyList(Reply):
    """A page of keys."""

    items: list[KeyOut]
    next_cursor: str | None


class EntryOut(Reply):
    """One thing that somebody did."""

    id: UUID
    at: datetime
    actor: str
    """A user's name, `schedule:<name>`, `cli:<user of the system>`, or `(nobody)`."""
    action: str
    subject: str
    detail: dict[str, Any]
    address: str | None
    trace: str | None


class EntryList(Reply):
    """A page of the audit log."""

    items: list[EntryOut]
    next_cursor: str | None
