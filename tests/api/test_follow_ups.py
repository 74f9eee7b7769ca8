"""Threads and first comments: each has a delivery of its own, and follows only what is out."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from service.posts import sweeping
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault
from tests.support import Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio

THREAD = [
    {"text": "Second"},
    {"text": "Third"},
    {"kind": "comment", "text": "Links are in the first answer"},
]


@pytest.fixture(scope="module")
def running() -> Iterator[BlueskyServer]:
    """A running Bluesky."""
    with BlueskyServer() as server:
        yield server


@pytest.fixture
def bluesky(running: BlueskyServer) -> BlueskyServer:
    """A Bluesky with one account and no posts."""
    running.reset()
    return running


async def connect(api: Installation, server: BlueskyServer) -> str:
    """Connect its account."""
    credentials = {"identifier": server.handle, "app_password": server.password}
    return await api.connect("bluesky", credentials, base_url=server.url)


def told(server: BlueskyServer) -> dict[str, Any]:
    """Return what each post there answers, by its text."""
    texts = {post["uri"]: post["record"]["text"] for post in server.posts}
    found = {}
    for post in server.posts:
        reply = post["record"].get("reply")
        answered = (texts[reply["root"]["uri"]], texts[reply["parent"]["uri"]]) if reply else None
        found[post["record"]["text"]] = answered
    return found


async def follow_ups(api: Installation, post: Any) -> list[tuple[str, bool]]:
    shown = await api.read_post(post["id"])
    return [(d["state"], d["blocked"]) for d in shown["follow_ups"]]


async def test_a_thread_and_a_comment_follow_their_post(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """Each answers the right one, in order, in the same run of the worker."""
    account = await connect(api, bluesky)
    post = await api.schedule([account], "First", thread=THREAD)
    assert post["state"] == "scheduled"
    main = post["deliveries"][0]["id"]
    one, two, comment = post["follow_ups"]
    assert [d["after_id"] for d in (one, two, comment)] == [main, one["id"], main]
    assert [d["kind"] for d in (one, two, comment)] == ["thread", "thread", "comment"]
    assert post["schedule_ids"] == [main]
    await api.work()
    assert told(bluesky) == {
        "First": None,
        "Second": ("First", "First"),
        "Third": ("First", "Second"),
        "Links are in the first answer": ("First", "First"),
    }
    shown = await api.read_post(post["id"])
    assert shown["state"] == "published"
    assert [d["attempts"] for d in shown["follow_ups"]] == [1, 1, 1]
    assert [len(shown["attempts"][d["id"]]) for d in shown["follow_ups"]] == [1, 1, 1]


async def test_what_follows_waits_for_what_it_answers(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """A post that is retried keeps its thread back; nothing is queued, late or sent meanwhile."""
    account = await connect(api, bluesky)
    bluesky.fail(Fault("putRecord", status=503))
    post = await api.schedule([account], "First", thread=THREAD[:1])
    await api.work(max_burst_jobs=1)
    assert bluesky.posts == []
    assert await follow_ups(api, post) == [("scheduled", True)]
    assert await sweeping.sweep(api.runtime) == {"processed": 0, "deferred": 0}
    await api.sql(
        "UPDATE deliveries SET next_run_at = now(), commit_started_at = now() - interval '1 h'"
        " WHERE position = 0"
    )
    await api.runtime.queue.flushdb()
    await sweeping.sweep(api.runtime)
    await api.work()
    assert sorted(told(bluesky)) == ["First", "Second"]


async def test_a_delay_is_counted_from_what_it_answers(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """The comment comes an hour after the post was out, however late that was."""
    account = await connect(api, bluesky)
    part = {"kind": "comment", "text": "Later", "delay": 3600}
    post = await api.schedule([account], "First", thread=[part])
    await api.work(max_burst_jobs=1)
    (row,) = await api.sql(
        "SELECT c.next_run_at - p.published_at AS gap, c.blocked FROM deliveries c"
        " JOIN deliveries p ON p.id = c.after_id"
    )
    assert (row.gap, row.blocked) == (timedelta(hours=1), False)
    assert list(told(bluesky)) == ["First"]
    assert (await api.read_post(post["id"]))["state"] == "publishing"


async def test_a_failed_follow_up_is_retried_alone(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """The post stays out and is not sent again."""
    account = await connect(api, bluesky)
    post = await api.schedule([account], "First", thread=THREAD[:2])
    await api.work(max_burst_jobs=1)
    bluesky.fail(Fault("putRecord", status=400, body={"error": "InvalidRequest", "message": "no"}))
    await api.work(max_burst_jobs=1)
    assert await follow_ups(api, post) == [("failed", False), ("scheduled", True)]
    assert (await api.read_post(post["id"]))["state"] == "partly_published"
    listed = (await api.get("/v1/posts", params={"state": "failed"})).json()["items"]
    assert [item["id"] for item in listed] == [post["id"]]

    assert (await api.post(f"/v1/posts/{post['id']}/retry", {})).status_code == 200
    await api.work()
    assert sorted(told(bluesky)) == ["First", "Second", "Third"]
    assert bluesky.writes == 3
    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_all_problems_of_all_parts_come_at_once(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """A part that is too long, and an account that knows no threads; nothing is stored."""
    accounts = [await connect(api, bluesky), await api.connect()]
    body = {"text": "First", "accounts": accounts, "thread": [{"text": "x" * 301}, {"text": ""}]}
    refused = await api.post("/v1/posts", body)
    assert refused.status_code == 422
    found = problems(refused)
    assert set(found) == {
        "thread[0].text",
        "thread[1].text",
        "thread[0].thread",
        "thread[1].thread",
    }
    assert found["thread[0].text"].startswith("bluesky account alice.test: Too long by 1:")
    assert found["thread[0].thread"] == "feed account handle2: There are no threads here."
    assert await api.count("posts") == 0

    body["thread"] = [{"text": "Second"}]
    other = await api.post("/v1/posts", {**body, "overrides": {"feed": {"thread": []}}})
    assert other.status_code == 201, other.text
    assert [d["platform"] for d in other.json()["follow_ups"]] == ["bluesky"]


async def test_what_is_done_to_a_post_is_done_to_what_follows(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """Drafted, scheduled, moved, changed and cancelled together."""
    account = await connect(api, bluesky)
    post = await api.schedule([account], "First", thread=THREAD, draft=True)
    assert await follow_ups(api, post) == [("draft", True)] * 3
    path = f"/v1/posts/{post['id']}"
    later = in_seconds(7200)
    assert (await api.post(f"{path}/schedule", {"publish_at": later})).status_code == 200
    assert await follow_ups(api, post) == [("scheduled", True)] * 3

    changed = await api.request("PATCH", path, json={"thread": [{"text": "Only this"}]})
    assert changed.status_code == 200, changed.text
    assert [d["text"] for d in changed.json()["follow_ups"]] == ["Only this"]
    moved = await api.request("PATCH", path, json={"publish_at": in_seconds(9000)})
    assert [d["text"] for d in moved.json()["follow_ups"]] == ["Only this"]
    assert moved.json()["follow_ups"][0]["due_at"] == moved.json()["deliveries"][0]["due_at"]

    assert (await api.post(f"{path}/cancel", {})).json()["state"] == "cancelled"
    assert await follow_ups(api, post) == [("cancelled", True)]
    await api.work()
    assert bluesky.posts == []

    draft = await api.schedule([account], "Another", thread=THREAD, draft=True)
    assert (await api.request("DELETE", f"/v1/posts/{draft['id']}")).status_code == 204
    (row,) = await api.sql("SELECT count(*) AS left FROM deliveries WHERE text = 'Second'")
    assert row.left == 0


async def test_a_post_confirmed_by_hand_has_no_address_to_answer(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """Its thread fails and says why, instead of going out as posts of their own."""
    account = await connect(api, bluesky)
    post = await api.schedule([account], "First", thread=THREAD[:1])
    await api.sql("UPDATE deliveries SET state = 'unconfirmed' WHERE position = 0")
    answer = await api.post(f"/v1/posts/{post['id']}/retry", {"unconfirmed": "mark_published"})
    assert answer.status_code == 200, answer.text
    await api.runtime.queue.flushdb()
    await sweeping.sweep(api.runtime)
    await api.work()
    (shown,) = (await api.read_post(post["id"]))["follow_ups"]
    assert (shown["state"], shown["error"]) == (
        "failed",
        "Nobody knows the address of the post that this answers",
    )
    assert bluesky.posts == []


async def test_a_thread_is_taken_back_with_its_post(
    api: Installation, bluesky: BlueskyServer
) -> None:
    """Every part of it is removed."""
    account = await connect(api, bluesky)
    post = await api.schedule([account], "First", thread=THREAD)
    await api.work()
    assert len(bluesky.posts) == 4
    assert (await api.post(f"/v1/posts/{post['id']}/withdraw", {})).status_code == 202
    await api.work()
    assert bluesky.posts == []
    shown = await api.read_post(post["id"])
    assert all(d["removed_at"] for d in [*shown["deliveries"], *shown["follow_ups"]])


async def test_media_and_options_of_one_account(api: Installation, bluesky: BlueskyServer) -> None:
    """Another text, no picture and options for one of two accounts."""
    account, feed = await connect(api, bluesky), await api.connect()
    override = {"text": "Shorter", "options": {"replies": "nobody"}, "media": []}
    post = await api.schedule([account, feed], "Long", overrides={account: override})
    first, second = post["deliveries"]
    assert (first["text"], first["options"], first["media"]) == (
        "Shorter",
        {"replies": "nobody"},
        [],
    )
    assert (second["text"], second["options"], second["media"]) == (None, {}, None)
    wrong = {"options": {"replies": "aliens", "title": "A title"}}
    body = {"text": "Long", "accounts": [account], "overrides": {"bluesky": wrong}}
    refused = await api.post("/v1/posts", body)
    assert set(problems(refused)) == {"options.replies", "options.title"}
    await api.work()
    assert [post["record"]["text"] for post in bluesky.posts] == ["Shorter"]
