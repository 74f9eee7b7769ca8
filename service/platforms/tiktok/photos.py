"""Posting photos, which TikTok fetches: one call names them, and publishes them."""

from service.platforms.contract import Publication
from service.platforms.tiktok import post as tiktok_post
from service.platforms.tiktok.api import Api
from service.platforms.tiktok.upload import remember


async def prepare(api: Api, publication: Publication, text: str) -> None:
    """Ask what the account may post; refuse what TikTok could not fetch before the commit."""
    content, disabled = publication.content, False
    if not tiktok_post.is_inbox(content):
        creator = await api.creator()
        tiktok_post.require_allowed(content, creator)
        disabled = creator.comment_disabled
    tiktok_post.photo_body(content, text, comment_disabled=disabled)
    await remember(publication, comment_disabled=disabled)


async def post(api: Api, publication: Publication, text: str, deadline: float) -> None:
    """Let TikTok fetch and publish the photos.

    Raises:
        Ambiguous: TikTok may be at it, under an id that nobody knows.
    """
    disabled = publication.handles.get("comment_disabled") is True
    body = tiktok_post.photo_body(publication.content, text, comment_disabled=disabled)
    begun = await api.post_photos(body, deadline)
    await remember(publication, publish_id=begun.publish_id, accepted=True)
