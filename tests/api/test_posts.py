"""Scheduling, moving, cancelling, retrying over HTTP, published by a real worker."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from service.posts import sweeping
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio


async def test_a_scheduled_post_is_published_at_its_time(api: Installation) -> None:
    """G001, G005, T006: 201, a row, a job in Redis; then one publication at the due time."""
    account = await api.connect()
    post = await api.schedule([account], "On time", publish_at=in_seconds(1.5))
    assert post["state"] == "scheduled"
    (delivery,) = post["deliveries"]
    assert await api.queued() == [delivery["job_id"]]

    await api.work()

    after = await api.read_post(post["id"])
    (delivery,) = after["deliveries"]
    assert (after["state"], delivery["state"]) == ("published", "published")
    assert 0 <= delivery["lateness_ms"] < 2000
    assert delivery["remote_url"] == f"http://almanac.test/feeds/handle1#{delivery['id']}"
    feed = (await api.http.get("/feeds/handle1.json")).json()
    assert [item["content_text"] for item in feed["items"]] == ["On time"]
    (attempt,) = after["attempts"][delivery["id"]]
    assert (attempt["number"], attempt["outcome"], attempt["error"]) == (1, "published", None)
    assert await api.queued() == []


async def test_a_post_beyond_the_horizon_is_a_row_only(api: Installation) -> None:
    """G017: a post of next week waits in PostgreSQL, not in Redis."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(7 * 86400))
    assert post["state"] == "scheduled"
    assert await api.queued() == []


async def test_schedule_ids_one_per_platform(api: Installation) -> None:
    """G017, G031: one id per account, in the order of the request, unique over 100 calls."""
    accounts = [await api.connect() for _ in range(2)]
    posts = await asyncio.gather(
        *(api.schedule(accounts, publish_at=in_seconds(3600)) for _ in range(100))
    )
    ids = [schedule_id for post in posts for schedule_id in post["schedule_ids"]]
    assert len(ids) == len(set(ids)) == 200
    assert [d["account_id"] for d in posts[0]["deliveries"]] == accounts


async def test_a_post_survives_a_wiped_redis(api: Installation) -> None:
    """G017: FLUSHALL loses nothing; the sweep queues the row again, and once."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(0.3))
    await api.runtime.queue.flushdb()
    assert await api.queued() == []

    await sweeping.sweep(api.runtime)
    await api.work()

    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_a_request_succeeds_while_redis_is_away(api: Installation) -> None:
    """The commit does not wait for the queue; the sweep finds the row."""
    account = await api.connect()
    before = api.runtime.queue.connection_pool.connection_kwargs["path"]
    app_runtime = api.http._transport.app.state.runtime  # type: ignore[attr-defined] # the app's own client
    pool = app_runtime.queue.connection_pool
    await pool.disconnect()
    pool.connection_kwargs["path"] = before + ".gone"
    began = datetime.now(UTC)
    post = await api.schedule([account])
    assert datetime.now(UTC) - began < timedelta(seconds=2)
    pool.connection_kwargs["path"] = before

    assert await api.queued() == []
    assert await sweeping.sweep(api.runtime) == {"processed": 1, "deferred": 0}
    await api.work()
    assert (await api.read_post(post["id"]))["state"] == "published"


async def test_sweep_queues_what_is_due_once(api: Installation) -> None:
    """G011: 5 rows past due and 2 of the future; one run queues 5, a second one none."""
    account = await api.connect()
    due = [await api.schedule([account]) for _ in range(5)]
    for _ in range(2):
        await api.schedule([account], publish_at=in_seconds(7200))
    await api.runtime.queue.flushdb()

    assert await sweeping.sweep(api.runtime) == {"processed": 5, "deferred": 0}
    assert await sweeping.sweep(api.runtime) == {"processed": 0, "deferred": 0}
    assert sorted(await api.queued()) == sorted(p["deliveries"][0]["job_id"] for p in due)


async def test_moving_a_post_ends_its_old_job(api: Installation) -> None:
    """An older version's job finds no row; the post goes out once, at the new time."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(0.4))
    response = await api.request(
        "PATCH", f"/v1/posts/{post['id']}", json={"publish_at": in_seconds(1.2), "text": "Moved"}
    )
    assert response.status_code == 200, response.text
    (delivery,) = response.json()["deliveries"]
    assert delivery["version"] == 2
    assert len(await api.queued()) == 2

    await api.work()

    after = await api.read_post(post["id"])
    assert after["state"] == "published"
    assert 0 <= after["deliveries"][0]["lateness_ms"] < 1000
    feed = (await api.http.get("/feeds/handle1.json")).json()
    assert [item["content_text"] for item in feed["items"]] == ["Moved"]


async def test_a_cancelled_post_is_never_published(api: Installation) -> None:
    """G041: cancelled before its time; its job ends without effect."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(0.3))
    response = await api.post(f"/v1/posts/{post['id']}/cancel", {})
    assert response.json()["state"] == "cancelled"

    await api.work()

    after = await api.read_post(post["id"])
    assert after["state"] == "cancelled"
    assert after["attempts"] == {after["deliveries"][0]["id"]: []}
    again = await api.post(f"/v1/posts/{post['id']}/cancel", {})
    assert again.status_code == 409
    assert again.json()["detail"] == "Nothing is left to cancel: feed is cancelled"


async def test_cancel_by_job_id(api: Installation) -> None:
    """G041: cancelling the job of a delivery cancels the delivery."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(60))
    job_id = post["deliveries"][0]["job_id"]
    assert (await api.post(f"/v1/jobs/{job_id}/cancel", {})).status_code == 202
    assert (await api.read_post(post["id"]))["state"] == "cancelled"
    assert (await api.get(f"/v1/jobs/{job_id}")).json()["state"] == "cancelled"


async def test_publishing_twice_publishes_once(api: Installation) -> None:
    """G073, T078: the same job again finds a published row and changes nothing."""
    post = await api.schedule([await api.connect()])
    await api.work()
    first = await api.read_post(post["id"])
    delivery = first["deliveries"][0]
    await api.runtime.queue.enqueue_job(
        "posts.publish",
        delivery_id=UUID(delivery["id"]),
        version=delivery["version"],
        _queue_name="almanac:publishing",
    )
    await api.work()
    assert await api.read_post(post["id"]) == first


async def test_a_draft_has_no_delivery(api: Installation) -> None:
    """A post without accounts is kept and queues nothing."""
    post = await api.schedule([], "For later")
    assert (post["state"], post["deliveries"]) == ("draft", [])
    assert await api.queued() == []


async def test_the_old_body_is_accepted(api: Installation) -> None:
    """G029: content_id, platforms, caption, hashtags and schedule_time."""
    await api.connect("x")
    await api.connect("instagram")
    response = await api.post(
        "/v1/posts",
        {
            "content_id": 17,
            "platforms": ["twitter"],
            "caption": "Big news",
            "hashtags": ["launch", "#news"],
            "schedule_time": in_seconds(7200),
        },
    )
    assert response.status_code == 201, response.text
    post = response.json()
    assert (post["content_id"], post["text"]) == ("17", "Big news #launch #news")
    assert [d["platform"] for d in post["deliveries"]] == ["x"]


async def test_three_workers_share_the_work(api: Installation) -> None:
    """G004, G074: one job per post; 300 jobs on three workers run exactly once each."""
    account = await api.connect()
    for _ in range(3):
        await asyncio.gather(*(api.schedule([account]) for _ in range(100)))
    await sweeping.sweep(api.runtime)  # a loaded machine may have left some sends to it
    workers = [api.worker(max_jobs=5) for _ in range(3)]
    await asyncio.gather(*(worker.async_run() for worker in workers))
    assert await api.count("attempts") == 300
    assert sum(worker.jobs_complete for worker in workers) == 300
    assert all(worker.jobs_complete > 0 for worker in workers)


async def test_idempotency_key_gives_the_first_reply(api: Installation) -> None:
    """A repeated request makes nothing new; the same key with another body is refused."""
    account = await api.connect()
    body = {"text": "Once", "accounts": [account], "publish_at": in_seconds(3600)}
    headers = {"Idempotency-Key": "abc-1"}
    replies = await asyncio.gather(
        *(api.post("/v1/posts", body, headers=headers) for _ in range(5))
    )
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["id"] for reply in replies}) == 1
    assert sum("Idempotent-Replayed" in reply.headers for reply in replies) == 4
    assert await api.count("posts") == 1
    other = await api.post("/v1/posts", {**body, "text": "Twice"}, headers=headers)
    assert other.status_code == 409
    assert await api.count("posts") == 1


async def test_a_refused_request_leaves_its_idempotency_key_free(api: Installation) -> None:
    """Only replies that changed something are remembered."""
    headers = {"Idempotency-Key": "abc-2"}
    assert (await api.post("/v1/posts", {}, headers=headers)).status_code == 422
    assert await api.count("remembered_replies") == 0
    assert (await api.post("/v1/posts", {"text": "x"}, headers=headers)).status_code == 201


async def test_lists_are_paged_newest_first(api: Installation) -> None:
    """Cursors walk the whole list without gap or repeat, while rows are added."""
    made = [(await api.schedule([], f"{n}"))["id"] for n in range(5)]
    first = (await api.get("/v1/posts?limit=2")).json()
    await api.schedule([], "newer")
    second = (await api.get(f"/v1/posts?limit=2&cursor={first['next_cursor']}")).json()
    third = (await api.get(f"/v1/posts?limit=2&cursor={second['next_cursor']}")).json()
    seen = [post["id"] for page in (first, second, third) for post in page["items"]]
    assert seen == made[::-1]
    assert third["next_cursor"] is None


async def test_a_failed_commit_is_no_success(api: Installation) -> None:
    """The commit comes before the reply: what only the commit refuses is not answered 201."""
    await api.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not today'; END $$"
    )
    await api.sql(
        "CREATE CONSTRAINT TRIGGER late AFTER INSERT ON posts DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    account = await api.connect()
    response = await api.post("/v1/posts", {"text": "x", "accounts": [account]})
    assert response.status_code == 500
    assert response.json()["detail"].startswith("Something went wrong here")
    assert await api.count("posts") == 0
    assert await api.queued() == []
