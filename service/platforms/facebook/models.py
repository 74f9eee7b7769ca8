"""What the Graph API answers of Pages, posts and comments."""

from collections.abc import Iterator
from datetime import datetime

import msgspec

NAME = "Facebook"


class Page(msgspec.Struct):
    """A Page, as its own token sees it. A person has no category."""

    id: str
    name: str = ""
    username: str = ""
    category: str = ""
    followers_count: int | None = None


class OwnPage(msgspec.Struct):
    """A Page that a person may use, with the token for it; or a business, which has none."""

    id: str
    name: str = ""
    access_token: str = ""
    tasks: tuple[str, ...] | None = None


class Cursors(msgspec.Struct):
    """Where the next page begins."""

    after: str | None = None


class Paging(msgspec.Struct):
    """Whether there is a next page."""

    cursors: Cursors = msgspec.field(default_factory=Cursors)
    next: str | None = None

    @property
    def after(self) -> str | None:
        """What the next page is asked for with; None: this was the last."""
        return self.cursors.after if self.next is not None else None


class OwnPages(msgspec.Struct):
    """One page of a person's Pages."""

    data: tuple[OwnPage, ...]
    paging: Paging = msgspec.field(default_factory=Paging)


class Id(msgspec.Struct):
    """What was made."""

    id: str


class Token(msgspec.Struct):
    """A Page's token."""

    access_token: str = ""


class Permission(msgspec.Struct):
    """What a person was asked for, and what the answer was."""

    permission: str
    status: str


class Permissions(msgspec.Struct):
    """All that a person was asked for."""

    data: tuple[Permission, ...]


class _Target(msgspec.Struct):
    id: str = ""


class _Attachment(msgspec.Struct):
    target: _Target = msgspec.field(default_factory=_Target)
    unshimmed_url: str = ""
    subattachments: "_Attachments | None" = None


class _Attachments(msgspec.Struct):
    data: tuple[_Attachment, ...] = ()

    def targets(self) -> Iterator[str]:
        """Yield the ids of all that is attached."""
        for attachment in self.data:
            yield attachment.target.id
            if attachment.subattachments is not None:
                yield from attachment.subattachments.targets()


class Post(msgspec.Struct):
    """A post of a Page."""

    id: str
    created_time: str
    message: str = ""
    permalink_url: str | None = None
    attachments: _Attachments = msgspec.field(default_factory=_Attachments)

    @property
    def made_at(self) -> datetime:
        """When it became visible."""
        return datetime.fromisoformat(self.created_time)

    @property
    def attached(self) -> set[str]:
        """The ids of its photos."""
        return set(filter(None, self.attachments.targets()))

    @property
    def links(self) -> set[str]:
        """The addresses it leads to."""
        return {found.unshimmed_url for found in self.attachments.data if found.unshimmed_url}


class Posts(msgspec.Struct):
    """One page of posts, newest first."""

    data: tuple[Post, ...]
    paging: Paging = msgspec.field(default_factory=Paging)


class Comment(msgspec.Struct):
    """A comment; `author` is absent where the token may not see it."""

    id: str
    created_time: str
    message: str = ""
    permalink_url: str | None = None
    author: _Target | None = msgspec.field(default=None, name="from")

    @property
    def made_at(self) -> datetime:
        """When it was written."""
        return datetime.fromisoformat(self.created_time)


class Comments(msgspec.Struct):
    """One page of comments, newest first."""

    data: tuple[Comment, ...]
    paging: Paging = msgspec.field(default_factory=Paging)


class _Count(msgspec.Struct):
    total_count: int | None = None
    count: int | None = None


class _Summary(msgspec.Struct):
    summary: _Count = msgspec.field(default_factory=_Count)


class Reception(msgspec.Struct):
    """How a post or a video is received; what is absent was not told."""

    reactions: _Summary | None = None
    likes: _Summary | None = None
    comments: _Summary | None = None
    shares: _Count | None = None
    views: int | None = None

    @property
    def figures(self) -> dict[str, int]:
        """By the names of the contract."""
        likes = self.reactions or self.likes
        found = {
            "likes": likes.summary.total_count if likes else None,
            "comments": self.comments.summary.total_count if self.comments else None,
            "shares": self.shares.count if self.shares else None,
            "views": self.views,
        }
        return {name: value for name, value in found.items() if value is not None}


class _Value(msgspec.Struct):
    value: int


class _Insight(msgspec.Struct):
    name: str
    values: tuple[_Value, ...] = ()


class Insights(msgspec.Struct):
    """Figures of a post, by Facebook's names."""

    data: tuple[_Insight, ...]

    @property
    def figures(self) -> dict[str, int]:
        """By Facebook's names."""
        return {found.name: found.values[0].value for found in self.data if found.values}
