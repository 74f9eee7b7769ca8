"""What the Instagram API answers."""

import re
from datetime import datetime

import msgspec

from service.platforms.failures import PlatformError, RateLimited, Rejected, Transient
from service.platforms.http import Step
from service.platforms.meta.codes import SUBCODES

NAME = "Instagram"


class Account(msgspec.Struct):
    """Whose token it is."""

    user_id: str
    username: str
    name: str = ""
    followers_count: int | None = None
    follows_count: int | None = None
    media_count: int | None = None


class Accounts(msgspec.Struct):
    """A list of one."""

    data: tuple[Account, ...]


class Id(msgspec.Struct):
    """What was made."""

    id: str


class Container(msgspec.Struct):
    """What became of an upload: IN_PROGRESS, FINISHED, PUBLISHED, EXPIRED or ERROR."""

    status_code: str
    status: str = ""

    def failure(self) -> PlatformError:
        """Return why processing failed, by the subcode that the status text ends with."""
        step = Step(NAME, "processing the media")
        numbers = re.findall(r"\b22\d{5}\b", self.status)
        meaning = SUBCODES.get(int(numbers[-1])) if numbers else None
        advice = f": {meaning.advice}" if meaning and meaning.advice else ""
        text = step.says(f"{self.status or 'it failed, and nobody says why'}{advice}")
        passes = meaning is not None and issubclass(meaning.failure, Transient | RateLimited)
        return Transient(text) if passes else Rejected(text)


class Media(msgspec.Struct):
    """A post."""

    id: str
    timestamp: str
    caption: str = ""
    permalink: str | None = None

    @property
    def made_at(self) -> datetime:
        """When it became visible."""
        return datetime.fromisoformat(self.timestamp)


class Comment(msgspec.Struct):
    """A comment below a post."""

    id: str
    timestamp: str
    text: str = ""
    username: str = ""

    @property
    def made_at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.timestamp)


class _Cursors(msgspec.Struct):
    after: str | None = None


class _Paging(msgspec.Struct):
    cursors: _Cursors = msgspec.field(default_factory=_Cursors)
    next: str | None = None


class Medias(msgspec.Struct):
    """One page of posts, newest first."""

    data: tuple[Media, ...]
    paging: _Paging = msgspec.field(default_factory=_Paging)


class Comments(msgspec.Struct):
    """One page of comments."""

    data: tuple[Comment, ...]
    paging: _Paging = msgspec.field(default_factory=_Paging)


class _QuotaConfig(msgspec.Struct):
    quota_total: int
    quota_duration: int = 86_400
    """Seconds."""


class Quota(msgspec.Struct):
    """How many posts of the last hours count, and how many may."""

    quota_usage: int
    config: _QuotaConfig


class Quotas(msgspec.Struct):
    """A list of one, or of none."""

    data: tuple[Quota, ...]


class _Value(msgspec.Struct):
    value: int


class _Insight(msgspec.Struct):
    name: str
    values: tuple[_Value, ...] = ()


class Insights(msgspec.Struct):
    """Figures of a post, by name."""

    data: tuple[_Insight, ...]
