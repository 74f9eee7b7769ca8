"""Looking for a post or a comment of a Page after an uncertain commit."""

from datetime import datetime, timedelta

from service.kit.clock import now
from service.platforms.contract import Absent, Publication, Published, Reference, Unknown
from service.platforms.facebook.api import PAGE, Api
from service.platforms.facebook.content import text_of
from service.platforms.facebook.models import Post

CLOCK_SKEW = timedelta(minutes=2)
MAX_PAGES = 10
_TOO_MANY = Unknown(f"there are more than {PAGE * MAX_PAGES} newer ones")


async def find_post(
    api: Api, page_id: str, publication: Publication
) -> Published | Absent | Unknown:
    """Return the post of a delivery: the oldest since its first commit that looks like it."""
    since, after, found = _since(publication), None, list[Post]()
    for _ in range(MAX_PAGES):
        page = await api.posts(page_id, since, after)
        found += [post for post in page.data if post.made_at >= since]
        after = page.paging.after
        if after is None:
            break
    else:
        return _TOO_MANY
    same = [post for post in found if _is_same(post, publication)]
    if not same:
        return Absent()
    return Published(same[-1].id, same[-1].permalink_url, details={"kind": "post"})


async def find_comment(
    api: Api, post: Reference, publication: Publication
) -> Published | Absent | Unknown:
    """Return the comment of a delivery."""
    since, after = _since(publication), None
    page_id = publication.destination.session.get("page_id")
    for _ in range(MAX_PAGES):
        page = await api.comments(post.remote_id, after)
        for comment in page.data:
            own = comment.author is None or comment.author.id == page_id
            fresh = comment.made_at >= since
            if own and fresh and _key(comment.message) == _key(text_of(publication.content)):
                return Published(comment.id, comment.permalink_url, details={"kind": "comment"})
        after = page.paging.after
        if after is None or any(comment.made_at < since for comment in page.data):
            return Absent()
    return _TOO_MANY


def _since(publication: Publication) -> datetime:
    return (publication.committed_since or now()) - CLOCK_SKEW


def _is_same(post: Post, publication: Publication) -> bool:
    """Compare by the photos' ids, which are unique; else by the text, and last by the link."""
    content = publication.content
    if content.media:
        return bool(
            post.attached & {publication.handles.get(f"photo:{file.id}") for file in content.media}
        )
    if content.text.strip():
        return _key(post.message) == _key(text_of(content))
    return not post.message and content.link in post.links


def _key(text: str) -> str:
    """Return what stays the same however Facebook lays a text out.

    A wrong "not there" would double the post, so the comparison is forgiving.
    """
    return "".join(filter(str.isalnum, text)) or "".join(text.split())
