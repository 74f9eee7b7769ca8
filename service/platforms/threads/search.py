"""Finding a post whose container says that it is out."""

from datetime import timedelta

from service.kit.clock import now
from service.platforms.contract import Publication, Published, Wait
from service.platforms.threads.api import NAME, Api
from service.platforms.threads.containers import is_older, remember
from service.platforms.threads.content import shown_text

LISTING = timedelta(minutes=2)
"""How long to wait until a post that is out stands in the account's list."""
SKEW = timedelta(seconds=30)
"""How far clocks may be apart."""


async def find(api: Api, user_id: str, publication: Publication) -> Published | Wait:
    """Look for the post among the account's own; the nearest in time of those with its text.

    One that never shows keeps its container's id.
    """
    committed = publication.committed_since or now() - LISTING
    since = committed - SKEW
    replies = publication.reply_to is not None
    text = _plain(shown_text(publication.content))
    listed = await api.posts(user_id, since, replies=replies)
    same = [post for post in listed if _plain(post.text) == text]
    if same:
        post = min(same, key=lambda post: abs(post.created_at - committed))
        return Published(post.id, post.permalink)
    if "out_at" not in publication.handles:
        await remember(publication, out_at=now().isoformat())
    if not is_older(publication.handles["out_at"], LISTING):
        return Wait(15, f"{NAME} has published it and does not list it yet")
    return Published(str(publication.handles["container"]), None, {"unlisted": True})


def _plain(text: str) -> str:
    return " ".join(text.split())
