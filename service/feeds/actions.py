"""Use cases of feeds."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from service.accounts import queries as accounts
from service.feeds.rules import Entry, Feed, Image
from service.posts import queries as posts

ENTRIES = 50


async def read_feed(session: AsyncSession, base_url: str, handle: str) -> Feed | None:
    """Return the newest entries of a local account."""
    account = await accounts.local_account(session, handle)
    if account is None:
        return None
    url = f"{base_url}/feeds/{handle}"
    entries = [
        Entry(
            id=delivery.id,
            url=delivery.remote_url or f"{url}#{delivery.id}",
            text=post.text if delivery.text is None else delivery.text,
            link=post.link,
            published_at=delivery.published_at or delivery.due_at,
            images=tuple(
                Image(f"{url}/media/{m['id']}", m["content_type"], m["size"], m["alt"])
                for m in post.media
            ),
        )
        for delivery, post in await posts.feed_entries(session, account.id, ENTRIES)
    ]
    return Feed(handle, account.display_name, url, entries, account.created_at)


async def public_media(
    session: AsyncSession, handle: str, media_id: UUID
) -> tuple[str, str] | None:
    """Return SHA-256 and content type of an image that a published entry shows."""
    account = await accounts.local_account(session, handle)
    if account is None:
        return None
    shown = await posts.published_media(session, account.id, media_id)
    return (shown["sha256"], shown["content_type"]) if shown else None
