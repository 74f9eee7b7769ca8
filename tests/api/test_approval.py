"""Approval: what nobody else has approved is never published, whatever happens meanwhile."""

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.config import Settings
from service.posts import sweeping
from tests.support import Installation, in_seconds

from .test_drafts import nothing_goes_out

pytestmark = pytest.mark.asyncio
WRITER = ("posts:read", "posts:write", "settings:write", "jobs:read", "jobs:operate")


@pytest_asyncio.fixture
async def settings(settings: Settings) -> Settings:
    """Settings under which posts need an approval."""
    return settings.model_copy(update={"approval": True})


class Author:
    """Somebody who writes, and may do all that is not an admin's."""

    def __init__(self, api: Installation, key: str, account: str) -> None:
        self.api, self.key, self.account = api, key, account

    async def write(self, **body: object) -> Any:
        """Ask for a post to be published."""
        reply = await self.api.post(
            "/v1/posts", {"text": "Mine", "accounts": [self.account], **body}, key=self.key
        )
        assert reply.status_code == 201, reply.text
        return reply.json()

    async def act(self, post: Any, verb: str, body: object = None) -> httpx.Response:
        """Do something with a post."""
        return await self.api.post(f"/v1/posts/{post['id']}/{verb}", body or {}, key=self.key)

    async def patch(self, post: Any, **body: object) -> httpx.Response:
        """Change a post."""
        path = f"/v1/posts/{post['id']}"
        return await self.api.request("PATCH", path, json=body, key=self.key)


@pytest_asyncio.fixture
async def author(api: Installation) -> Author:
    """An author with an account."""
    key = await api.new_key(*WRITER, user="ann")
    return Author(api, key, await api.connect(key=key))


async def approve(api: Installation, post: Any, **body: object) -> httpx.Response:
    return await api.post(f"/v1/posts/{post['id']}/approve", body)


async def test_what_an_author_schedules_waits(api: Installation, author: Author) -> None:
    """Every way to publish it alone is refused; sweep and worker do not know it."""
    post = await author.write()
    assert post["state"] == "draft"
    assert post["submitted_at"] is not None
    assert (await author.act(post, "approve")).status_code == 403
    assert (await author.act(post, "return", {"note": "x"})).status_code == 403
    assert (await author.act(post, "schedule")).status_code == 403
    assert (await author.act(post, "retry")).status_code == 409
    batch = {"posts": [post["id"]], "accounts": [author.account]}
    assert (await api.post("/v1/posts/batch", batch, key=author.key)).status_code == 403
    plain = (await api.post("/v1/posts", {"text": "Plain"}, key=author.key)).json()
    batch["posts"] = [plain["id"]]
    assert (await api.post("/v1/posts/batch", batch, key=author.key)).status_code == 403
    await nothing_goes_out(api)
    assert (await api.read_post(post["id"]))["state"] == "draft"


async def test_an_approved_post_goes_out(api: Installation, author: Author) -> None:
    post = await author.write()
    reply = await approve(api, post, revision=post["revision"])
    assert reply.status_code == 200, reply.text
    await api.work()
    assert (await api.read_post(post["id"]))["state"] == "published"
    assert (await approve(api, post)).status_code == 409


async def test_an_edit_takes_the_approval_back(api: Installation, author: Author) -> None:
    """Also one of the time; the job that was queued for the approved version does nothing."""
    for change in ({"text": "Other"}, {"publish_at": in_seconds(0.2)}):
        post = await author.write(publish_at=in_seconds(0.2))
        assert (await approve(api, post)).json()["state"] == "scheduled"
        changed = (await author.patch(post, **change)).json()
        assert (changed["state"], changed["submitted_at"] is None) == ("draft", False)
    await asyncio.sleep(0.3)
    await nothing_goes_out(api)


async def test_an_admins_edit_does_not(api: Installation, author: Author) -> None:
    post = await author.write(publish_at=in_seconds(600))
    await approve(api, post)
    path = f"/v1/posts/{post['id']}"
    assert (await api.request("PATCH", path, json={"text": "Typo"})).json()["state"] == "scheduled"


async def test_nobody_approves_what_they_have_not_read(api: Installation, author: Author) -> None:
    post = await author.write()
    await author.patch(post, text="Something else")
    refused = await approve(api, post, revision=post["revision"])
    assert refused.json()["detail"] == "The post was changed since you read it: read it again"
    await nothing_goes_out(api)


async def test_two_approvals_at_once_publish_once(api: Installation, author: Author) -> None:
    post = await author.write()
    replies = await asyncio.gather(*(approve(api, post) for _ in range(5)))
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409, 409]
    await api.work()
    after = await api.read_post(post["id"])
    assert (after["state"], len(after["attempts"][after["deliveries"][0]["id"]])) == (
        "published",
        1,
    )


async def test_editing_while_approving_publishes_no_unread_text(
    api: Installation, author: Author
) -> None:
    """Whoever comes first: the text that goes out is the one that was approved."""
    posts = [await author.write(publish_at=in_seconds(1.5)) for _ in range(8)]
    await asyncio.gather(
        *(approve(api, post, revision=post["revision"]) for post in posts),
        *(author.patch(post, text="Unread") for post in posts),
    )
    await sweeping.sweep(api.runtime)
    await api.work()
    rows = await api.sql(
        "SELECT posts.text, state, submitted_at FROM posts JOIN deliveries ON post_id = posts.id"
    )
    assert [(row.text, row.state) for row in rows] == [("Unread", "draft")] * 8
    assert all(row.submitted_at is not None for row in rows)


async def test_a_batch_of_an_admin_and_an_edit(api: Installation, author: Author) -> None:
    """The edit that comes after it takes the approval back as well."""
    post = (await api.post("/v1/posts", {"text": "Read"}, key=author.key)).json()
    batch = {"posts": [post["id"]], "accounts": [author.account]}
    assert (await api.post("/v1/posts/batch", batch)).status_code == 202
    assert (await author.patch(post, text="Unread")).json()["state"] == "draft"
    assert await sweeping.sweep(api.runtime) == {"processed": 0, "deferred": 0}


async def test_an_account_connected_again_releases_no_draft(
    api: Installation, author: Author
) -> None:
    post = await author.write()
    held = await author.write()
    await approve(api, held)
    await api.sql("UPDATE deliveries SET state = 'held' WHERE post_id = :id", id=held["id"])
    assert (await author.patch(held, text="Other")).json()["state"] == "draft"
    await api.connect("feed", {"handle": "handle1"}, key=author.key)
    await nothing_goes_out(api)
    assert (await api.read_post(post["id"]))["state"] == "draft"


async def test_the_author_is_told_why_it_came_back(api: Installation, author: Author) -> None:
    post = await author.write()
    reply = await api.post(f"/v1/posts/{post['id']}/return", {"note": "Say who said it"})
    assert (reply.json()["state"], reply.json()["submitted_at"]) == ("draft", None)
    (notice,) = (await api.get("/v1/notifications", key=author.key)).json()["items"]
    assert (notice["kind"], "Say who said it" in notice["text"]) == ("post.returned", True)
    assert (await approve(api, post)).status_code == 409, "it does not wait any more"
    assert (await author.act(post, "submit")).json()["review_note"] is None


async def test_approved_without_a_time_its_author_chooses_one(
    api: Installation, author: Author
) -> None:
    post = await author.write(draft=True)
    await author.act(post, "submit")
    assert (await approve(api, post, schedule=False)).json()["state"] == "approved"
    await nothing_goes_out(api)
    reply = await author.act(post, "schedule", {"publish_at": in_seconds(600)})
    assert (reply.status_code, reply.json()["state"]) == (200, "scheduled")
    again = await author.write(draft=True)
    await author.act(again, "submit")
    await approve(api, again, schedule=False)
    assert (await author.patch(again, text="Other")).json()["state"] == "draft"
    assert (await author.act(again, "schedule")).status_code == 403


async def test_other_peoples_posts_are_not_there(api: Installation, author: Author) -> None:
    post = await author.write()
    stranger = await api.new_key(*WRITER, user="bob")
    for verb, body in {
        "submit": {},
        "approve": {},
        "return": {"note": "x"},
        "schedule": {},
    }.items():
        reply = await api.post(f"/v1/posts/{post['id']}/{verb}", body, key=stranger)
        assert reply.status_code == 404, verb
