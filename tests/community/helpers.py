"""What tests of the community say in one line."""

import asyncio
from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import httpx

from tests.support import Installation

NOBODY = "01890000-0000-7000-8000-000000000000"
"""An id that nothing has."""
WRONG_COUNTERS = """
    SELECT 'member ' || m.username FROM members m WHERE
        posts_count <> (SELECT count(*) FROM feed_posts WHERE author_id = m.id)
        OR followers_count <> (SELECT count(*) FROM follows WHERE followed_id = m.id)
        OR following_count <> (SELECT count(*) FROM follows WHERE follower_id = m.id)
    UNION ALL
    SELECT 'post ' || p.id FROM feed_posts p WHERE
        comments_count <> (SELECT count(*) FROM comments WHERE post_id = p.id)
        OR likes_count <> (SELECT count(*) FROM reactions WHERE post_id = p.id AND kind = 'like')
        OR shares_count <> (SELECT count(*) FROM reactions WHERE post_id = p.id AND kind = 'share')
    UNION ALL
    SELECT 'hashtag ' || h.name FROM hashtags h WHERE
        uses_count <> (SELECT count(*) FROM feed_post_hashtags WHERE hashtag_id = h.id)
"""
"""Whatever is counted and has another count than rows."""


async def good(reply: Awaitable[httpx.Response], status: int = 200) -> Any:
    """Return the body of a reply that must have this status."""
    found = await reply
    assert found.status_code == status, found.text
    return found.json() if found.content else None


async def join(api: Installation, name: str | None = None, **more: object) -> str:
    """Add a member; return the id."""
    name = name or uuid4().hex
    body = {"email": f"{name}@example.com", "username": name, **more}
    made: str = (await good(api.post("/v1/members", body), 201))["id"]
    return made


async def joined(api: Installation, count: int) -> list[str]:
    """Add so many members, by one statement; return their ids."""
    rows = await api.sql(
        "INSERT INTO members (id, owner_id, email, username, display_name) "
        "SELECT gen.id, users.id, gen.id || '@example.com', gen.id, gen.id "
        "FROM users, LATERAL (SELECT uuidv7() AS id FROM generate_series(1, :count)) gen "
        "WHERE users.name = 'admin' RETURNING id",
        count=count,
    )
    return sorted(str(row.id) for row in rows)


async def say(api: Installation, author: str, content: str = "Hello", **more: object) -> str:
    """Let a member post; return the post's id."""
    body = {"author_id": author, "content": content, **more}
    made: str = (await good(api.post("/v1/feed", body), 201))["id"]
    return made


async def comment(api: Installation, post: str, author: str, **more: object) -> str:
    """Let a member comment; return the comment's id."""
    body = {"author_id": author, "content": "Well said", **more}
    made: str = (await good(api.post(f"/v1/feed/{post}/comments", body), 201))["id"]
    return made


async def put(api: Installation, path: str, status: int = 200) -> Any:
    """PUT, and return the body."""
    return await good(api.request("PUT", f"/v1/{path}"), status)


async def remove(api: Installation, path: str, status: int = 200) -> Any:
    """DELETE, and return the body."""
    return await good(api.request("DELETE", f"/v1/{path}"), status)


async def patch(api: Installation, path: str, **body: object) -> Any:
    """PATCH, and return the body."""
    return await good(api.request("PATCH", f"/v1/{path}", json=body))


async def read(api: Installation, path: str, status: int = 200, **params: Any) -> Any:
    """GET, and return the body."""
    return await good(api.get(f"/v1/{path}", params=params), status)


async def feed(api: Installation, **params: Any) -> list[str]:
    """Return the ids of the feed's first page."""
    return [each["id"] for each in (await read(api, "feed", **params))["items"]]


async def counts(api: Installation, post: str) -> tuple[int, int, int, int]:
    """Return likes, comments, shares and views of a post."""
    found = await read(api, f"feed/{post}")
    return tuple(found[f"{name}_count"] for name in ("likes", "comments", "shares", "views"))


async def all_good(*replies: Awaitable[httpx.Response]) -> None:
    """Do all this at once; each must end well."""
    done = await asyncio.gather(*replies)
    assert {reply.status_code for reply in done} <= {200, 201, 204}, [r.text for r in done]
