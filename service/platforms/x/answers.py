"""What X's API v2 answers about accounts and posts, as far as Almanac reads it."""

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Data(msgspec.Struct, Generic[T]):
    """The envelope of every answer."""

    data: T


class UserMetrics(msgspec.Struct):
    """How large an account is."""

    followers_count: int | None = None
    following_count: int | None = None
    tweet_count: int | None = None


class User(msgspec.Struct):
    """Whose token it is."""

    id: str
    username: str
    name: str = ""
    subscription_type: str | None = None
    """None, Basic, Premium or PremiumPlus."""
    verified_type: str | None = None
    """none, blue, business or government."""
    public_metrics: UserMetrics = msgspec.field(default_factory=UserMetrics)


class Url(msgspec.Struct):
    """A link in a text, which X shortens to t.co."""

    url: str
    expanded_url: str = ""
    media_key: str | None = None
    """Of a link that X itself added for attached media."""


class Entities(msgspec.Struct):
    """What X found in a text."""

    urls: tuple[Url, ...] = ()


class Attachments(msgspec.Struct):
    """The media of a post."""

    media_keys: tuple[str, ...] = ()


class Note(msgspec.Struct):
    """The whole text of a post of more than 280."""

    text: str
    entities: Entities = msgspec.field(default_factory=Entities)


class Tweet(msgspec.Struct):
    """A post in a timeline."""

    id: str
    text: str
    created_at: datetime
    entities: Entities = msgspec.field(default_factory=Entities)
    attachments: Attachments = msgspec.field(default_factory=Attachments)
    note_tweet: Note | None = None


class _Meta(msgspec.Struct):
    next_token: str | None = None


class Page(msgspec.Struct):
    """A piece of a timeline, newest first."""

    data: tuple[Tweet, ...] = ()
    meta: _Meta = msgspec.field(default_factory=_Meta)


class Created(msgspec.Struct):
    """A post that is out."""

    id: str


class Measured(msgspec.Struct):
    """A post's figures, by X's names."""

    public_metrics: dict[str, int] = {}
    non_public_metrics: dict[str, int] = {}


class Metrics(msgspec.Struct):
    """The figures of a post; without data when X gives none of those that were asked for."""

    data: Measured | None = None
