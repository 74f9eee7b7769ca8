"""Drafts: kept whole, changed freely, scheduled when they are ready; no worker knows them."""

import asyncio
from typing import Any

import httpx
import pytest

from service.posts import sweeping
from tests.access.helpers import actions_noted
from tests.support import PNG, Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio


async def act(api: Installation, post: Any, verb: str, body: object = None) -> httpx.Response:
    return await api.post(f"/v1/posts/{post['id']}/{verb}", body or {})


async def patch(api: Installation, post: Any, **body: object) -> httpx.Response:
    return await api.request("PATCH", f"/v1/posts/{post['id']}", json=body)


async def nothing_goes_out(api: Installation) -> None:
    """Sweep and work; nothing may be queued, attempted or published."""
    assert await sweeping.sweep(api.runtime) == {"processed": 0, "deferred": 0}
    await api.work()
    assert await api.queued() == []
    assert await api.count("attempts") == 0
    (row,) = await api.sql("SELECT count(*) FROM deliveries WHERE published_at IS NOT NULL")
    assert row[0] == 0


async def test_a_draft_keeps_what_it_is_to_be(api: Installation) -> None:
    """Accounts, other texts and the time; and neither sweep nor worker touch it."""
    one, two = [await api.connect() for _ in range(2)]
    post = await api.schedule(
        [one, two], "Soon", draft=True, publish_at=in_seconds(0.1), overrides={two: {"text": "Two"}}
    )
    assert (post["state"], post["submitted_at"]) == ("draft", None)
    assert [(d["account_id"], d["state"], d["text"]) for d in post["deliveries"]] == [
        (one, "draft", None),
        (two, "draft", "Two"),
    ]
    assert [d["job_id"] for d in post["deliveries"]] == [None, None]
    await asyncio.sleep(0.15)
    await nothing_goes_out(api)
    job_id = f"publish:{post['deliveries'][0]['id']}:1"
    for verb in ("retry", "cancel"):
        assert (await api.post(f"/v1/jobs/{job_id}/{verb}", {})).status_code == 404
    await api.runtime.queue.enqueue_job(
        "posts.publish",
        delivery_id=post["deliveries"][0]["id"],
        version=1,
        _job_id=job_id,
        _queue_name="almanac:publishing",
    )
    await nothing_goes_out(api)
    assert (await api.read_post(post["id"]))["state"] == "draft"


async def test_a_draft_may_be_unfinished(api: Installation) -> None:
    """A text that is too long is kept; it is refused when it is to be scheduled."""
    account = await api.connect("x")
    post = await api.schedule([account], "x" * 300, draft=True)
    refused = await act(api, post, "schedule")
    assert problems(refused) == {
        "text": "x account handle1: Too long by 20: 300 characters as X counts them, "
        "at most 280 are allowed."
    }
    nowhere = await api.schedule([], "To nobody yet")
    assert problems(await act(api, nowhere, "schedule")) == {
        "accounts": "is empty: choose at least one"
    }
    await nothing_goes_out(api)


async def test_a_draft_changes_in_everything(api: Installation) -> None:
    one, two, three = [await api.connect() for _ in range(3)]
    file = {"file": ("dot.png", PNG, "image/png")}
    media = (await api.request("POST", "/v1/media", files=file)).json()["id"]
    post = await api.schedule([one, two], draft=True, publish_at=in_seconds(600))
    reply = await patch(
        api,
        post,
        text="New",
        accounts=[two, three],
        overrides={three: {"text": "Third"}},
        media=[{"id": media, "alt": "A dot"}],
        publish_at=None,
    )
    assert reply.status_code == 200, reply.text
    changed = await api.read_post(post["id"])
    assert (changed["text"], changed["publish_at"], changed["revision"]) == ("New", None, 2)
    assert [(m["id"], m["alt"]) for m in changed["media"]] == [(media, "A dot")]
    assert {d["account_id"]: (d["state"], d["text"]) for d in changed["deliveries"]} == {
        two: ("draft", None),
        three: ("draft", "Third"),
    }
    refused = await patch(api, post, accounts=["01a1fd70-0000-7000-8000-000000000000"], media=[])
    assert list(problems(refused)) == ["accounts[0]"]
    assert (await api.read_post(post["id"])) == changed


async def test_a_draft_is_scheduled_for_its_time_and_goes_out_once(api: Installation) -> None:
    account = await api.connect()
    post = await api.schedule([account], draft=True, publish_at=in_seconds(0.2))
    scheduled = (await act(api, post, "schedule")).json()
    assert (scheduled["state"], scheduled["deliveries"][0]["version"]) == ("scheduled", 2)
    assert (await act(api, post, "schedule")).json()["detail"] == (
        "The post is no draft: it is scheduled"
    )
    await api.work()
    published = await api.read_post(post["id"])
    assert published["state"] == "published"
    assert 0 <= published["deliveries"][0]["lateness_ms"] < 2000
    assert [action for _, action, _ in await actions_noted(api)][-1] == "posts.schedule"


async def test_a_draft_with_another_time_or_one_that_passed(api: Installation) -> None:
    account = await api.connect()
    later = await api.schedule([account], draft=True)
    at = in_seconds(3600)
    reply = await act(api, later, "schedule", {"publish_at": at, "zone": "Europe/Paris"})
    assert (reply.json()["state"], reply.json()["zone"]) == ("scheduled", "Europe/Paris")
    old = await api.schedule([account], draft=True, publish_at=in_seconds(60))
    await api.sql(
        "UPDATE posts SET publish_at = now() - interval '1 h' WHERE id = :id", id=old["id"]
    )
    refused = await act(api, old, "schedule")
    assert "has passed: give it another time, or none" in problems(refused)["publish_at"]
    assert (await api.read_post(old["id"]))["state"] == "draft"


async def test_a_scheduled_post_gets_other_accounts(api: Installation) -> None:
    """What it leaves is cancelled, what it comes back to goes on; all by one version each."""
    one, two = [await api.connect() for _ in range(2)]
    post = await api.schedule([one], publish_at=in_seconds(3600))
    moved = (await patch(api, post, accounts=[two])).json()
    states = {d["account_id"]: d["state"] for d in moved["deliveries"]}
    assert states == {one: "cancelled", two: "scheduled"}
    back = (await patch(api, post, accounts=[one, two])).json()
    assert {d["state"] for d in back["deliveries"]} == {"scheduled"}
    refused = await patch(api, post, accounts=[])
    assert problems(refused) == {"accounts": "is empty: cancel the post instead"}
    await act(api, post, "cancel")
    assert (await patch(api, post, accounts=[two])).status_code == 409


async def test_without_a_need_for_approval_it_may_be_asked_for(api: Installation) -> None:
    """Anybody who may write decides on their own post."""
    post = await api.schedule([await api.connect()], draft=True, publish_at=in_seconds(600))
    assert (await act(api, post, "approve")).status_code == 409, "nobody asked"
    assert (await act(api, post, "submit")).json()["submitted_at"] is not None
    assert (await act(api, post, "submit")).status_code == 409
    returned = (await act(api, post, "return", {"note": "Shorter"})).json()
    assert (returned["submitted_at"], returned["review_note"]) == (None, "Shorter")
    assert await api.count("notices") == 0, "one's own words"
    await act(api, post, "submit")
    approved = (await act(api, post, "approve", {"schedule": False})).json()
    assert (approved["state"], approved["review_note"]) == ("approved", None)
    await nothing_goes_out(api)
    assert (await act(api, post, "schedule")).json()["state"] == "scheduled"
    assert [action for _, action, _ in await actions_noted(api)][-6:] == [
        "posts.create",
        "posts.submit",
        "posts.return",
        "posts.submit",
        "posts.approve",
        "posts.schedule",
    ]


async def test_a_draft_is_deleted_but_nothing_that_was_tried(api: Installation) -> None:
    post = await api.schedule([await api.connect()], draft=True)
    path = f"/v1/posts/{post['id']}"
    await api.sql("UPDATE deliveries SET attempts = 1")
    assert (await api.request("DELETE", path)).status_code == 409
    await api.sql("UPDATE deliveries SET attempts = 0")
    assert (await api.request("DELETE", path)).status_code == 204
    assert (await api.request("DELETE", path)).status_code == 404
    assert (await api.count("posts"), await api.count("deliveries")) == (0, 0)
    scheduled = await api.schedule([await api.connect()], publish_at=in_seconds(600))
    reply = await api.request("DELETE", f"/v1/posts/{scheduled['id']}")
    assert reply.json()["detail"] == "The post is no draft: it is scheduled"
    noted = [action for _, action, _ in await actions_noted(api) if action.startswith("posts")]
    assert noted == ["posts.create", "posts.delete", "posts.create"]


async def test_a_draft_is_cancelled(api: Installation) -> None:
    post = await api.schedule([await api.connect()], draft=True)
    assert (await act(api, post, "cancel")).json()["state"] == "cancelled"
    assert (await act(api, post, "schedule")).status_code == 409
    (row,) = await api.sql("SELECT drafted FROM posts")
    assert row.drafted is False
