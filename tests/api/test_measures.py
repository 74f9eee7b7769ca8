"""How posts and accounts do, as the API tells."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from service.kit.clock import now
from service.kit.ids import uuid7
from service.platforms.contract import Reference
from tests.measures.helpers import DAY, HOUR, Out, connected, measured, published
from tests.platforms.rig import Rig
from tests.platforms.rigs import RIGS
from tests.servers.bluesky import BlueskyServer
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


@pytest.fixture
def bluesky(api: Installation) -> Rig:
    """A platform that nobody asks here."""
    server = BlueskyServer()
    server.url = "http://127.0.0.1:1"
    return RIGS["bluesky"][1](server, api.runtime.outbound)


async def out(api: Installation, rig: Rig, account: UUID, age: timedelta = 3 * DAY) -> Out:
    """Return a post that is out."""
    return await published(api, account, rig.name, Reference("at://1"), now() - age)


async def read(api: Installation, path: str, **options: Any) -> Any:
    """Return what a path answers."""
    answer = await api.get(path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_post_is_told_of_over_time(api: Installation, bluesky: Rig) -> None:
    """All figures, the newest, and what changed in a day."""
    account = await connected(api, bluesky)
    post = await out(api, bluesky, account)
    path = f"/v1/posts/{post.post}/measures"
    (empty,) = (await read(api, path))["deliveries"]
    assert (empty["newest"], empty["items"], empty["next_at"], empty["change_24h"]) == (
        None,
        [],
        None,
        {},
    )
    await measured(api, "delivery", post.delivery, 25 * HOUR, likes=4, views=100)
    await measured(api, "delivery", post.delivery, HOUR, likes=3, views=250, shares=1)
    (found,) = (await read(api, path))["deliveries"]
    assert found["newest"]["figures"] == {"likes": 3, "views": 250, "shares": 1}
    assert [item["figures"] for item in found["items"]] == [
        {"likes": 4, "views": 100},
        found["newest"]["figures"],
    ]
    assert found["change_24h"] == {"likes": -1, "views": 150}
    assert (found["platform"], found["account_id"]) == ("bluesky", str(account))
    assert (found["kind"], found["position"], found["gone"]) == ("post", 0, False)
    await api.sql(
        "INSERT INTO delivery_measuring (delivery_id, error, missing_since) "
        "VALUES (:id, 'Not there', now())",
        id=post.delivery,
    )
    (found,) = (await read(api, path))["deliveries"]
    assert (found["gone"], found["error"]) == (True, "Not there")


async def test_an_account_is_told_of_between_two_times(api: Installation, bluesky: Rig) -> None:
    """30 days unless one says; both ends may be given."""
    account = await connected(api, bluesky)
    for days in (40, 20, 2, 1):
        await measured(api, "account", account, days * DAY, followers=100 - days)
    path = f"/v1/accounts/{account}/measures"
    found = await read(api, path)
    assert [item["figures"]["followers"] for item in found["items"]] == [80, 98, 99]
    assert found["change_24h"] == {"followers": 1}
    begin, end = (now() - days * DAY for days in (45, 10))
    found = await read(api, path, params={"from": begin.isoformat(), "to": end.isoformat()})
    assert [item["figures"]["followers"] for item in found["items"]] == [60, 80]
    wrong = await api.get(path, params={"from": end.isoformat(), "to": begin.isoformat()})
    assert wrong.status_code == 422
    assert problems(wrong) == {"from": "It must be before 'to'"}
    wrong = await api.get(path, params={"from": (now() - 500 * DAY).isoformat()})
    assert problems(wrong) == {"from": "At most 400 days at once"}
    for value in ("yesterday", "2026-01-01T00:00:00"):
        assert (await api.get(path, params={"from": value})).status_code == 422


async def test_a_summary_adds_the_newest_figures(api: Installation, bluesky: Rig) -> None:
    """Of each post once; by account and by platform."""
    first = await connected(api, bluesky)
    for age, likes in ((3 * DAY, 5), (4 * DAY, 7), (20 * DAY, 100)):
        post = await out(api, bluesky, first, age)
        await measured(api, "delivery", post.delivery, age - HOUR, likes=1, views=1)
        await measured(api, "delivery", post.delivery, HOUR, likes=likes)
    await out(api, bluesky, first)
    await measured(api, "account", first, 2 * DAY, followers=10)
    await measured(api, "account", first, HOUR, followers=12)
    await api.connect()
    found = await read(api, "/v1/measures/summary?days=10")
    (account,) = found["accounts"]
    assert (account["posts"], account["figures"]) == (2, {"likes": 12})
    assert account["audience"]["figures"] == {"followers": 12}
    assert found["platforms"] == [
        {
            "platform": "bluesky",
            "posts": 2,
            "figures": {"likes": 12},
            "audience": {"followers": 12},
        }
    ]
    assert (await read(api, "/v1/measures/summary"))["platforms"][0]["figures"] == {"likes": 112}
    for days in (0, 401, "x"):
        assert (await api.get(f"/v1/measures/summary?days={days}")).status_code == 422


async def test_nobody_is_told_of_what_is_others(api: Installation, bluesky: Rig) -> None:
    """404, as for what does not exist; a key without the scope gets 403."""
    account = await connected(api, bluesky)
    post = await out(api, bluesky, account)
    await measured(api, "delivery", post.delivery, HOUR, likes=5)
    await measured(api, "account", account, HOUR, followers=12)
    stranger = await api.new_key("posts:read")
    blind = await api.new_key("content:read", user="blind")
    for path in (f"/v1/posts/{post.post}/measures", f"/v1/accounts/{account}/measures"):
        assert (await api.get(path, key=stranger)).status_code == 404
        assert (await api.get(path, key=blind)).status_code == 403
    for path in (f"/v1/posts/{uuid7()}/measures", f"/v1/accounts/{uuid7()}/measures"):
        assert (await api.get(path)).status_code == 404
    found = await read(api, "/v1/measures/summary", key=stranger)
    assert (found["platforms"], found["accounts"]) == ([], [])
    assert (await api.get("/v1/measures/summary", key=blind)).status_code == 403
