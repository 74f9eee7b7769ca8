"""Recurring posts over HTTP, and the job that schedules their next occurrence."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.kit.clock import now
from service.planning import making
from tests.support import Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio
PARIS = ZoneInfo("Europe/Paris")


async def repeat(api: Installation, post: Any, status: int = 201, **body: Any) -> Any:
    """Let a post come again."""
    reply = await api.post(f"/v1/posts/{post['id']}/repeat", body)
    assert reply.status_code == status, reply.text
    return reply.json() if status == 201 else reply


async def steer(api: Installation, made: Any, verb: str, status: int = 200) -> Any:
    """Pause, resume or stop a recurring post."""
    reply = await api.post(f"/v1/recurring/{made['id']}/{verb}", {})
    assert reply.status_code == status, reply.text
    return reply.json()


async def pass_by(api: Installation, made: Any, **span: float) -> None:
    """Let time pass for a recurring post: everything of it lies that much earlier."""
    span_ = timedelta(**span)
    await api.sql(
        "UPDATE recurrences SET next_at = next_at - CAST(:span AS interval),"
        " create_at = create_at - CAST(:span AS interval) WHERE id = :id",
        span=span_,
        id=made["id"],
    )
    await api.sql(
        "UPDATE occurrences SET occurs_at = occurs_at - CAST(:span AS interval)"
        " WHERE recurrence_id = :id",
        span=span_,
        id=made["id"],
    )


async def show(api: Installation, made: Any) -> Any:
    """Return a recurring post as it is now."""
    reply = await api.get(f"/v1/recurring/{made['id']}")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_post_comes_again(api: Installation) -> None:
    """The next occurrence is an ordinary scheduled post; the post itself is none."""
    accounts = [await api.connect(), await api.connect()]
    at = (now() + timedelta(days=1)).astimezone(PARIS).replace(hour=9, minute=30, second=0)
    post = await api.schedule(
        accounts,
        "Every week",
        publish_at=at.isoformat(),
        zone="Europe/Paris",
        overrides={accounts[1]: {"text": "In other words"}},
    )
    made = await repeat(api, post, every={"weeks": 1})
    assert (made["state"], made["zone"], made["made"]) == ("active", "Europe/Paris", 1)
    assert made["in_words"] == f"every week on {at:%A} at 09:30"
    coming = await api.read_post(made["coming"]["post_id"])
    assert coming["state"] == "scheduled"
    local = datetime.fromisoformat(coming["publish_at"]).astimezone(PARIS)
    assert (local.date() - at.date(), f"{local:%H:%M}") == (timedelta(days=7), "09:30")
    assert (coming["text"], coming["zone"]) == ("Every week", "Europe/Paris")
    assert [d["account_id"] for d in coming["deliveries"]] == accounts
    assert [d["text"] for d in coming["deliveries"]] == [None, "In other words"]
    assert coming["recurrence_id"] == made["id"]
    assert (await api.read_post(post["id"]))["recurrence_id"] is None
    assert await api.count("posts") == 2


async def test_the_next_one_is_made_when_the_coming_one_is_due(api: Installation) -> None:
    """Always one ahead: nothing before its time, one at it, none twice."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    assert await making.make_due(api.runtime) == 0
    await pass_by(api, made, days=1, hours=1.5)
    assert await making.make_due(api.runtime) == 1
    assert await making.make_due(api.runtime) == 0
    after = await show(api, made)
    assert (after["made"], len(after["occurrences"])) == (2, 2)
    assert datetime.fromisoformat(after["coming"]["occurs_at"]) > now()
    assert (await api.read_post(after["coming"]["post_id"]))["state"] == "scheduled"


async def test_after_an_outage_there_is_no_burst(api: Installation) -> None:
    """Ten days away: one post, for the next time that is still to come."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    await pass_by(api, made, days=10)
    assert await making.make_due(api.runtime) == 1
    after = await show(api, made)
    assert (
        timedelta() < datetime.fromisoformat(after["coming"]["occurs_at"]) - now() <= timedelta(1)
    )
    assert await making.make_due(api.runtime) == 0
    assert await api.count("posts") == 3


async def test_two_workers_make_it_once(api: Installation) -> None:
    """Five at once: each instant has one post, for ten recurring posts."""
    account = await api.connect()
    for _ in range(10):
        post = await api.schedule([account], publish_at=in_seconds(3600))
        await pass_by(api, await repeat(api, post, every={"days": 1}), days=1, hours=2)
    made = await asyncio.gather(*(making.make_due(api.runtime) for _ in range(5)))
    assert sum(made) == 10
    assert await api.count("posts") == 30
    assert await api.count("occurrences") == 20


async def test_a_claimed_instant_is_not_made_again(api: Installation) -> None:
    """Whatever a recurrence believes: an instant that has its post gets no second one."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, cron="0 9 * * *", zone="UTC")
    await api.sql(
        "UPDATE recurrences SET next_at = :at, create_at = now()",
        at=datetime.fromisoformat(made["coming"]["occurs_at"]),
    )
    assert await making.make_due(api.runtime) == 0
    assert await api.count("posts") == 2
    assert (await show(api, made))["next_at"] == made["next_at"]


async def test_the_job_makes_it_and_the_post_goes_out(api: Installation) -> None:
    """T022: the minute job runs on the maintenance queue."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    await pass_by(api, made, days=1, hours=1.5)
    await api.runtime.queue.enqueue_job("planning.recur", _queue_name="almanac:maintenance")
    await api.work("maintenance")
    assert (await show(api, made))["made"] == 2


async def test_times_and_until_end_it(api: Installation) -> None:
    """It ends when the last of them is due, and stays to be seen."""
    account = await api.connect()
    post = await api.schedule([account], publish_at=in_seconds(3600))
    twice = await repeat(api, post, every={"days": 1}, times=2)
    once = await repeat(api, post, every={"days": 1}, until=in_seconds(36 * 3600))
    assert (once["next_at"], once["state"]) == (None, "active")
    for made in (twice, once):
        await pass_by(api, made, days=1, hours=1.5)
    assert await making.make_due(api.runtime) == 1
    assert [(await show(api, made))["state"] for made in (twice, once)] == ["active", "ended"]
    await pass_by(api, twice, days=1, hours=1.5)
    assert await making.make_due(api.runtime) == 0
    ended = await show(api, twice)
    assert (ended["state"], ended["made"], ended["coming"]) == ("ended", 2, None)
    assert (await steer(api, twice, "pause", 409))["detail"].startswith("The recurring post has")


async def test_pause_and_resume(api: Installation) -> None:
    """A pause cancels what is coming; the end of it schedules the next, at the same instant."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1}, times=5)
    paused = await steer(api, made, "pause")
    assert (paused["state"], paused["coming"], paused["made"]) == ("paused", None, 0)
    assert (await api.read_post(made["coming"]["post_id"]))["state"] == "cancelled"
    await pass_by(api, made, days=3)
    assert await making.make_due(api.runtime) == 0
    resumed = await steer(api, made, "resume")
    assert (resumed["state"], resumed["made"]) == ("active", 1)
    assert resumed["coming"]["post_id"] != made["coming"]["post_id"]
    assert (await api.read_post(resumed["coming"]["post_id"]))["state"] == "scheduled"
    assert (await steer(api, made, "resume", 409))["detail"] == "It is not paused"


async def test_stop(api: Installation) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    assert (await steer(api, made, "stop"))["state"] == "ended"
    assert (await api.read_post(made["coming"]["post_id"]))["state"] == "cancelled"
    assert (await api.read_post(post["id"]))["state"] == "scheduled"
    for verb in ("stop", "resume", "pause"):
        await steer(api, made, verb, 409)
    assert await making.make_due(api.runtime) == 0


async def test_an_occurrence_that_somebody_cancels_is_left_out(api: Installation) -> None:
    """Only that one: the next comes; and pausing minds nothing."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    await api.post(f"/v1/posts/{made['coming']['post_id']}/cancel", {})
    assert await making.make_due(api.runtime) == 0
    await pass_by(api, made, days=1, hours=1.5)
    assert await making.make_due(api.runtime) == 1
    await steer(api, made, "pause")


async def test_change(api: Installation) -> None:
    """Another rhythm and other words: the coming occurrence is made anew."""
    account = await api.connect()
    post = await api.schedule([account], "Old", publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    other = await api.schedule([account], "New", publish_at=in_seconds(7200))
    reply = await api.request(
        "PATCH",
        f"/v1/recurring/{made['id']}",
        json={"cron": "0 9 1 * *", "zone": "Asia/Riyadh", "content_of": other["id"]},
    )
    assert reply.status_code == 200, reply.text
    changed = reply.json()
    assert (changed["cron"], changed["every"], changed["text"]) == ("0 9 1 * *", None, "New")
    at = datetime.fromisoformat(changed["coming"]["occurs_at"])
    assert f"{at.astimezone(ZoneInfo('Asia/Riyadh')):%d %H:%M}" == "01 09:00"
    assert (await api.read_post(changed["coming"]["post_id"]))["text"] == "New"
    assert (await api.read_post(made["coming"]["post_id"]))["state"] == "cancelled"
    assert changed["made"] == 1


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cron": "0 9 * *"}, "cron"),
        ({"cron": "0 0 30 2 *"}, "cron"),
        ({"cron": "* * * * *"}, "cron"),
        ({"cron": "0 9 * * *", "zone": "Nowhere"}, "zone"),
        ({"every": {"days": 1}, "zone": "Nowhere"}, "zone"),
        ({"every": {"days": 1}, "until": "2020-01-01T00:00:00Z"}, "until"),
        ({"every": {"days": 1}, "until": "9999-12-31T23:59:59-12:00"}, "until"),
        ({"every": {"days": 1, "weeks": 1}}, "every"),
        ({"every": {}}, "every"),
        ({"every": {"days": 0}}, "every.days"),
        ({"every": {"days": 1}, "times": 0}, "times"),
    ],
)
async def test_what_cannot_come_again(
    api: Installation, body: dict[str, object], field: str
) -> None:
    """The field is named, and nothing is made."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    assert list(problems(await repeat(api, post, 422, **body))) == [field]
    assert (await api.count("recurrences"), await api.count("posts")) == (0, 1)


async def test_a_post_without_accounts_or_of_others(api: Installation) -> None:
    draft = await api.schedule([], "Nowhere yet")
    reply = await repeat(api, draft, 409, every={"days": 1})
    assert reply.json()["detail"] == "The post goes to no account: choose at least one"
    made = await repeat(api, await api.schedule([await api.connect()]), every={"days": 1})
    key = await api.new_key("posts:read", "posts:write")
    for method, path in (
        ("POST", f"/v1/posts/{draft['id']}/repeat"),
        ("GET", f"/v1/recurring/{made['id']}"),
        ("PATCH", f"/v1/recurring/{made['id']}"),
        *(("POST", f"/v1/recurring/{made['id']}/{verb}") for verb in ("pause", "resume", "stop")),
    ):
        body = {"cron": "0 9 * * *"} if method != "GET" else None
        reply = await api.request(method, path, key=key, json=body)
        assert reply.status_code == 404, path
    assert (await api.get("/v1/recurring", key=key)).json()["items"] == []
    assert (await show(api, made))["state"] == "active"


async def test_platforms_that_refuse_a_text_twice(api: Installation) -> None:
    """The reply says so; the account of another platform gives no note."""
    x, feed = await api.connect(), await api.connect()
    await api.sql("UPDATE accounts SET platform = 'x' WHERE id = :id", id=x)
    made = await repeat(api, await api.schedule([x, feed]), every={"weeks": 1})
    assert made["notes"] == [
        "x refuses a text that it has had lately: give each occurrence words of its own"
    ]
    assert (await repeat(api, await api.schedule([feed]), every={"weeks": 1}))["notes"] == []


async def test_content_that_does_not_fit_any_more_pauses_it(api: Installation) -> None:
    """The owner is told why, nothing is posted half; another account makes it go on."""
    first, second = await api.connect(), await api.connect()
    post = await api.schedule([first, second], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    await pass_by(api, made, days=1, hours=1.5)
    await api.sql("UPDATE accounts SET state = 'disconnected' WHERE id = :id", id=second)
    assert await making.make_due(api.runtime) == 0
    after = await show(api, made)
    assert (after["state"], after["made"]) == ("paused", 1)
    assert after["problem"] == f"accounts[1]: {second} is not among your accounts"
    (notice,) = await api.sql("SELECT kind, text FROM notices")
    assert notice.kind == "recurrence.refused"
    assert after["problem"] in notice.text
    assert await api.count("posts") == 2
    only = await api.schedule([first], publish_at=in_seconds(3600))
    path = f"/v1/recurring/{made['id']}"
    await api.request("PATCH", path, json={"content_of": only["id"]})
    assert (await steer(api, made, "resume"))["problem"] is None


async def test_approved_once_is_approved_again(api: Installation) -> None:
    """Where approval is needed: a draft cannot come again, an approved post's occurrences do."""
    settings = api.runtime.settings.model_copy(update={"approval": True})
    app = api.http._transport.app  # type: ignore[attr-defined] # the app's own client
    account = await api.connect(
        key=(key := await api.new_key("posts:read", "posts:write", "settings:write"))
    )
    object.__setattr__(app.state.runtime, "settings", settings)
    body = {"text": "Hers", "accounts": [account], "publish_at": in_seconds(3600)}
    post = (await api.post("/v1/posts", body, key=key)).json()
    path = f"/v1/posts/{post['id']}/repeat"
    reply = await api.post(path, {"every": {"days": 1}}, key=key)
    assert (reply.status_code, reply.json()["detail"]) == (
        403,
        "The post needs an approval first: submit it",
    )
    await api.post(f"/v1/posts/{post['id']}/approve", {})
    reply = await api.post(path, {"every": {"days": 1}}, key=key)
    assert reply.status_code == 201, reply.text
    coming = await api.read_post(reply.json()["coming"]["post_id"])
    assert (coming["state"], coming["submitted_at"]) == ("scheduled", None)


async def test_a_disabled_owner_posts_nothing(api: Installation) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    made = await repeat(api, post, every={"days": 1})
    await pass_by(api, made, days=2)
    await api.sql("UPDATE users SET disabled_at = now()")
    assert await making.make_due(api.runtime) == 0
    assert await api.count("posts") == 2


async def test_the_list(api: Installation) -> None:
    """Newest first, in pages."""
    account = await api.connect()
    made = [
        await repeat(api, await api.schedule([account], f"Post {n}"), every={"weeks": n + 1})
        for n in range(3)
    ]
    first = (await api.get("/v1/recurring?limit=2")).json()
    assert [item["text"] for item in first["items"]] == ["Post 2", "Post 1"]
    last = (await api.get(f"/v1/recurring?limit=2&cursor={first['next_cursor']}")).json()
    assert ([item["id"] for item in last["items"]], last["next_cursor"]) == ([made[0]["id"]], None)
    assert all(item["coming"] for item in first["items"])


async def test_a_repeat_of_the_request_makes_one(api: Installation) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(3600))
    path, headers = f"/v1/posts/{post['id']}/repeat", {"Idempotency-Key": "once"}
    replies = [await api.post(path, {"every": {"days": 1}}, headers=headers) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert await api.count("recurrences") == 1
    assert datetime.now(UTC) < datetime.fromisoformat(replies[0].json()["coming"]["occurs_at"])
