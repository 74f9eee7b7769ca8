"""Looking for a post or a comment among an account's own after an uncertain commit."""

from datetime import datetime, timedelta

from service.kit.clock import now
from service.platforms.contract import Absent, Publication, Published, Reference, Unknown
from service.platforms.instagram.api import PAGE, Api, published
from service.platforms.instagram.content import kind_of
from service.platforms.instagram.models import Media

CLOCK_SKEW = timedelta(minutes=2)
MAX_PAGES = 10
_TOO_MANY = Unknown(f"there are more than {PAGE * MAX_PAGES} newer ones")


async def find_post(
    api: Api, user_id: str, publication: Publication
) -> Published | Absent | Unknown:
    """Return the post of a delivery: the oldest since its first commit that has its text."""
    kind = kind_of(publication.content)
    edge = "stories" if kind == "story" else "media"
    since, found, after = _since(publication), list[Media](), None
    for _ in range(MAX_PAGES):
        page = await api.medias(user_id, edge, after)
        fresh = [media for media in page.data if media.made_at >= since]
        found += fresh
        after = page.paging.cursors.after
        if len(fresh) < len(page.data) or page.paging.next is None or after is None:
            break
    else:
        return _TOO_MANY
    # A story shows no text: with several, nobody can tell them apart.
    same = [media for media in found if kind == "story" or _same(media.caption, publication)]
    if kind == "story" and len(same) > 1:
        return Unknown("there are several new stories, which have no text to tell them apart")
    return published(same[-1].id, same[-1].permalink, kind) if same else Absent()


async def find_comment(
    api: Api, post: Reference, publication: Publication
) -> Published | Absent | Unknown:
    """Return the comment of a delivery. Instagram promises no order, so all are looked through."""
    since, after = _since(publication), None
    for _ in range(MAX_PAGES):
        page = await api.comments(post.remote_id, after)
        for comment in page.data:
            own = comment.username in ("", publication.destination.handle)
            if own and comment.made_at >= since and _same(comment.text, publication):
                return published(comment.id, None, "comment")
        after = page.paging.cursors.after
        if page.paging.next is None or after is None:
            return Absent()
    return _TOO_MANY


def _since(publication: Publication) -> datetime:
    """Return how far to look back; no container is published when it is older than a day."""
    return (publication.committed_since or now() - timedelta(days=1)) - CLOCK_SKEW


def _same(text: str, publication: Publication) -> bool:
    return _key(text) == _key(publication.content.full_text)


def _key(text: str) -> str:
    """Return what stays the same however Instagram lays a text out.

    A wrong "not there" would double the post, so the comparison is forgiving.
    """
    return "".join(filter(str.isalnum, text)) or "".join(text.split())
