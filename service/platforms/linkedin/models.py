"""What LinkedIn's API answers: https://learn.microsoft.com/linkedin/marketing/community-management."""

from typing import Any

import msgspec


class Member(msgspec.Struct):
    """Whose token it is (OpenID Connect)."""

    sub: str
    name: str = ""


class Organization(msgspec.Struct, rename="camel"):
    """A page."""

    id: int
    localized_name: str = ""
    vanity_name: str = ""


class Role(msgspec.Struct):
    """What a member may do for a page."""

    organization: str
    role: str = ""


class Post(msgspec.Struct, rename="camel"):
    """A post as its author sees it."""

    id: str
    commentary: str = ""
    created_at: int = 0
    """Milliseconds since 1970."""
    lifecycle_state: str = "PUBLISHED"
    content: dict[str, Any] = msgspec.field(default_factory=dict)


class _Message(msgspec.Struct):
    text: str = ""


class _Created(msgspec.Struct):
    time: int = 0


class Comment(msgspec.Struct, rename="camel"):
    """A comment below a post."""

    id: str
    actor: str = ""
    message: _Message = msgspec.field(default_factory=_Message)
    created: _Created = msgspec.field(default_factory=_Created)


class Posts(msgspec.Struct):
    """Posts of one author, the newest first."""

    elements: tuple[Post, ...] = ()


class Comments(msgspec.Struct):
    """Comments on one post."""

    elements: tuple[Comment, ...] = ()


class Roles(msgspec.Struct):
    """Roles of one member."""

    elements: tuple[Role, ...] = ()


class ShareStatistics(msgspec.Struct, rename="camel"):
    """How a page's post is received."""

    impression_count: int | None = None
    like_count: int | None = None
    comment_count: int | None = None
    share_count: int | None = None
    click_count: int | None = None


class _Share(msgspec.Struct, rename="camel"):
    total_share_statistics: ShareStatistics


class Shares(msgspec.Struct):
    """Figures, by post."""

    elements: tuple[_Share, ...] = ()


class Size(msgspec.Struct, rename="camel"):
    """How many follow a page."""

    first_degree_size: int
