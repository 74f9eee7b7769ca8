"""Requests and replies of members, the feed and hashtags."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import Field, RootModel, StringConstraints, model_validator

from service.community import rules
from service.community.models import Visibility
from service.schema import Reply, Schema

# PostgreSQL takes no NUL, and nobody means other control characters: refused, never stripped.
PRINTABLE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
LINE = r"^[^\x00-\x1f\x7f]*$"
Address = Annotated[
    str, StringConstraints(max_length=300, pattern=LINE), Field(examples=["ada@example.com"])
]
Username = Annotated[str, StringConstraints(max_length=100, pattern=LINE), Field(examples=["ada"])]
DisplayName = Annotated[str, StringConstraints(max_length=200, pattern=LINE)]
Content = Annotated[str, StringConstraints(max_length=rules.MAX_CONTENT, pattern=PRINTABLE)]
Said = Annotated[
    str, StringConstraints(min_length=1, max_length=rules.MAX_COMMENT, pattern=PRINTABLE)
]
MediaIds = Annotated[list[UUID], Field(max_length=rules.MAX_MEDIA)]
Views = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
MAX_VIEWED = 1000
"""Posts of which views are told at once."""


class _Change(Schema):
    """What is left out stays as it is; null is no value."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("name at least one field that is to change")
        if empty := [name for name in self.model_fields_set if getattr(self, name) is None]:
            raise ValueError(f"{', '.join(sorted(empty))} cannot be null; leave it out instead")
        return self


class MemberIn(Schema):
    """Somebody who joins."""

    email: Address
    username: Username
    """1 to 50 letters, digits and `_ . @ + -`; kept in small letters."""
    display_name: DisplayName | None = None
    """1 to 100 characters; by default the username."""
    digest_opt_out: bool = False
    """Whether they want no weekly digest."""


class MemberChange(_Change):
    """What is to change of a member; what is left out stays."""

    email: Address | None = None
    username: Username | None = None
    display_name: DisplayName | None = None
    digest_opt_out: bool | None = None
    is_active: bool | None = None
    """False: they do nothing and get no mail until it is true again; what they posted stays."""


class MemberOut(Reply):
    """A member."""

    id: UUID
    email: str
    username: str
    display_name: str
    is_active: bool
    digest_opt_out: bool
    followers_count: int
    following_count: int
    posts_count: int
    joined_at: datetime
    last_active_at: datetime | None
    """Within five minutes."""
    welcomed_at: datetime | None


class MemberList(Reply):
    """A page of members."""

    items: list[MemberOut]
    next_cursor: str | None


class FollowOut(Reply):
    """Whether a member follows another."""

    follower_id: UUID
    followed_id: UUID
    follows: bool
    changed: bool
    """Whether it was otherwise before."""


class AuthorOut(Reply):
    """Who posted or said something."""

    id: UUID
    username: str
    display_name: str


class FeedPostIn(Schema):
    """What a member posts; hashtags are found in its content."""

    author_id: UUID
    content: Content = ""
    media_ids: MediaIds = Field(default_factory=list)
    """Of files that were uploaded to `POST /v1/media`."""
    visibility: Visibility = Visibility.PUBLIC


class FeedPostChange(_Change):
    """What is to change of a post; what is left out stays."""

    content: Content | None = None
    media_ids: MediaIds | None = None
    visibility: Visibility | None = None
    archived: bool | None = None
    """True takes it out of every feed, false puts it back."""


class FeedPostOut(Reply):
    """A post of the feed."""

    id: UUID
    author: AuthorOut | None
    """Null: a member who is gone."""
    content: str
    media_ids: list[UUID]
    hashtags: list[str]
    visibility: Visibility
    likes_count: int
    comments_count: int
    shares_count: int
    views_count: int
    engagement_score: float
    """As of the last night."""
    liked: bool | None
    """Whether who looks likes it; null when nobody was named."""
    created_at: datetime
    edited_at: datetime | None
    archived_at: datetime | None


class FeedList(Reply):
    """A page of posts."""

    items: list[FeedPostOut]
    next_cursor: str | None


class ReactionOut(Reply):
    """What a member does with a post, and how many do."""

    post_id: UUID
    member_id: UUID
    active: bool
    """Whether they do."""
    count: int
    """Of all members who do."""


class ViewsIn(RootModel[dict[UUID, Views]]):
    """How often posts were seen since this was told last, by their ids."""

    root: dict[UUID, Views] = Field(min_length=1, max_length=MAX_VIEWED)


class ViewsOut(Reply):
    """What was counted."""

    counted: int
    """Posts."""
    unknown: list[UUID]
    """Of which there is no post (any more)."""


class CommentIn(Schema):
    """What a member says to a post."""

    author_id: UUID
    content: Said
    parent_id: UUID | None = None
    """The comment that it answers."""


class CommentChange(Schema):
    """What a comment is to say instead."""

    content: Said


class CommentOut(Reply):
    """A comment."""

    id: UUID
    post_id: UUID
    author: AuthorOut | None
    """Null: a member who is gone."""
    parent_id: UUID | None
    content: str
    created_at: datetime
    edited_at: datetime | None


class CommentList(Reply):
    """A page of comments."""

    items: list[CommentOut]
    next_cursor: str | None


class HashtagOut(Reply):
    """A hashtag."""

    name: str
    uses_count: int
    """Public posts that have it."""
    is_trending: bool
    trending_rank: int | None
    trending_uses: int | None
    """Uses in the days that count for trending."""
    trending_at: datetime | None


class HashtagList(Reply):
    """Hashtags."""

    items: list[HashtagOut]
