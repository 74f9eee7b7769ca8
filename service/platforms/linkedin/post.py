"""A post for LinkedIn: its options, its body, and finding it among a page's own.

Figures: the Posts, MultiImage, Images and Videos APIs at
https://learn.microsoft.com/linkedin/marketing/community-management, as of November 2026.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from service.platforms.contract import (
    Absent,
    Content,
    Publication,
    Published,
    Refused,
    Unknown,
    Wait,
)
from service.platforms.limits import Limits, OptionField, VideoLimits
from service.platforms.linkedin.api import PAGE, Api
from service.platforms.linkedin.errors import SITE, post_url
from service.platforms.linkedin.little import little, plain
from service.platforms.linkedin.media import urn_of
from service.platforms.linkedin.models import Post
from service.platforms.options import option

CLOCK_SKEW = timedelta(minutes=2)
MAX_PAGES = 5
ORGANIZATION = "urn:li:organization:"

LIMITS = Limits(
    text_units=3_000,
    unit="characters",
    comment_units=1_250,
    images=20,
    image_bytes=8_000_000,
    image_types=("image/jpeg", "image/png", "image/gif"),
    image_pixels=6_012,
    alt_text=4_086,
    videos=1,
    video=VideoLimits(bytes=500_000_000, seconds=(3, 1_800), frame_rate=60),
    posts_per_day=150,
)
OPTIONS: Mapping[str, OptionField] = {
    "visibility": OptionField(
        "Who may see it; a page's posts are always public.",
        "choice",
        ("public", "connections"),
        default="public",
    ),
    "resharing": OptionField("Whether others may share it.", "flag", default=True),
}


def body(publication: Publication, author: str) -> dict[str, object]:
    """Return the post to create."""
    content = publication.content
    made: dict[str, object] = {
        "author": author,
        "commentary": little(content.full_text),
        "visibility": str(_chosen(content, "visibility")).upper(),
        "distribution": {
            "feedDistribution": "MAIN_FEED",
            "targetEntities": [],
            "thirdPartyDistributionChannels": [],
        },
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": _chosen(content, "resharing") is False,
    }
    if media := _media(publication):
        made["content"] = media
    return made


def _chosen(content: Content, name: str) -> object:
    return option(content.options, OPTIONS, name)


def _media(publication: Publication) -> dict[str, object]:
    items = []
    for file in publication.content.media:
        item = {"id": urn_of(publication, file)}
        if file.alt and not file.is_video:
            item["altText"] = file.alt
        items.append(item)
    if len(items) > 1:
        return {"multiImage": {"images": items}}
    return {"media": items[0]} if items else {}


def published(urn: str) -> Published:
    """Return a post that is out."""
    return Published(urn, post_url(urn))


def published_comment(post: str, comment: str) -> Published:
    """Return a comment that is out."""
    urn = f"urn:li:comment:({post},{comment})"
    url = f"{SITE}/feed/update/{post}/?commentUrn={urn}"
    return Published(comment, url, {"comment": comment, "post": post})


async def find(
    api: Api, author: str, publication: Publication
) -> Published | Absent | Unknown | Refused | Wait:
    """Look for the post among a page's own since the first commit."""
    since = _since(publication)
    for page in range(MAX_PAGES):
        posts = await api.posts(author, page * PAGE)
        recent = [post for post in posts if _instant(post.created_at) >= since]
        for post in recent:
            if _is_same(post, publication):
                return _became(post)
        # A page that is not full is the last one; only a wholly old one is trusted to be sorted.
        if not recent or len(posts) < PAGE:
            return Absent()
    return Unknown(f"the page has posted more than {MAX_PAGES * PAGE} times since the attempt")


async def find_comment(
    api: Api, author: str, post: str, publication: Publication
) -> Published | Absent | Unknown:
    """Look for the comment among those on the post."""
    since, wanted = _since(publication), publication.content.full_text.split()
    comments = await api.comments(post)
    for comment in comments:
        if (
            comment.actor == author
            and comment.message.text.split() == wanted
            and _instant(comment.created.time) >= since
        ):
            return published_comment(post, comment.id)
    if len(comments) >= 100:
        return Unknown("the post has more comments than can be looked through")
    return Absent()


def _instant(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _since(publication: Publication) -> datetime:
    assert publication.committed_since is not None
    return publication.committed_since - CLOCK_SKEW


def _became(post: Post) -> Published | Refused | Wait:
    match post.lifecycle_state:
        case "PUBLISH_REQUESTED":
            return Wait(30, "LinkedIn is still publishing the post")
        case "PUBLISH_FAILED":
            return Refused("LinkedIn took the post and could not publish it")
    return published(post.id)


def _is_same(post: Post, publication: Publication) -> bool:
    """Compare by the media's URNs, which are unique, and posts without media by their text."""
    items = [post.content.get("media", {}), *post.content.get("multiImage", {}).get("images", [])]
    attached = {item["id"] for item in items if "id" in item}
    media = publication.content.media
    if attached or media:
        return attached == {urn_of(publication, file) for file in media}
    return _key(plain(post.commentary)) == _key(publication.content.full_text)


def _key(text: str) -> str:
    """Return what stays the same however LinkedIn formats a text: its letters and digits.

    A wrong "not there" would double the post, so the comparison is forgiving.
    """
    return "".join(filter(str.isalnum, text)) or "".join(text.split())
