"""Several posts published together."""

from typing import Any

import pytest

from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


async def batch(api: Installation, posts: list[str], platforms: list[str]) -> dict[str, Any]:
    """Publish these posts now."""
    response = await api.post("/v1/posts/batch", {"posts": posts, "platforms": platforms})
    assert response.status_code == 202, response.text
    reply: dict[str, Any] = response.json()
    return reply


async def test_one_failure_stops_nothing_else(api: Installation) -> None:
    """G013, G034: 3 posts to 2 platforms, one refused by a platform: published 2, failed 1."""
    drafts = [(await api.schedule([], text))["id"] for text in ("one", "two", "three")]
    with WebhookServer() as receiver:
        await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        await api.connect("feed")
        receiver.fail(Fault("/hook", status=400))
        started = await batch(api, drafts, ["webhook", "feed"])
        assert (started["published"], started["failed"], started["pending"]) == (0, 0, 3)

        await api.work(max_jobs=1)

        job = (await api.get(f"/v1/jobs/{started['job_id']}?wait=1")).json()
        assert len(receiver.posts) == 2
    assert (job["state"], job["result"]["published"], job["result"]["failed"]) == (
        "succeeded",
        2,
        1,
    )
    outcomes = [(r["platform"], r["state"]) for r in job["result"]["results"]]
    assert sorted(outcomes) == [("feed", "published")] * 3 + [
        ("webhook", "failed"),
        *[("webhook", "published")] * 2,
    ]
    shown = (await api.get(f"/v1/posts/batch/{started['id']}")).json()
    assert (shown["published"], shown["failed"], shown["pending"]) == (2, 1, 0)
    (error,) = [r["error"] for r in shown["results"] if r["state"] == "failed"]
    assert "400" in error


async def test_a_bad_batch_is_refused_as_a_whole(api: Installation) -> None:
    """Unknown posts, unknown platforms and texts that do not fit, all named; nothing is queued."""
    await api.connect("x")
    long = await api.schedule([], "a" * 281)
    unknown = "01890000-0000-7000-8000-000000000000"
    body = {"posts": [long["id"], unknown], "platforms": ["x", "mastodon"]}
    response = await api.post("/v1/posts/batch", body)
    assert response.status_code == 422
    found = problems(response)
    assert found["posts[1]"] == "is not among your posts"
    assert found["platforms[1]"] == (
        "you have no account on 'mastodon'; connect one with POST /v1/accounts"
    )
    assert "Too long by 1" in found["posts[0].text"]
    assert await api.count("deliveries") == 0
    assert await api.queued() == []


async def test_a_post_goes_to_an_account_once(api: Installation) -> None:
    """A post that already goes there is a problem, not a second delivery."""
    account = await api.connect()
    post = await api.schedule([account], "once")
    response = await api.post("/v1/posts/batch", {"posts": [post["id"]], "accounts": [account]})
    assert problems(response) == {"posts[0]": "already goes to feed account handle1"}
    assert await api.count("deliveries") == 1
