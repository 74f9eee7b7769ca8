"""A small community, as rows: members, posts and what others did with them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from service.access.models import User
from service.community.models import (
    Comment,
    FeedPost,
    FeedPostHashtag,
    Follow,
    Hashtag,
    Member,
    Reaction,
)
from service.kit.ids import uuid7
from tests.support import Installation

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)
"""A Wednesday."""
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


def nobody_asks(_part: float) -> None:
    """Is told how far a job is, and needs not know."""


@dataclass(slots=True)
class Community:
    """Makes rows as the API leaves them, but for counters that a test wants otherwise."""

    api: Installation
    owner: UUID

    async def member(self, name: str, **columns: Any) -> UUID:
        """Add a member."""
        member_id = uuid7()
        handle = name.casefold().replace(" ", "")
        values = {
            "email": f"{handle}@example.com",
            "username": handle,
            "display_name": name,
            "joined_at": NOON - 90 * DAY,
            **columns,
        }
        await self._add(Member(id=member_id, owner_id=self.owner, **values))
        return member_id

    async def post(self, author: UUID | None, age: timedelta = DAY, **columns: Any) -> UUID:
        """Add a post that is so old at `NOON`."""
        post_id = uuid7()
        values = {"content": "Hello", "created_at": NOON - age, **columns}
        await self._add(FeedPost(id=post_id, owner_id=self.owner, author_id=author, **values))
        return post_id

    async def follow(self, follower: UUID, *followed: UUID, age: timedelta = DAY) -> None:
        """Let a member follow others."""
        await self._add(
            *(
                Follow(follower_id=follower, followed_id=other, created_at=NOON - age)
                for other in followed
            )
        )

    async def comment(self, post: UUID, author: UUID, age: timedelta = HOUR) -> None:
        """Let a member comment on a post."""
        await self._add(
            Comment(
                id=uuid7(),
                owner_id=self.owner,
                post_id=post,
                author_id=author,
                content="Well",
                created_at=NOON - age,
            )
        )

    async def react(
        self, post: UUID, member: UUID, kind: str = "like", age: timedelta = HOUR
    ) -> None:
        """Let a member like or share a post."""
        await self._add(Reaction(post_id=post, member_id=member, kind=kind, created_at=NOON - age))

    async def hashtag(self, name: str, ages: list[timedelta], *, total: int | None = None) -> UUID:
        """Add a hashtag that posts so old have; `total` is what its counter says."""
        tag = Hashtag(id=uuid7(), name=name, uses_count=len(ages) if total is None else total)
        posts = [
            FeedPost(id=uuid7(), owner_id=self.owner, content=f"#{name}", created_at=NOON - age)
            for age in ages
        ]
        await self._add(tag, *posts)
        await self._add(
            *(
                FeedPostHashtag(post_id=post.id, hashtag_id=tag.id, created_at=post.created_at)
                for post in posts
            )
        )
        return tag.id

    async def _add(self, *rows: object) -> None:
        async with self.api.runtime.unit_of_work() as uow:
            uow.session.add_all(rows)

    async def column(self, table: str, column: str) -> dict[UUID, Any]:
        """Return a column by the ids of its rows."""
        return {row.id: row[1] for row in await self.api.sql(f"SELECT id, {column} FROM {table}")}


async def community_of(api: Installation) -> Community:
    """Return an empty community whose rows are the admin's."""
    async with api.runtime.unit_of_work() as uow:
        owner = (await uow.session.scalars(select(User.id).where(User.name == "admin"))).one()
    return Community(api, owner)


def examples(*strategies: Any, count: int = 60) -> list[Any]:
    """Return what Hypothesis draws; its own loop cannot await."""
    drawn: list[Any] = []

    @given(st.tuples(*strategies))
    @settings(
        max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    def draw(example: Any) -> None:
        drawn.append(example)

    draw()
    return drawn
