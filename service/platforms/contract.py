"""What a platform adapter is: seven verbs, a few figures, and a closed set of failures.

`prepare` uploads and is invisible, `check` only reads, `commit` is the one irreversible call and
is never repeated after an ambiguous failure unless the platform recognises the repeat, and
`reconcile` looks whether an uncertain commit came through. An adapter knows no database and no
queue: whatever it must remember it hands to `Publication.save`, which the caller stores.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from service.errors import AlmanacError, Problem
from service.platforms.entities import links

Handles = dict[str, object]
"""What an adapter remembers; JSON values only."""

FOREVER = timedelta(days=36_500)
"""A repeat window without an end; a finite span, so that it can be added to an instant."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one post may be on a platform. Served as data by `GET /v1/platforms`."""

    text_units: int
    unit: str
    """How length is counted, by a name in lengths.py: `characters`, `graphemes`, `weighted`…"""
    url_units: int | None = None
    """What each URL in the text counts, whatever its length; None: its own length."""
    text_bytes: int | None = None
    images: int = 4
    image_bytes: int = 8_000_000
    image_types: tuple[str, ...] = ("image/jpeg", "image/png", "image/gif", "image/webp")
    alt_text: int = 1500
    media_required: bool = False
    text_required: bool = False
    posts_per_day: int | None = None
    """What the platform takes from one account within 24 hours; None: it tells of no such limit."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An image of a post; the file at `path` never changes."""

    id: UUID
    path: Path
    content_type: str
    size: int
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be published, already resolved for one account."""

    text: str
    link: str | None = None
    media: tuple[MediaFile, ...] = ()

    @property
    def full_text(self) -> str:
        """The text with the link below it, unless the text has the link already."""
        if not self.link or any(link.text == self.link for link in links(self.text)):
            return self.text
        return f"{self.text}\n\n{self.link}" if self.text else self.link


@dataclass(slots=True)
class Destination:
    """A connected account. `credentials` are secrets; `session` is what the adapter may renew."""

    id: UUID
    handle: str
    base_url: str
    credentials: Mapping[str, str]
    limits: Limits
    session: Handles = field(default_factory=dict)


Save = Callable[[Handles], Awaitable[None]]


@dataclass(slots=True)
class Publication:
    """One delivery on its way: what an adapter works on.

    `handles` is what earlier steps stored (media ids, an upload session); `save` stores it anew
    and returns once it is durable. `save_session` does the same for the account's session.
    `committed_since` is when the first commit of this delivery began, None before it.
    """

    delivery_id: UUID
    destination: Destination
    content: Content
    save: Save
    save_session: Save
    handles: Handles = field(default_factory=dict)
    committed_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One thing a person gives to connect an account."""

    description: str
    required: bool = True
    secret: bool = True
    """Whether it must never be shown again."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What connecting an account found out."""

    handle: str
    display_name: str
    base_url: str
    limits: Limits
    session: Handles = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """The post is visible."""

    remote_id: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Wait:
    """Not ready: ask again in so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The post is certainly not there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The platform cannot tell whether the post is there."""

    reason: str


class PlatformError(AlmanacError):
    """The platform did not take the post."""

    status = 502
    slug = "platform"


class Transient(PlatformError):
    """A passing failure before anything became visible: try again by policy."""


class RateLimited(PlatformError):
    """The platform asks to wait; waiting costs no attempt."""

    status = 429

    def __init__(self, message: str, *, until: datetime) -> None:
        super().__init__(message)
        self.until = until


class AuthFailed(PlatformError):
    """The platform refuses the credentials: the account must be reconnected."""

    status = 422


class Rejected(PlatformError):
    """The platform will never take this as it is."""

    status = 422


class Ambiguous(PlatformError):
    """The commit was sent and its outcome is unknown."""


class Platform(Protocol):
    """One social network."""

    name: str
    title: str
    limits: Limits
    """For an account nothing is known of yet; a connected account has its own."""
    live: bool
    """Whether posts reach the network itself; a sandbox only shows them on Almanac's own page."""
    local: bool
    """Whether Almanac serves the posts: `base_url` is then Almanac's own public URL."""
    default_base_url: str
    """The server of accounts that name none; empty where the person must name it."""
    credential_fields: Mapping[str, CredentialField]
    commit_deadline: timedelta
    """Total time the commit call may take; afterwards its outcome is ambiguous."""
    visibility_lag: timedelta
    """How long after a commit a look-up may still miss the post."""
    repeat_window: timedelta
    """How long after the first commit a repeat is recognised by the platform; zero: never."""

    def text_of(self, content: Content) -> str:
        """Return what is shown, and counted, as the text of this content here."""
        ...

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return every problem of this content here; field names are text, link, media[0]…"""
        ...

    async def connect(self, base_url: str, credentials: Mapping[str, str]) -> Profile:
        """Prove that the credentials work and read the account's own limits.

        Raises:
            InvalidInput: a credential or the base URL is missing or malformed.
            PlatformError: the platform refuses or does not answer.
        """
        ...

    async def prepare(self, publication: Publication) -> None:
        """Upload what the post needs; nothing becomes visible. Repeatable."""
        ...

    async def check(self, publication: Publication) -> Wait | None:
        """Read whether the uploads are ready; None when they are."""
        ...

    async def commit(self, publication: Publication) -> Published:
        """Make the post visible: the one irreversible call."""
        ...

    async def reconcile(self, publication: Publication) -> Published | Absent | Unknown:
        """Look whether an earlier commit came through."""
        ...
