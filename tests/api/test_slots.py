"""Queue slots over HTTP: the week of an account, its free times, posts that go into them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.access.helpers import actions_noted
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio
PARIS = ZoneInfo("Europe/Paris")
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


async def give_slots(api: Installation, account: str, *times: str, zone: str = "UTC") -> None:
    """Give an account these times on every day of the week."""
    slots = [{"weekday": day, "at": at} for day in WEEK for at in times]
    body = {"zone": zone, "slots": slots}
    reply = await api.request("PUT", f"/v1/accounts/{account}/slots", json=body)
    assert reply.status_code == 200, reply.text


async def next_slots(api: Installation, account: str, count: int = 3) -> list[str]:
    """Return the next free times of an account."""
    reply = await api.get(f"/v1/accounts/{account}/slots/next?count={count}")
    assert reply.status_code == 200, reply.text
    return [item["at"] for item in reply.json()["items"]]


def due(post: Any) -> dict[str, datetime]:
    """Return when a post goes out, by account."""
    return {d["account_id"]: datetime.fromisoformat(d["due_at"]) for d in post["deliveries"]}


async def test_a_weekly_plan(api: Installation) -> None:
    """A plan is kept in the order of the week, each time once, and replaced as a whole."""
    account = await api.connect()
    path = f"/v1/accounts/{account}/slots"
    empty: dict[str, object] = {"account_id": account, "zone": None, "slots": []}
    assert (await api.get(path)).json() == empty
    assert await next_slots(api, account) == []
    late, early = {"weekday": "sun", "at": "18:30"}, {"weekday": "mon", "at": "09:00"}
    body = {"zone": "Europe/Paris", "slots": [late, early, late]}
    reply = await api.request("PUT", path, json=body)
    assert reply.status_code == 200, reply.text
    assert reply.json() == {"account_id": account, "zone": "Europe/Paris", "slots": [early, late]}
    for at in await next_slots(api, account, 4):
        local = datetime.fromisoformat(at).astimezone(PARIS)
        assert (WEEK[local.weekday()], f"{local:%H:%M}") in {("mon", "09:00"), ("sun", "18:30")}
    reply = await api.request("PUT", path, json={"zone": "Europe/Paris", "slots": []})
    assert reply.json() == empty
    noted = ("admin", "accounts.slots", f"account:{account}")
    assert (await actions_noted(api))[-2:] == [noted, noted]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"zone": "Mars/Olympus", "slots": []}, "zone"),
        ({"zone": "UTC", "slots": [{"weekday": "monday", "at": "09:00"}]}, "slots[0].weekday"),
        ({"zone": "UTC", "slots": [{"weekday": "mon", "at": "24:00"}]}, "slots[0].at"),
        ({"zone": "UTC", "slots": [{"weekday": "mon", "at": "9:00"}]}, "slots[0].at"),
        ({"slots": []}, "zone"),
    ],
)
async def test_a_bad_plan_changes_nothing(
    api: Installation, body: dict[str, object], field: str
) -> None:
    account = await api.connect()
    await give_slots(api, account, "09:00")
    before = await api.sql("SELECT slot_plans::text FROM slot_plans")
    reply = await api.request("PUT", f"/v1/accounts/{account}/slots", json=body)
    assert reply.status_code == 422
    assert list(problems(reply)) == [field]
    assert await api.sql("SELECT slot_plans::text FROM slot_plans") == before


async def test_each_account_gets_its_own_next_slot(api: Installation) -> None:
    """The post's time is the earliest of them; each delivery goes out at its account's."""
    first, second = await api.connect(), await api.connect()
    await give_slots(api, first, "09:00", "17:00")
    await give_slots(api, second, "11:30", zone="Europe/Paris")
    free = {a: (await next_slots(api, a))[0] for a in (first, second)}
    post = await api.schedule([first, second], publish_at="next_slot")
    times = due(post)
    assert times == {a: datetime.fromisoformat(at) for a, at in free.items()}
    assert datetime.fromisoformat(post["publish_at"]) == min(times.values())
    zone = "UTC" if times[first] < times[second] else "Europe/Paris"
    assert (post["state"], post["zone"]) == ("scheduled", zone)


async def test_a_queue_fills_up_in_order(api: Installation) -> None:
    """A taken slot is not given again; a cancelled or failed delivery gives its slot back."""
    account = await api.connect()
    await give_slots(api, account, "09:00", "17:00")
    free = await next_slots(api, account, 5)
    posts = [await api.schedule([account], publish_at="next_slot") for _ in range(3)]
    assert [due(post)[account] for post in posts] == [datetime.fromisoformat(a) for a in free[:3]]
    assert await next_slots(api, account, 2) == free[3:5]
    await api.post(f"/v1/posts/{posts[1]['id']}/cancel", {})
    assert (await next_slots(api, account, 2)) == [free[1], free[3]]
    await api.sql("UPDATE deliveries SET state = 'failed' WHERE post_id = :id", id=posts[0]["id"])
    assert (await next_slots(api, account, 3)) == [free[0], free[1], free[3]]


async def test_a_time_that_somebody_chose_takes_the_slot_too(api: Installation) -> None:
    account = await api.connect()
    await give_slots(api, account, "09:00")
    first, second = await next_slots(api, account, 2)
    await api.schedule([account], publish_at=first)
    assert due(await api.schedule([account], publish_at="next_slot"))[account].isoformat() == (
        datetime.fromisoformat(second).isoformat()
    )


async def test_requests_at_once_never_get_the_same_slot(api: Installation) -> None:
    """Twenty at once, on two accounts named in either order: twenty slots each, no deadlock."""
    accounts = [await api.connect(), await api.connect()]
    for account in accounts:
        await give_slots(api, account, "09:00", "17:00")
    orders = [accounts, accounts[::-1]] * 10
    made = await asyncio.gather(*(api.schedule(o, publish_at="next_slot") for o in orders))
    for account in accounts:
        assert len({due(post)[account] for post in made}) == 20


async def test_without_slots_nothing_is_scheduled(api: Installation) -> None:
    """Every account that has none is named, with what to do; a post needs accounts for it."""
    with_slots, without = await api.connect(), await api.connect()
    await give_slots(api, with_slots, "09:00")
    body = {"text": "Hello", "accounts": [with_slots, without], "publish_at": "next_slot"}
    reply = await api.post("/v1/posts", body)
    assert reply.status_code == 422
    assert problems(reply) == {
        "publish_at": "feed account handle2 has no free slot: give it times of the week with "
        f"PUT /v1/accounts/{without}/slots, or on its page"
    }
    reply = await api.post("/v1/posts", {"text": "Hello", "publish_at": "next_slot"})
    assert problems(reply) == {"publish_at": "next_slot needs accounts, whose slots they are"}
    assert await api.count("posts") == 0


async def test_a_post_moves_to_the_next_slot(api: Installation) -> None:
    """Its own slot is behind it: it goes to the one after."""
    account = await api.connect()
    await give_slots(api, account, "09:00")
    free = [datetime.fromisoformat(at) for at in await next_slots(api, account, 2)]
    post = await api.schedule([account], publish_at="next_slot")
    for expected in (free[1], free[0]):
        reply = await api.request(
            "PATCH", f"/v1/posts/{post['id']}", json={"publish_at": "next_slot"}
        )
        assert reply.status_code == 200, reply.text
        assert due(reply.json())[account] == expected
        assert datetime.fromisoformat(reply.json()["publish_at"]) == expected


async def test_a_draft_is_scheduled_into_the_queue(api: Installation) -> None:
    account = await api.connect()
    await give_slots(api, account, "09:00")
    (free,) = await next_slots(api, account, 1)
    draft = await api.schedule([account], draft=True)
    reply = await api.post(f"/v1/posts/{draft['id']}/schedule", {"publish_at": "next_slot"})
    assert reply.status_code == 200, reply.text
    assert reply.json()["state"] == "scheduled"
    assert due(reply.json())[account] == datetime.fromisoformat(free)


async def test_a_draft_holds_its_slots_until_it_is_released(api: Installation) -> None:
    """Each account keeps its own slot through an edit and the release."""
    first, second = await api.connect(), await api.connect()
    await give_slots(api, first, "09:00")
    await give_slots(api, second, "23:59", zone="Asia/Tokyo")
    draft = await api.schedule([first, second], draft=True, publish_at="next_slot")
    times = due(draft)
    assert len(set(times.values())) == 2
    edited = await api.request("PATCH", f"/v1/posts/{draft['id']}", json={"text": "Other"})
    assert due(edited.json()) == times
    reply = await api.post(f"/v1/posts/{draft['id']}/schedule", {})
    assert (reply.json()["state"], due(reply.json())) == ("scheduled", times)
    at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    moved = await api.request("PATCH", f"/v1/posts/{draft['id']}", json={"publish_at": at})
    assert set(due(moved.json()).values()) == {datetime.fromisoformat(at)}


async def test_slots_of_others(api: Installation) -> None:
    """V081: somebody else's account is not there."""
    account = await api.connect()
    key = await api.new_key("posts:read", "posts:write")
    for method, path in (("GET", "slots"), ("GET", "slots/next"), ("PUT", "slots")):
        body = {"zone": "UTC", "slots": []} if method == "PUT" else None
        reply = await api.request(method, f"/v1/accounts/{account}/{path}", key=key, json=body)
        assert reply.status_code == 404
