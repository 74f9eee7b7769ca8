"""What a platform's answer makes of a delivery, over real sockets."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.access.caller import Caller, Scope
from service.errors import Conflict
from service.platforms.contract import Publication, Published
from service.platforms.feed import Feed, feed
from service.posts import actions, publishing, sweeping
from service.posts.desk import Desk
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def delivery_of(api: Installation, post: Any) -> Any:
    """Return a post's only delivery as it is now, with its attempts."""
    shown = await api.read_post(post["id"])
    (delivery,) = shown["deliveries"]
    return {**delivery, "outcomes": [a["outcome"] for a in shown["attempts"][delivery["id"]]]}


async def advance(api: Installation) -> None:
    """Make every waiting delivery due, as time would."""
    await api.sql("UPDATE deliveries SET next_run_at = now() - interval '1 second'")
    await api.runtime.queue.flushdb()
    await sweeping.sweep(api.runtime)
    await api.work(max_burst_jobs=1)


async def test_a_refusal_is_final(api: Installation) -> None:
    """A 400 is told and not repeated; retry by hand publishes."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=400, body={"error": "no cats"}))
        post = await api.schedule([account])
        await api.work()
        failed = await delivery_of(api, post)
        assert (failed["state"], failed["outcomes"]) == ("failed", ["failed"])
        assert "400" in failed["error"]
        assert receiver.posts == []

        again = await api.post(f"/v1/posts/{post['id']}/retry", {})
        assert again.status_code == 200, again.text
        await api.work()
        assert (await delivery_of(api, post))["state"] == "published"
        assert len(receiver.posts) == 1
        assert (await api.post(f"/v1/posts/{post['id']}/retry", {})).status_code == 409


async def test_a_rate_limit_is_a_wait_not_an_attempt(api: Installation) -> None:
    """429 with Retry-After: waiting until then, no attempt counted."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=429, headers={"Retry-After": "2"}))
        post = await api.schedule([account])
        await api.work(max_burst_jobs=1)
        waiting = await delivery_of(api, post)
        assert (waiting["state"], waiting["attempts"], waiting["outcomes"]) == ("waiting", 0, [])
        await api.work()
        published = await delivery_of(api, post)
        assert (published["state"], published["attempts"]) == ("published", 1)
        assert published["lateness_ms"] >= 1000
        assert len(receiver.posts) == 1


async def test_connection_refused_is_retried_by_policy(api: Installation) -> None:
    """G076, V-figures: three retries after 60, 120 and 240 s, then failed."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
    post = await api.schedule([account])
    await api.work(max_burst_jobs=1)
    delays = []
    for _ in range(3):
        (row,) = await api.sql("SELECT next_run_at - now() AS delay, state FROM deliveries")
        assert row.state == "retrying"
        delays.append(round(row.delay / timedelta(seconds=60)))
        await advance(api)
    assert delays == [1, 2, 4]
    failed = await delivery_of(api, post)
    assert (failed["state"], failed["outcomes"]) == ("failed", ["retrying"] * 3 + ["failed"])


async def test_a_lost_answer_of_a_webhook_is_unconfirmed(api: Installation) -> None:
    """It may be out: it is not sent again, and a person decides."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", status=500))
        post = await api.schedule([account])
        await api.work(max_burst_jobs=1)
        assert (await delivery_of(api, post))["state"] == "waiting"
        await api.sql("UPDATE deliveries SET commit_started_at = now() - interval '1 hour'")
        await advance(api)
        unknown = await delivery_of(api, post)
        assert unknown["state"] == "unconfirmed"
        assert receiver.posts == []

        refused = await api.post(f"/v1/posts/{post['id']}/retry", {})
        assert refused.status_code == 409
        assert '"post_again"' in refused.json()["detail"]
        assert receiver.posts == []

        body = {"unconfirmed": "post_again"}
        assert (await api.post(f"/v1/posts/{post['id']}/retry", body)).status_code == 200
        await api.work()
        assert (await delivery_of(api, post))["state"] == "published"
        assert len(receiver.posts) == 1


async def test_marking_an_unconfirmed_delivery_published(api: Installation) -> None:
    """The person looked, and it was there: nothing is sent."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = await api.schedule([account])
        await api.sql("UPDATE deliveries SET state = 'unconfirmed'")
        body = {"unconfirmed": "mark_published"}
        reply = await api.post(f"/v1/posts/{post['id']}/retry", body)
        assert reply.json()["state"] == "published"
        await api.work()
        assert receiver.posts == []


async def test_a_refused_credential_holds_the_account_until_reconnected(api: Installation) -> None:
    """401: the delivery is held, the account needs reconnecting; reconnecting publishes."""
    with WebhookServer() as receiver:
        credentials = {"url": f"{receiver.url}/hook"}
        account = await api.connect("webhook", credentials)
        receiver.fail(Fault("/hook", status=401))
        first = await api.schedule([account], "first")
        await api.work()
        assert (await delivery_of(api, first))["state"] == "held"
        assert (await api.get(f"/v1/accounts/{account}")).json()["state"] == "needs_reconnect"

        second = await api.schedule([account], "second")
        await api.work()
        assert (await delivery_of(api, second))["state"] == "held"
        assert receiver.posts == []

        assert await api.connect("webhook", credentials) == account
        await api.work()
        assert (await delivery_of(api, first))["state"] == "published"
        assert (await delivery_of(api, second))["state"] == "published"
        assert len(receiver.posts) == 2


async def test_cancelling_while_the_platform_call_is_prepared(api: Installation) -> None:
    """G041: a cancel between claim and stamp wins: the stamp finds no claim, nothing is sent."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = await api.schedule([account])
        await api.sql(
            "UPDATE deliveries SET state = 'publishing', claim_token = gen_random_uuid(), "
            "claimed_until = now() + interval '35 seconds'"
        )
        reply = await api.post(f"/v1/posts/{post['id']}/cancel", {})
        assert reply.json()["state"] == "cancelled"
        (row,) = await api.sql("SELECT claim_token, claimed_until FROM deliveries")
        assert (row.claim_token, row.claimed_until) == (None, None)
        await api.work()
        assert receiver.posts == []


async def test_a_delivery_under_way_cannot_be_cancelled(api: Installation) -> None:
    """After the stamp the post may be out already: 409 says so."""
    post = await api.schedule([await api.connect()])
    await api.sql("UPDATE deliveries SET state = 'publishing', commit_started_at = now()")
    reply = await api.post(f"/v1/posts/{post['id']}/cancel", {})
    assert reply.status_code == 409
    assert reply.json()["detail"] == "Nothing is left to cancel: feed is publishing"


async def test_two_jobs_of_one_delivery_publish_once(api: Installation) -> None:
    """G060, G073: a second worker meets the live claim and waits for its end."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", delay=1.0))
        post = await api.schedule([account])
        job = post["deliveries"][0]
        second = await api.runtime.queue.enqueue_job(
            "posts.publish",
            _queue_name="almanac:publishing",
            delivery_id=job["id"],
            version=job["version"],
        )
        assert second is not None
        running = asyncio.create_task(api.work(max_burst_jobs=2))
        await running
        assert len(receiver.posts) == 1
        assert (await delivery_of(api, post))["outcomes"] == ["published"]


class Broken(Feed):
    """A feed whose adapter has a fault of its own."""

    def __init__(self, step: str) -> None:
        original = feed()
        super().__init__("feed", original.title, original.limits, live=True)
        self.step = step

    async def prepare(self, publication: Publication) -> None:
        """Fail, if this is the step."""
        if self.step == "prepare":
            raise KeyError("surprise")

    async def commit(self, publication: Publication) -> Published:
        """Fail, if this is the step."""
        if self.step == "commit":
            raise KeyError("surprise")
        return await super().commit(publication)


@pytest.mark.parametrize(("step", "stamped"), [("prepare", False), ("commit", True)])
async def test_a_fault_of_an_adapter_uses_up_a_retry(
    api: Installation, step: str, stamped: bool
) -> None:
    """G075: it is logged, recorded, retried by policy; after the stamp it counts as uncertain."""
    post = await api.schedule([await api.connect()])
    platforms = {**api.runtime.platforms, "feed": Broken(step)}
    api.runtime = replace(api.runtime, platforms=platforms)
    await api.work(max_burst_jobs=1)
    delivery = await delivery_of(api, post)
    assert (delivery["state"], delivery["outcomes"]) == ("retrying", ["retrying"])
    assert delivery["error"] == "Unexpected KeyError: 'surprise'; the log has the details"
    (row,) = await api.sql("SELECT commit_started_at IS NOT NULL AS stamped FROM deliveries")
    assert row.stamped is stamped


async def test_a_repeated_claim_is_the_same_claim(api: Installation) -> None:
    """A claim whose reply was lost is made again by its own token, by no other one."""
    post = await api.schedule([await api.connect()])
    delivery_id, token = UUID(post["schedule_ids"][0]), uuid4()
    database = api.runtime.database
    assert await publishing.claim(database, delivery_id, 1, token) is not None
    assert await publishing.claim(database, delivery_id, 1, token) is not None
    assert await publishing.claim(database, delivery_id, 1, uuid4()) is None
    assert await publishing.claim(database, delivery_id, 2, token) is None


async def test_a_cancel_sees_what_happened_before_its_lock(api: Installation) -> None:
    """G041: a stamp that came after the first look and before the lock: not cancelled."""
    post = await api.schedule([await api.connect()])
    (delivery,) = post["deliveries"]
    runtime = api.runtime
    caller = Caller(UUID(int=0), "operator", frozenset({Scope.ADMIN}))
    async with runtime.unit_of_work() as uow:
        desk = Desk(uow, caller, runtime.platforms, runtime.settings.enqueue_horizon)
        # Held, or the session would forget the row and read it anew.
        seen = await actions.publish_job(uow.session, caller, delivery["job_id"])
        assert seen is not None
        await api.sql("UPDATE deliveries SET state = 'publishing', commit_started_at = now()")
        with pytest.raises(Conflict, match="its delivery is publishing"):
            await actions.cancel_publish_job(desk, delivery["job_id"])
        assert seen.delivery.state == "publishing"
    assert (await delivery_of(api, post))["state"] == "publishing"
