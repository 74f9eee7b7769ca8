"""What a platform adapter is: a few verbs and figures, and a closed set of failures.

`prepare` uploads and is invisible, `check` only reads, `commit` is the one irreversible call and
is never repeated after an ambiguous failure unless the platform recognises the repeat, and
`reconcile` looks whether an uncertain commit came through. An adapter knows no database and no
queue: whatever it must remember it hands to `Publication.save`, which the caller stores.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol
from uuid import UUID

from service.errors import Problem
from service.platforms.entities import links
from service.platforms.limits import Limits, OptionField, Replies

Handles = dict[str, object]
"""What an adapter remembers; JSON values only."""

FOREVER = timedelta(days=36_500)
"""A repeat window without an end; a finite span, so that it can be added to an instant."""


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An image or a video of a post; the file at `path` never changes."""

    id: UUID
    path: Path
    content_type: str
    size: int
    alt: str = ""
    width: int | None = None
    """In pixels, as it is shown; None: nobody has measured it."""
    height: int | None = None
    seconds: float | None = None
    frame_rate: float | None = None
    video_codec: str | None = None
    audio_codec: str | None = None
    """None: the video is silent, or nobody has looked."""
    url: str | None = None
    """Where platforms that fetch media find it for the next 24 hours."""

    @property
    def is_video(self) -> bool:
        """Whether it moves and is no GIF."""
        return self.content_type.startswith("video/")


@dataclass(frozen=True, slots=True)
class Content:
    """What is to be published, already resolved for one account."""

    text: str
    link: str | None = None
    media: tuple[MediaFile, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    """By the names of the platform's `option_fields`."""
    kind: Literal["post", "thread", "comment"] = "post"
    """A post of its own, the next one of a thread, or a comment below the first."""

    @property
    def full_text(self) -> str:
        """The text with the link below it, unless the text has the link already."""
        if not self.link or any(link.text == self.link for link in links(self.text)):
            return self.text
        return f"{self.text}\n\n{self.link}" if self.text else self.link


@dataclass(slots=True)
class Destination:
    """A connected account. `credentials` are secrets; `session` is what the adapter may renew.

    A session that holds tokens has them as tokens.py describes.
    """

    id: UUID
    handle: str
    base_url: str
    credentials: Mapping[str, str]
    limits: Limits
    session: Handles = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """A post that is out: its id there and what else its adapter kept (`Published.details`)."""

    remote_id: str
    details: Mapping[str, object] = field(default_factory=dict)


Save = Callable[[Handles], Awaitable[None]]


@dataclass(slots=True)
class Publication:
    """One delivery on its way: what an adapter works on.

    `handles` is what earlier steps stored (media ids, an upload session); `save` stores it anew
    and returns once it is durable. `committed_since` is when the first commit of this delivery
    began, None before it. Of a thread's later post and of a comment, `reply_to` is the post that
    it answers and `root` the first one.
    """

    delivery_id: UUID
    destination: Destination
    content: Content
    save: Save
    handles: Handles = field(default_factory=dict)
    committed_since: datetime | None = None
    reply_to: Reference | None = None
    root: Reference | None = None


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
    details: Handles = field(default_factory=dict)
    """What replies to it, or its removal, need beside the id."""
    pause_until: datetime | None = None
    """The account has used up its limit: nothing else of it may be sent before."""


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


@dataclass(frozen=True, slots=True)
class Refused:
    """The platform took the commit and decided against the post: it will never be there."""

    reason: str


Found = Published | Absent | Unknown | Refused | Wait
"""What became of an uncertain commit."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Where a person allows Almanac to publish for an account."""

    url: str
    keep: Mapping[str, str] = field(default_factory=dict)
    """Secrets that `exchange` needs again, such as those of an app registered just now."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One account that a person has allowed Almanac to use; some logins open several."""

    profile: Profile
    credentials: Mapping[str, str] = field(default_factory=dict)


class OAuth(Protocol):
    """How accounts of a platform are connected in a browser: RFC 6749 §4.1 with PKCE (RFC 7636)."""

    @property
    def configured(self) -> bool:
        """Whether this installation has an app there, or can register one by itself."""
        ...

    async def authorize(
        self, server: str, redirect_uri: str, state: str, challenge: str
    ) -> Authorization:
        """Return where to send the person.

        Args:
            server: the account's server, where the platform has many; else empty.
            redirect_uri: of ours, where the person comes back to.
            state: comes back unchanged.
            challenge: PKCE's S256 challenge, for platforms that take one.

        Raises:
            PlatformError: an app could not be registered.
        """
        ...

    async def exchange(
        self, server: str, redirect_uri: str, code: str, verifier: str, keep: Mapping[str, str]
    ) -> list[Grant]:
        """Turn the code that came back into accounts, each with a session; at least one.

        Raises:
            PlatformError: the code is refused, a scope is missing, or there is no account to use.
        """
        ...


class Platform(Protocol):
    """One social network; base.py has the defaults."""

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
    has_servers: bool
    """Whether a person says which server their account is on; else `base_url` means nothing."""
    credential_fields: Mapping[str, CredentialField]
    option_fields: Mapping[str, OptionField]
    replies: Replies
    fetches_media: bool
    """Whether the platform fetches media from Almanac's public URL, which must be https then."""
    deletes: bool
    """Whether a post that is out can be removed by its API."""
    measures: bool
    """Whether it tells how a post is received."""
    commit_deadline: timedelta
    """Total time the commit call may take; afterwards its outcome is ambiguous."""
    visibility_lag: timedelta
    """How long after a commit a look-up may still miss the post."""
    repeat_window: timedelta
    """How long after the first commit a repeat is recognised by the platform; zero: never."""
    absence_is_proof: bool
    """Whether a post that `reconcile` finds absent may be committed again."""
    retries: int
    """After the first attempt, of failures that pass."""
    retry_base: timedelta
    """Delay before the first retry; doubles with each further one."""
    refresh_before: timedelta
    """How long before their end tokens are renewed."""
    oauth: OAuth | None
    """How a person connects an account in a browser; None: only by `credential_fields`."""

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

    async def refresh(self, destination: Destination) -> Handles:
        """Return a new session, made from the account's own; called by one worker at a time.

        Raises:
            AuthFailed: the account must be reconnected.
        """
        ...

    async def prepare(self, publication: Publication) -> None:
        """Upload what the post needs; nothing becomes visible. Repeatable, and goes on where it
        was stopped: whatever it saves counts as progress."""
        ...

    async def check(self, publication: Publication) -> Wait | None:
        """Read whether the uploads are ready; None when they are."""
        ...

    async def commit(self, publication: Publication) -> Published | Wait:
        """Make the post visible: the one irreversible call.

        Wait: the platform has certainly taken it and works on it; a handle that was saved says so,
        `check` waits for the end, and the next `commit` only returns what became of it.
        """
        ...

    async def reconcile(self, publication: Publication) -> Found:
        """Look whether an earlier commit came through."""
        ...

    async def delete(self, destination: Destination, post: Reference) -> None:
        """Remove a post that is out; one that is gone already is no error."""
        ...

    async def metrics(self, destination: Destination, post: Reference) -> Mapping[str, int]:
        """Return what is known of a post: views, likes, comments, shares, saves, clicks.

        Only figures that the platform gave; an error is raised, never a zero returned.
        """
        ...

    async def audience(self, destination: Destination) -> Mapping[str, int]:
        """Return what is known of an account: followers, following, posts."""
        ...
