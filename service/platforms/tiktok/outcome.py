"""What became of a post, and how it is received."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from service.kit.clock import now
from service.platforms.contract import Content, Handles, Publication, Published, Reference
from service.platforms.tiktok import post as tiktok_post
from service.platforms.tiktok.api import Api, Status
from service.platforms.tiktok.oauth import WEBSITE
from service.platforms.tiktok.upload import remember

MODERATION = timedelta(minutes=2)
"""How long a public post is waited for to be moderated: before that it has no address."""


def is_out(status: Status) -> bool:
    """Whether it is published, or a draft has reached the inbox."""
    return status.status in ("PUBLISH_COMPLETE", "SEND_TO_USER_INBOX")


async def awaits_id(publication: Publication, status: Status) -> bool:
    """Whether the id of a published post is worth waiting for."""
    if status.post_id is not None or not _gets_id(publication.content):
        return False
    if "complete_at" not in publication.handles:
        await remember(publication, complete_at=now().isoformat())
    since = datetime.fromisoformat(str(publication.handles["complete_at"]))
    return now() - since < MODERATION


def _gets_id(content: Content) -> bool:
    public = tiktok_post.chosen(content, "privacy_level") == tiktok_post.PUBLIC
    return public and not tiktok_post.is_inbox(content)


def outcome(status: Status) -> Handles:
    """Return what is worth remembering."""
    return {"post_id": status.post_id, "inbox": status.status == "SEND_TO_USER_INBOX"}


def published(publication: Publication, found: Mapping[str, object]) -> Published:
    """Return the post; one that is private, a draft or not moderated yet has no address."""
    publish_id, post_id = str(publication.handles["publish_id"]), found.get("post_id")
    details: Handles = {"publish_id": publish_id, "inbox": bool(found.get("inbox"))}
    if not post_id:
        return Published(publish_id, None, details)
    destination = publication.destination
    author = destination.session.get("username") or destination.handle
    kind = "video" if tiktok_post.video_of(publication.content) else "photo"
    url = f"{WEBSITE}/@{author}/{kind}/{post_id}"
    return Published(str(post_id), url, {**details, "post_id": str(post_id)})


async def metrics(api: Api, post: Reference) -> dict[str, int]:
    """Read the figures of a public post, asking for its id where it had none at first."""
    post_id = post.details.get("post_id") or await _post_id(api, post)
    if post_id is None:
        return {}
    fields = "id,view_count,like_count,comment_count,share_count"
    found = await api.figures(str(post_id), fields)
    return _named(found, views="view", likes="like", comments="comment", shares="share")


async def _post_id(api: Api, post: Reference) -> str | None:
    publish_id = post.details.get("publish_id")
    return (await api.status(str(publish_id))).post_id if publish_id else post.remote_id


async def audience(api: Api) -> dict[str, int]:
    """Read the figures of the account."""
    found = await api.person("follower_count,following_count,video_count")
    return _named(found, followers="follower", following="following", posts="video")


def _named(found: Mapping[str, int | str | None], **names: str) -> dict[str, int]:
    counts = {name: found.get(f"{theirs}_count") for name, theirs in names.items()}
    return {name: count for name, count in counts.items() if isinstance(count, int)}
