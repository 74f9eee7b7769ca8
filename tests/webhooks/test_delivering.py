"""Attempts of a delivery: what is tried again, when it is given up, what is never called."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from service.kit.outbound import Outbound
from service.webhooks import delivering
from tests.servers.receiver import Receiver, Reply
from tests.support import Installation
from tests.webhooks.helpers import (
    deliver,
    deliveries,
    notices,
    register,
    run_job,
    told,
    varied,
)

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def endpoint(api: Installation, receiver: Receiver) -> AsyncIterator[Any]:
    """An endpoint with one delivery on its way."""
    made = await register(api, receiver)
    await run_job(api, told(number=1))
    yield made


async def only(api: Installation, endpoint: Any) -> Any:
    (delivery,) = await deliveries(api, endpoint["id"])
    return delivery


async def attempt(api: Installation, **settings: Any) -> timedelta | None:
    """Make the next attempt of the only delivery now; return when another one is due."""
    await api.sql("UPDATE webhook_deliveries SET next_at = now()")
    (row,) = await api.sql("SELECT id, version FROM webhook_deliveries")
    return await delivering.deliver(varied(api.runtime, **settings), row.id, row.version)


async def test_500_then_200_is_one_delivery_under_one_id(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """G082: retried on 500; the receiver tells the repeat by webhook-id."""
    receiver.replies.append(Reply(500, body=b"out of\x00order"))
    await deliver(api)
    assert [request.id for request in receiver.received] == [receiver.received[0].id] * 2
    assert receiver.received[0].body == receiver.received[1].body
    delivery = await only(api, endpoint)
    assert (delivery["state"], delivery["attempts"], delivery["error"]) == ("delivered", 2, None)
    log = [(attempt["status"], attempt["answer"]) for attempt in delivery["log"]]
    assert log == [(500, "out of\ufffdorder"), (204, "")]


async def test_gaps_grow_for_hours(api: Installation, receiver: Receiver, endpoint: Any) -> None:
    """As the settings say; then the delivery has failed, and nothing is queued for it."""
    receiver.replies.extend([Reply(503)] * 7)
    gaps = [await attempt(api) for _ in range(6)]
    assert gaps == [timedelta(seconds=s) for s in (5, 300, 1800, 7200, 18_000, 36_000)]
    assert (await only(api, endpoint))["state"] == "pending"
    assert await attempt(api) is None
    delivery = await only(api, endpoint)
    assert (delivery["state"], delivery["attempts"]) == ("failed", 7)
    assert delivery["error"] == "the receiver answered 503"


@pytest.mark.parametrize(
    ("status", "retried"),
    [(408, True), (425, True), (429, True), (500, True), (503, True), (400, False), (404, False)],
)
async def test_what_is_tried_again(
    api: Installation, receiver: Receiver, endpoint: Any, status: int, retried: bool
) -> None:
    receiver.replies.append(Reply(status))
    assert await attempt(api) == (timedelta(seconds=5) if retried else None)
    assert (await only(api, endpoint))["state"] == ("pending" if retried else "failed")


async def test_the_receiver_may_ask_for_a_longer_wait(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    receiver.replies.extend([Reply(429, {"Retry-After": "120"}), Reply(503, {"Retry-After": "1"})])
    asked = await attempt(api)
    assert asked is not None
    assert timedelta(seconds=115) < asked <= timedelta(seconds=120)
    due = datetime.fromisoformat((await only(api, endpoint))["next_at"])
    assert timedelta(seconds=100) < due - datetime.now(UTC) <= timedelta(seconds=120)
    assert await attempt(api) == timedelta(seconds=300), "only lengthened"


async def test_410_disables_the_endpoint(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    receiver.replies.append(Reply(410))
    await deliver(api)
    shown = (await api.get(f"/v1/webhooks/{endpoint['id']}")).json()
    reason = "the receiver answered 410: it wants no more"
    assert (shown["enabled"], shown["disabled_reason"]) == (False, reason)
    (notice,) = await notices(api)
    assert (notice["kind"], notice["text"]) == ("webhook.disabled", reason)
    await run_job(api, told(number=2))
    assert await api.count("webhook_deliveries") == 1
    assert len(receiver.received) == 1
    enabled = await api.request("PATCH", f"/v1/webhooks/{endpoint['id']}", json={"enabled": True})
    again = enabled.json()
    assert (again["enabled"], again["disabled_reason"], again["failures"]) == (True, None, 0)


async def test_many_failures_in_a_row_disable_it_and_tell_its_owner(
    api: Installation, receiver: Receiver
) -> None:
    """One that arrives starts the count again; other people hear nothing."""
    key = await api.new_key("settings:write", "jobs:read")
    made = await register(api, receiver)
    await api.sql("UPDATE webhook_endpoints SET owner_id = (SELECT max(id::text)::uuid FROM users)")
    for enabled, status in zip((1, 1, 1, 1, 1, 0), (400, 400, 204, 400, 400, 400), strict=True):
        receiver.replies.append(Reply(status))
        await run_job(api, told(number=1))
        await deliver(api, webhook_failures=3)
        (row,) = await api.sql("SELECT enabled FROM webhook_endpoints")
        assert row.enabled == bool(enabled)
    shown = (await api.get(f"/v1/webhooks/{made['id']}")).json()
    assert (shown["enabled"], shown["failures"]) == (False, 3)
    assert shown["disabled_reason"] == (
        "3 deliveries in a row failed; the last: the receiver answered 400"
    )
    (notice,) = await notices(api, key)
    assert notice["title"] == f"Webhook to {receiver.url.removeprefix('http://')} is disabled"
    assert await notices(api, await api.new_key("jobs:read", user="somebody else")) == []


async def test_what_waits_for_a_disabled_endpoint_fails_and_can_be_replayed(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    path = f"/v1/webhooks/{endpoint['id']}"
    await api.request("PATCH", path, json={"enabled": False})
    await deliver(api)
    assert receiver.received == []
    assert (await only(api, endpoint))["error"] == "the endpoint is disabled; enable it and replay"
    assert (await api.post(f"{path}/replay", {})).status_code == 409
    await api.request("PATCH", path, json={"enabled": True})
    assert (await api.post(f"{path}/replay", {})).json() == {"replayed": 1}
    await deliver(api)
    assert len(receiver.received) == 1
    assert (await only(api, endpoint))["state"] == "delivered"
    assert (await api.get(path)).json()["failures"] == 0


async def test_a_slow_answer_is_tried_again(
    api: Installation, receiver: Receiver, endpoint: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "DEADLINE", 0.5)
    receiver.replies.append(Reply(delay=2))
    assert await attempt(api) == timedelta(seconds=5)
    delivery = await only(api, endpoint)
    assert (delivery["state"], delivery["error"]) == ("pending", "no whole answer within 0.5 s")
    assert delivery["log"][0]["status"] is None
    assert delivery["log"][0]["duration_ms"] >= 500


async def test_a_redirect_is_not_followed(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """Neither to a private address nor anywhere: the signature is for one receiver."""
    for target in ("http://169.254.169.254/latest", f"{receiver.url}/elsewhere"):
        receiver.replies.append(Reply(302, {"Location": target}))
        await deliver(api)
        delivery = await only(api, endpoint)
        assert (delivery["state"], delivery["error"]) == ("failed", "the receiver answered 302")
        await api.post(f"/v1/webhooks/{endpoint['id']}/replay", {})
    assert receiver.elsewhere == 0


class Rebinding:
    """A name that was public when its owner registered it."""

    def __init__(self) -> None:
        self.answers = [["93.184.215.14"], ["10.0.0.7"]]

    async def __call__(self, host: str, port: int) -> list[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_a_name_that_turns_private_is_refused_at_the_delivery(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """DNS rebinding: every delivery judges the address again, and says why it is refused."""
    url = "http://rebind.test/hook"
    async with Outbound(resolve=Rebinding()) as outbound:
        await outbound.check(url)
        await api.sql("UPDATE webhook_endpoints SET url = :url", url=url)
        await deliver(api, outbound)
    delivery = await only(api, endpoint)
    assert delivery["state"] == "failed"
    assert "rebind.test:80 is at 10.0.0.7, which is private" in delivery["error"]
    assert receiver.received == []


async def test_nobody_there_is_tried_again(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    await api.sql("UPDATE webhook_endpoints SET url = 'http://127.0.0.1:1/hook'")
    assert await attempt(api) == timedelta(seconds=5)
    assert (await only(api, endpoint))["log"][0]["status"] is None


async def test_a_replay_is_sent_again_under_the_same_id(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """Also one that arrived; the job of the version before ends without effect."""
    await deliver(api)
    delivery = await only(api, endpoint)
    path = f"/v1/webhooks/{endpoint['id']}/deliveries/{delivery['id']}/replay"
    assert (await api.post(f"/v1/webhooks/{endpoint['id']}/replay", {})).json() == {"replayed": 0}
    replayed = await api.post(path, {})
    assert (replayed.status_code, replayed.json()["state"]) == (202, "pending")
    assert await delivering.deliver(api.runtime, UUID(delivery["id"]), 1) is None
    await deliver(api)
    assert [request.id for request in receiver.received] == [delivery["id"]] * 2
    assert len((await only(api, endpoint))["log"]) == 2


async def test_after_a_rotation_both_secrets_sign(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """A receiver may take over the new one when it likes, within a day."""
    old = receiver.secret
    path = f"/v1/webhooks/{endpoint['id']}/rotate-secret"
    new = (await api.post(path, {})).json()["secret"]
    assert new != old
    await deliver(api)
    receiver.secret = new
    await api.post(f"/v1/webhooks/{endpoint['id']}/test", {})
    await deliver(api)
    assert [request.signatures for request in receiver.received] == [2, 2]
    await api.sql("UPDATE webhook_endpoints SET old_secret_until = now()")
    await api.post(f"/v1/webhooks/{endpoint['id']}/test", {})
    await deliver(api)
    assert receiver.received[-1].signatures == 1


async def test_a_slow_receiver_gets_few_requests_at_a_time(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """So that it holds up neither itself nor the deliveries of others."""
    for number in range(11):
        await run_job(api, told(number=100 + number))
    receiver.replies.extend([Reply(delay=0.2)] * 12)
    await deliver(api)
    assert len(receiver.received) == 12
    assert receiver.most_at_once == 5


async def test_a_job_that_comes_too_early_waits(
    api: Installation, receiver: Receiver, endpoint: Any
) -> None:
    """Its worker died after the attempt was written, and before the job was put off."""
    receiver.replies.append(Reply(500))
    await attempt(api)
    (row,) = await api.sql("SELECT id, version FROM webhook_deliveries")
    delay = await delivering.deliver(api.runtime, row.id, row.version)
    assert delay is not None
    assert timedelta(seconds=1) < delay <= timedelta(seconds=5)
    assert len(receiver.received) == 1
    assert (await only(api, endpoint))["attempts"] == 1
