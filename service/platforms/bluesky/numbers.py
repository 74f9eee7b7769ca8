"""How Bluesky posts and accounts are received, as the network's index tells (app.bsky)."""

from collections.abc import Mapping

import msgspec

from service.platforms.bluesky.api import Api
from service.platforms.failures import Rejected
from service.platforms.http import decode


class _Post(msgspec.Struct, rename="camel"):
    like_count: int | None = None
    repost_count: int | None = None
    quote_count: int | None = None
    reply_count: int | None = None
    bookmark_count: int | None = None


class _Posts(msgspec.Struct):
    posts: tuple[_Post, ...]


class _Profile(msgspec.Struct, rename="camel"):
    followers_count: int | None = None
    follows_count: int | None = None
    posts_count: int | None = None


async def metrics(api: Api, uri: str) -> Mapping[str, int]:
    """Return a post's numbers; reposts and quotes are both shares.

    Raises:
        Rejected: the post is not there, or hidden.
    """
    step = api.step("reading the post's numbers")
    answer = await api.get(step, "app.bsky.feed.getPosts", {"uris": uri})
    posts = decode(step, answer, _Posts).posts
    if not posts:
        raise Rejected(step.says("the post is not there"))
    post = posts[0]
    shares = [count for count in (post.repost_count, post.quote_count) if count is not None]
    return _known(
        likes=post.like_count,
        shares=sum(shares) if shares else None,
        comments=post.reply_count,
        saves=post.bookmark_count,
    )


async def audience(api: Api, did: str) -> Mapping[str, int]:
    """Return an account's followers, whom it follows, and its posts."""
    step = api.step("reading the account's numbers")
    answer = await api.get(step, "app.bsky.actor.getProfile", {"actor": did})
    profile = decode(step, answer, _Profile)
    return _known(
        followers=profile.followers_count,
        following=profile.follows_count,
        posts=profile.posts_count,
    )


def _known(**counts: int | None) -> dict[str, int]:
    return {name: count for name, count in counts.items() if count is not None}
