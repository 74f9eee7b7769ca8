"""Every SQL statement of media."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    Text,
    cast,
    func,
    literal,
    select,
    text,
    union_all,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.community.models import FeedPost
from service.kit.pagination import Page, Rows, encode_cursor
from service.media.models import Media, Variant
from service.posts.models import NO_LIST, Delivery, Post

MOST_FOUND = 100
"""Posts that are looked at of those that show a file."""
BEGINNING = 60
"""Characters of a post's text that tell which one it is."""


def _visible(caller: Caller) -> Select[Media]:
    statement = select(Media)
    return statement if caller.is_admin else statement.where(Media.owner_id == caller.user_id)


async def media(session: AsyncSession, caller: Caller, media_id: UUID) -> Media | None:
    """Return one file's row if the caller may see it."""
    return await session.scalar(_visible(caller).where(Media.id == media_id))


async def media_by_id(
    session: AsyncSession, caller: Caller, ids: Collection[UUID]
) -> Sequence[Media]:
    """Return those of these files that the caller may use; until the end they are not deleted."""
    found = _visible(caller).where(Media.id.in_(ids)).with_for_update(read=True, key_share=True)
    return (await session.scalars(found)).all()


async def list_media(session: AsyncSession, caller: Caller, page: Page) -> Rows[Media]:
    """Return a page of files, newest first."""
    statement = _visible(caller).order_by(Media.id.desc()).limit(page.limit + 1)
    if page.before:
        statement = statement.where(Media.id < page.before)
    rows = list(await session.scalars(statement))
    items = rows[: page.limit]
    return Rows(items, encode_cursor(items[-1].id) if len(rows) > page.limit else None)


async def same_file(session: AsyncSession, owner_id: UUID, digest: str) -> Media | None:
    """Return the owner's upload of the same content."""
    return await session.scalar(
        select(Media).where(Media.owner_id == owner_id, Media.sha256 == digest).limit(1)
    )


async def media_for_change(session: AsyncSession, caller: Caller, media_id: UUID) -> Media | None:
    """Return one file's row, locked until the transaction ends, if the caller may see it."""
    return await session.scalar(_visible(caller).where(Media.id == media_id).with_for_update())


@dataclass(frozen=True, slots=True)
class Usage:
    """Which posts show a file."""

    count: int
    """`MOST_FOUND` stands for as many or more."""
    posts: Sequence[tuple[UUID, str]]
    """The newest of those counted, each with how its text begins."""


async def usage(
    session: AsyncSession, caller: Caller, ids: Collection[UUID], newest: int
) -> Mapping[UUID, Usage]:
    """Return which of a caller's posts show these files."""
    entry = func.jsonb_build_array(func.jsonb_build_object("id", cast(Media.id, Text)))
    showing = select(Post.id, func.left(Post.text, BEGINNING).label("words"))
    showing = showing.where(Post.id.in_(_posts_with(entry)))
    if not caller.is_admin:
        showing = showing.where(Post.owner_id == caller.user_id)
    post = showing.limit(MOST_FOUND).correlate(Media).lateral("post")
    statement = select(Media.id, post.c.id, post.c.words).join_from(
        Media, post, literal(value=True)
    )
    rows = await session.execute(statement.where(Media.id.in_(ids)))
    posts: dict[UUID, list[tuple[UUID, str]]] = {}
    for found, post_id, words in rows:
        posts.setdefault(found, []).append((post_id, words))
    return {
        found: Usage(len(each), sorted(each, reverse=True)[:newest])
        for found, each in posts.items()
    }


async def shown(session: AsyncSession, ids: Collection[UUID]) -> set[UUID]:
    """Return those of these files that any post shows, whoever's it is."""
    return {found for found in ids if await is_shown(session, found)}


async def is_shown(session: AsyncSession, media_id: UUID) -> bool:
    """Whether any post shows a file, whoever's it is."""
    entry = literal([{"id": str(media_id)}], JSONB)
    if await session.scalar(_posts_with(entry).limit(1)) is not None:
        return True
    # In the words of the partial index.
    shown = select(FeedPost.id).where(text("media_ids <> '{}'"))
    found = shown.where(FeedPost.media_ids.contains([media_id])).limit(1)
    return await session.scalar(found) is not None


def _posts_with(entry: ColumnElement[Any]) -> CompoundSelect[UUID]:
    """Select the posts that show a file: themselves, to one account alone, or in what follows."""
    part = func.jsonb_build_array(func.jsonb_build_object("media", entry))
    follows = select(Post.id).where(Post.thread != NO_LIST, Post.thread.contains(part))
    own = select(Delivery.post_id).where(Delivery.media.is_not(None))
    selects = (
        select(Post.id).where(Post.media.contains(entry)),
        follows,
        own.where(Delivery.media.contains(entry)),
    )
    return union_all(*(each.correlate(Media) for each in selects))


async def hold_content(session: AsyncSession, digest: str) -> None:
    """Let nobody else note or remove the file of this content until the transaction ends."""
    key = int(digest[:16], 16) - (1 << 63)
    await session.execute(select(func.pg_advisory_xact_lock(key)))


async def is_kept(session: AsyncSession, digest: str) -> bool:
    """Whether any row, whoever's it is, stands for this content: an upload or a variant."""
    if await is_uploaded(session, digest):
        return True
    found = select(Variant.id).where(Variant.sha256 == digest).limit(1)
    return await session.scalar(found) is not None


async def is_uploaded(session: AsyncSession, digest: str) -> bool:
    """Whether anybody has uploaded this content."""
    found = select(Media.id).where(Media.sha256 == digest).limit(1)
    return await session.scalar(found) is not None
