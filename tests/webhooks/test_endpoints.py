"""Endpoints through the API: what is stored, what is shown, what is refused."""

from typing import Any
from uuid import uuid4

import pytest

from service.accounts.actions import check_keys
from service.errors import ConfigurationError
from service.kit.crypto import Keyring
from tests.servers.receiver import Receiver
from tests.support import Installation, problems
from tests.webhooks.helpers import deliver, deliveries, register

pytestmark = pytest.mark.asyncio


async def test_an_endpoint_from_its_making_to_its_end(
    api: Installation, receiver: Receiver
) -> None:
    made = await register(api, receiver, description="billing", names=["a.b", "a.b"])
    path = f"/v1/webhooks/{made['id']}"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert (await api.get(path)).json() == made
    assert (await api.get("/v1/webhooks")).json() == {"items": [made], "next_cursor": None}
    assert (made["enabled"], made["names"], made["failures"]) == (True, ["a.b"], 0)
    assert len(made["events"]) == 9, "all"
    changed = await api.request("PATCH", path, json={"events": ["job.failed"], "names": []})
    assert changed.json() == {**made, "events": ["job.failed"], "names": []}
    assert (await api.request("DELETE", path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert await api.count("webhook_endpoints") == 0


async def test_the_secret_is_shown_once_and_stored_encrypted(
    api: Installation, receiver: Receiver
) -> None:
    """Not even the repeat of the request shows it, nor what is remembered for that."""
    headers = {"Idempotency-Key": "k"}
    body = {"url": receiver.hook}
    first = await api.post("/v1/webhooks", body, headers=headers)
    again = await api.post("/v1/webhooks", body, headers=headers)
    assert again.status_code == 201
    assert again.json() == {**first.json(), "secret": None}
    assert await api.count("webhook_endpoints") == 1
    secret = first.json()["secret"]
    (row,) = await api.sql("SELECT secret FROM webhook_endpoints")
    assert secret.encode() not in row.secret
    assert (
        await api.sql(
            "SELECT 1 FROM remembered_replies WHERE body::text LIKE :found", found=f"%{secret}%"
        )
        == []
    )


async def test_a_lost_key_is_noticed_at_the_start(api: Installation, receiver: Receiver) -> None:
    await register(api, receiver)
    async with api.runtime.unit_of_work() as uow:
        await check_keys(uow.session, api.runtime.keyring)
        with pytest.raises(ConfigurationError, match="SECRET_KEY_OLD"):
            await check_keys(uow.session, Keyring(["another secret of tests"]))


async def test_a_test_event(api: Installation, receiver: Receiver) -> None:
    made = await register(api, receiver)
    reply = await api.post(f"/v1/webhooks/{made['id']}/test", {})
    assert (reply.status_code, reply.json()["event_type"]) == (202, "webhook.test")
    await deliver(api)
    (request,) = receiver.received
    assert request.id == reply.json()["id"]
    assert (request.body["type"], request.body["data"]) == (
        "webhook.test",
        {"endpoint_id": made["id"]},
    )
    assert len(await deliveries(api, made["id"], "delivered")) == 1
    assert await deliveries(api, made["id"], "failed") == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://10.0.0.1/hook", "10.0.0.1, which is private"),
        ("http://127.0.0.2/hook", "which is loopback"),
        ("http://[::1]/hook", "which is loopback"),
        ("http://169.254.169.254/latest", "which is link-local"),
        ("https://nowhere.invalid/hook", "'nowhere.invalid' was not found"),
        ("ftp://example.com/hook", "must begin with http:// or https://"),
        ("http://user:word@example.com/", "must not contain a user name or password"),
        ("http://2130706433/", "writes its address in an unusual form"),
    ],
)
async def test_an_address_that_may_not_be_called_is_refused(
    api: Installation, receiver: Receiver, url: str, reason: str
) -> None:
    """With the reason, when it is made and when it is changed; nothing is written."""
    refused = await api.post("/v1/webhooks", {"url": url})
    assert refused.status_code == 422
    assert reason in problems(refused)["url"]
    assert await api.count("webhook_endpoints") == 0
    made = await register(api, receiver)
    changed = await api.request("PATCH", f"/v1/webhooks/{made['id']}", json={"url": url})
    assert changed.status_code == 422
    assert reason in problems(changed)["url"]
    assert (await api.get(f"/v1/webhooks/{made['id']}")).json()["url"] == receiver.hook


async def test_every_problem_at_once(api: Installation) -> None:
    body = {"url": "nonsense", "events": ["job.done"], "queues": [""], "secret": "mine"}
    refused = await api.post("/v1/webhooks", body)
    assert refused.status_code == 422
    assert set(problems(refused)) == {"url", "events[0]", "queues[0]", "secret"}
    assert (await api.post("/v1/webhooks", {})).status_code == 422
    assert await api.count("webhook_endpoints") == 0


CALLS: list[tuple[str, str, Any]] = [
    ("GET", "", None),
    ("PATCH", "", {"enabled": False}),
    ("DELETE", "", None),
    ("POST", "/rotate-secret", {}),
    ("POST", "/test", {}),
    ("POST", "/replay", {}),
    ("GET", "/deliveries", None),
]


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
async def test_somebody_elses_endpoint_is_not_there(
    api: Installation, receiver: Receiver, method: str, path: str, body: Any
) -> None:
    made = await register(api, receiver)
    key = await api.new_key("settings:write", "jobs:read")
    url = f"/v1/webhooks/{made['id']}{path}"
    assert (await api.request(method, url, key=key, json=body)).status_code == 404
    shown = (await api.get(f"/v1/webhooks/{made['id']}")).json()
    assert {**shown, "secret": made["secret"]} == made
    assert await api.count("webhook_deliveries") == 0


async def test_scopes(api: Installation, receiver: Receiver) -> None:
    """Who registers an endpoint hears of jobs, and must be allowed to see them."""
    for scope in ("settings:write", "jobs:read"):
        key = await api.new_key(scope)
        refused = await api.post("/v1/webhooks", {"url": receiver.hook}, key=key)
        assert refused.status_code == 403
    assert await api.count("webhook_endpoints") == 0


async def test_an_unknown_delivery(api: Installation, receiver: Receiver) -> None:
    made = await register(api, receiver)
    path = f"/v1/webhooks/{made['id']}/deliveries/{uuid4()}/replay"
    assert (await api.post(path, {})).status_code == 404
