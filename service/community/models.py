"""Tables of the community.

One installation is one community: everybody with the content scopes sees all of it, and `owner_id`
only tells who made a row.

Whoever changes counters locks members, then posts, then hashtags, each by ascending id, before
they touch the rows that are counted: no two of them wait for each other, and whoever counts under
such a lock counts right.
"""

import datetime as dt
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Computed,
    ForeignKey,
    Index,
    Numeric,
    String,
    Uuid,
    false,
    func,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from service.db.base import Base, Row

NONE = text("0")
PUBLIC = text("visibility = 'public' AND archived_at IS NULL")
RESTRICTED = text("visibility <> 'public' AND archived_at IS NULL")


class Visibility(StrEnum):
    """Who sees a feed post."""

    PUBLIC = "public"
    FOLLOWERS = "followers"
    """Its author and whoever follows them."""
    PRIVATE = "private"
    """Its author alone."""


class ReactionKind(StrEnum):
    """What a member does with a post once: a second time changes nothing."""

    LIKE = "like"
    SHARE = "share"


class Member(Row):
    """Somebody of the community; not a user of Almanac."""

    __tablename__ = "members"
    __table_args__ = (
        Index(
            "ix_members_username_prefix",
            "username",
            postgresql_ops={"username": "text_pattern_ops"},
        ),
        Index("ix_members_email_prefix", "email", postgresql_ops={"email": "text_pattern_ops"}),
        Index(
            "ix_members_folded_name_prefix",
            "folded_name",
            postgresql_ops={"folded_name": "text_pattern_ops"},
        ),
        Index("ix_members_joined_at", "joined_at"),
        Index("ix_members_last_active_at", "last_active_at"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    email: Mapped[str] = mapped_column(String(254), unique=True)
    """Normalised: no two members differ by its case alone."""
    username: Mapped[str] = mapped_column(String(50), unique=True)
    """Casefolded NFKC."""
    display_name: Mapped[str] = mapped_column(String(100))
    folded_name: Mapped[str] = mapped_column(Computed("lower(display_name)", persisted=True))
    """What a search looks at."""
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    """Otherwise they neither act nor get mail; what they posted stays."""
    digest_opt_out: Mapped[bool] = mapped_column(default=False, server_default=false())
    joined_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_active_at: Mapped[datetime | None]
    """When they last did something, within `rules.ACTIVE_STEP`."""
    welcomed_at: Mapped[datetime | None]
    followers_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    following_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    posts_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    """Of whatever visibility, archived ones included."""


class Follow(Base):
    """A member follows another."""

    __tablename__ = "follows"
    __table_args__ = (
        CheckConstraint("follower_id <> followed_id", name="other"),
        Index("ix_follows_followed_id", "followed_id", "follower_id"),
        Index("ix_follows_created_at", "created_at", postgresql_using="brin"),
    )

    follower_id: Mapped[UUID] = mapped_column(
        ForeignKey("members.id", ondelete="CASCADE"), primary_key=True
    )
    followed_id: Mapped[UUID] = mapped_column(
        ForeignKey("members.id", ondelete="CASCADE"), primary_key=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class FeedPost(Row):
    """What a member posted in the community.

    No index has a counter in it: counting a view rewrites no index.
    """

    __tablename__ = "feed_posts"
    __table_args__ = (
        Index("ix_feed_posts_public_top", "engagement_score", "id", postgresql_where=PUBLIC),
        Index("ix_feed_posts_public_new", "created_at", "id", postgresql_where=PUBLIC),
        Index(
            "ix_feed_posts_restricted_top",
            *("author_id", "visibility", "engagement_score", "id"),
            postgresql_where=RESTRICTED,
        ),
        Index(
            "ix_feed_posts_restricted_new",
            *("author_id", "visibility", "created_at", "id"),
            postgresql_where=RESTRICTED,
        ),
        Index("ix_feed_posts_author", "author_id", "created_at", "id"),
        Index("ix_feed_posts_created_at", "created_at", "id"),
        Index(
            "ix_feed_posts_media_ids",
            "media_ids",
            postgresql_using="gin",
            postgresql_where=text("media_ids <> '{}'"),
        ),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    """None: a member who is gone, and whose public posts were kept."""
    content: Mapped[str] = mapped_column(String(2200))
    media_ids: Mapped[list[UUID]] = mapped_column(
        ARRAY(Uuid), default=list, server_default=text("'{}'")
    )
    visibility: Mapped[str] = mapped_column(
        default=Visibility.PUBLIC, server_default=text("'public'")
    )
    likes_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    comments_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    shares_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    views_count: Mapped[int] = mapped_column(BigInteger, default=0, server_default=NONE)
    engagement_score: Mapped[Decimal] = mapped_column(
        Numeric(18, 1), default=Decimal(0), server_default=NONE
    )
    """A whole number times a whole number of tenths: exact."""
    score_updated_at: Mapped[datetime | None]
    archived_at: Mapped[datetime | None]
    """Since then nobody sees it in a feed."""
    edited_at: Mapped[datetime | None]


class Comment(Row):
    """What somebody said to a post, or to another comment of it."""

    __tablename__ = "comments"
    __table_args__ = (
        Index("ix_comments_post_id_id", "post_id", "id"),
        Index("ix_comments_parent_id", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        Index("ix_comments_author_id", "author_id"),
        Index("ix_comments_created_at", "created_at", postgresql_using="brin"),
    )

    owner_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    post_id: Mapped[UUID] = mapped_column(ForeignKey("feed_posts.id", ondelete="CASCADE"))
    author_id: Mapped[UUID | None] = mapped_column(ForeignKey("members.id", ondelete="SET NULL"))
    """None: a member who is gone, and whose comments were kept."""
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("comments.id", ondelete="CASCADE"))
    content: Mapped[str] = mapped_column(String(1000))
    edited_at: Mapped[datetime | None]


class Reaction(Base):
    """A member likes or shares a post, once; views are only counted."""

    __tablename__ = "reactions"
    __table_args__ = (
        Index("ix_reactions_member_id", "member_id"),
        Index("ix_reactions_created_at", "created_at", postgresql_using="brin"),
    )

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("feed_posts.id", ondelete="CASCADE"), primary_key=True
    )
    member_id: Mapped[UUID] = mapped_column(
        ForeignKey("members.id", ondelete="CASCADE"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Hashtag(Row):
    """A hashtag that a public post had at some time."""

    __tablename__ = "hashtags"
    __table_args__ = (
        Index("ix_hashtags_trending_rank", "trending_rank", postgresql_where=text("is_trending")),
        Index("ix_hashtags_uses_count_name", "uses_count", "name"),
    )

    name: Mapped[str] = mapped_column(String(100), unique=True)
    """Casefolded NFKC, without `#`."""
    uses_count: Mapped[int] = mapped_column(default=0, server_default=NONE)
    """Public posts that have it, archived ones included: its rows of `feed_post_hashtags`."""
    is_trending: Mapped[bool] = mapped_column(default=False, server_default=false())
    trending_rank: Mapped[int | None]
    """1 is the most used."""
    trending_uses: Mapped[int | None]
    """Uses in the days that count for trending."""
    trending_at: Mapped[datetime | None]
    """When it was last found to be trending."""


class FeedPostHashtag(Base):
    """A public post has a hashtag; what is not public is found by none and counts for none."""

    __tablename__ = "feed_post_hashtags"
    __table_args__ = (
        Index("ix_feed_post_hashtags_newest", "hashtag_id", "created_at", "post_id"),
        Index("ix_feed_post_hashtags_created_at", "created_at", "hashtag_id"),
    )

    post_id: Mapped[UUID] = mapped_column(
        ForeignKey("feed_posts.id", ondelete="CASCADE"), primary_key=True
    )
    hashtag_id: Mapped[UUID] = mapped_column(
        ForeignKey("hashtags.id", ondelete="CASCADE"), primary_key=True
    )
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    """When the post was made."""


class DailyAnalytics(Base):
    """What happened on a day of UTC."""

    __tablename__ = "daily_analytics"

    date: Mapped[dt.date] = mapped_column(primary_key=True)
    new_members: Mapped[int]
    active_members: Mapped[int]
    posts: Mapped[int]
    comments: Mapped[int]
    likes: Mapped[int]
    shares: Mapped[int]
    follows: Mapped[int]
    top_posts: Mapped[list[Any]]
    generated_at: Mapped[datetime]


class CommunityPass(Base):
    """How far a job is that goes over a whole table, batch by batch."""

    __tablename__ = "community_passes"

    job: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]
    after_id: Mapped[UUID]
    """The last row that was looked at."""
    total: Mapped[int]
    """Rows that there were at its start."""
    seen: Mapped[int]
    changed: Mapped[int]
