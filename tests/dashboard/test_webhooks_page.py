"""Webhooks: what people see of endpoints and deliveries, and what they do with them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.helpers import actions_noted
from tests.dashboard.person import Page, Person
from tests.servers.receiver import Receiver, Reply
from tests.support import Installation
from tests.webhooks.helpers import deliver, deliveries, register

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}'


@pytest.fixture(scope="module")
def running() -> Iterator[Receiver]:
    """A running receiver."""
    with Receiver() as server:
        yield server


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    """A receiver that has nothing yet."""
    running.reset()
    return running


def secret_of(page: Page) -> str:
    """Return the secret that a page shows."""
    field = page.main.select_one("#secret")
    assert field is not None
    return str(field["value"])


async def failed(api: Installation, receiver: Receiver, count: int, **body: Any) -> Any:
    """Register the receiver and let so many deliveries fail."""
    made = await register(api, receiver, **body)
    receiver.replies.extend([Reply(404, body=HOSTILE.encode())] * count)
    for _ in range(count):
        await api.post(f"/v1/webhooks/{made['id']}/test", {})
    await deliver(api)
    return made


async def test_without_webhooks_a_page_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/webhooks")
    assert "Nobody is told yet. Add a webhook" in page.text
    assert page.links()["Add a webhook"] == "/webhooks/new"


async def test_a_webhook_is_added_and_its_secret_shown_once(
    admin: Person, receiver: Receiver
) -> None:
    """G082, G084: a URL is registered by a form; the secret signs what it gets."""
    page = await admin.get("/webhooks/new")
    page = await admin.send(page, "/webhooks", 422, url="ftp://x", description=HOSTILE, events=[])
    wrong = [found.get_text(strip=True) for found in page.main.select(".problem")]
    assert wrong == ["Must begin with http:// or https://", "Choose at least one"]
    fields = page.fields("/webhooks")
    assert (fields["url"], fields["description"]) == ("ftp://x", HOSTILE)
    page = await admin.send(
        page, "/webhooks", 422, url="http://10.0.0.1/", events=["job.failed"], names="a.b\nc.d"
    )
    assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in page.text
    assert page.fields("/webhooks")["names"] == "a.b\nc.d"
    assert await admin.api.count("webhook_endpoints") == 0
    page = await admin.send(page, "/webhooks", url=receiver.hook, events=["job.failed"])
    receiver.secret = secret_of(page)
    assert receiver.secret.startswith("whsec_")
    assert page.reply.headers["cache-control"] == "no-store"
    page = await admin.get(page.links()["I have it: go to the webhook"])
    assert receiver.secret not in page.reply.text
    assert page.rows(".facts") == []
    assert "Told of jobs: failed for good Only these names a.b, c.d" in page.text
    page = await admin.send(page, f"{page.path}/test")
    assert page.note == "A test is on its way; see below whether it arrives"
    await deliver(admin.api)
    assert len(receiver.received) == 1
    page = await admin.get(page.path)
    (row,) = page.rows()
    assert row[1:3] == ["delivered", "1"]
    assert row[3].startswith("204")
    assert "✕" not in page.text
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted[-2:] == ["webhooks.create", "webhooks.test"]


async def test_what_a_receiver_answers_is_only_text(admin: Person, receiver: Receiver) -> None:
    made = await failed(admin.api, receiver, 1, description=HOSTILE)
    for path in ("/webhooks", f"/webhooks/{made['id']}"):
        page = await admin.get(path)
        assert HOSTILE in page.text
        assert page.main.select("script, img") == []
    assert "the receiver answered 404" in page.text
    assert page.main.select_one(".log pre") is not None


async def test_what_failed_is_sent_again(admin: Person, receiver: Receiver) -> None:
    """One by its button, or all that failed since then; each under the id that it has."""
    api = admin.api
    made = await failed(api, receiver, 3)
    path = f"/webhooks/{made['id']}"
    page = await admin.get("/webhooks")
    assert "failing since" in page.text
    page = await admin.get(f"{path}?state=failed")
    assert "The last 3 deliveries were given up" in page.text
    assert [row[1] for row in page.rows()] == ["failed"] * 3
    (newest, *_) = await deliveries(api, made["id"])
    page = await admin.send(page, f"{path}/deliveries/{newest['id']}/replay")
    assert (page.path, page.note) == (
        f"{path}?state=failed",
        "It is sent again, under the same id",
    )
    assert len(page.rows()) == 2
    page = await admin.get(page.links()["Send what failed again"])
    assert "2 deliveries that failed are sent again" in page.text
    page = await admin.send(page, f"{path}/replay", since="2999-01-01T00:00", confirmed=None)
    assert "Nothing failed since then" in page.text
    assert len(await deliveries(api, made["id"], "failed")) == 2
    page = await admin.get(f"{path}/replay?since=2020-01-01T00:00")
    page = await admin.send(page, f"{path}/replay")
    assert page.note == "2 deliveries are sent again"
    await deliver(api)
    assert len(await deliveries(api, made["id"], "delivered")) == 3
    assert "works" in (await admin.get("/webhooks")).text
    await admin.get(f"{path}/replay?since=yesterday", 422)


async def test_replaying_since_then_by_the_api(api: Installation, receiver: Receiver) -> None:
    made = await failed(api, receiver, 2)
    path = f"/v1/webhooks/{made['id']}/replay"
    reply = await api.post(path, {}, params={"since": "2999-01-01T00:00:00Z"})
    assert reply.json() == {"replayed": 0}
    reply = await api.post(path, {}, params={"since": "2020-01-01T00:00:00"})
    assert reply.status_code == 422
    reply = await api.post(path, {}, params={"since": "2020-01-01T00:00:00Z"})
    assert reply.json() == {"replayed": 2}


async def test_a_webhook_is_changed(admin: Person, receiver: Receiver) -> None:
    made = await register(admin.api, receiver, description="before", names=["a.b"])
    path = f"/webhooks/{made['id']}"
    page = await admin.get(f"{path}/edit")
    events = made["events"]
    page = await admin.send(page, f"{path}/edit", 422, url="", events=events)
    assert page.fields(f"{path}/edit")["description"] == "before"
    page = await admin.send(
        page, f"{path}/edit", url=receiver.hook, description="", names="", events=events[:2]
    )
    assert page.note == "The webhook is changed"
    found = (await admin.api.get(f"/v1{path}")).json()
    assert (found["description"], found["names"], found["events"]) == ("", [], events[:2])
    page = await admin.send(page, f"{path}/disable")
    assert page.note == "It is told nothing until you enable it"
    token = page.fields("/logout")["csrf"]
    reply = await admin.post(f"{path}/test", csrf=token)
    assert "This endpoint is disabled; enable it first" in reply.text
    assert await admin.api.count("webhook_deliveries") == 0
    page = await admin.send(page, f"{path}/enable")
    assert page.note == "It is told again of what ends"


async def test_a_secret_is_rotated_and_a_webhook_deleted(admin: Person, receiver: Receiver) -> None:
    made = await register(admin.api, receiver)
    path = f"/webhooks/{made['id']}"
    page = await admin.get(path)
    page = await admin.get(page.links()["New secret"])
    assert "For 24 hours requests are signed with both" in page.text
    page = await admin.send(page, f"{path}/rotate")
    assert secret_of(page) != made["secret"]
    page = await admin.get(f"{path}/delete")
    page = await admin.send(page, f"{path}/delete", confirmed=None)
    assert page.title == "Delete this webhook?"
    assert await admin.api.count("webhook_endpoints") == 1
    page = await admin.send(page, f"{path}/delete")
    assert (page.path, page.note) == ("/webhooks", "The webhook is deleted")
    assert await admin.api.count("webhook_endpoints") == 0
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted[-2:] == ["webhooks.rotate_secret", "webhooks.delete"]


async def test_who_only_reads_changes_nothing(stranger: Person, receiver: Receiver) -> None:
    """Readers of jobs see their own endpoints; others' do not exist; nobody else acts."""
    api = stranger.api
    await stranger.log_in("bob", "jobs:read")
    key = await api.new_key("settings:write", "jobs:read", user="bob")
    reply = await api.post("/v1/webhooks", {"url": receiver.hook}, key=key)
    mine = f"/webhooks/{reply.json()['id']}"
    theirs = f"/webhooks/{(await register(api, receiver))['id']}"
    page = await stranger.get("/webhooks")
    assert len(page.rows()) == 1
    await stranger.get(theirs, 404)
    page = await stranger.get(mine)
    assert page.main.select("form, a.button") == []
    token = page.fields("/logout")["csrf"]
    for verb in ("test", "enable", "disable", "edit", "rotate", "delete", "replay"):
        reply = await stranger.post(f"{mine}/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 403, verb
    assert await api.count("webhook_endpoints") == 2
    assert await api.count("webhook_deliveries") == 0


async def test_a_manager_does_nothing_to_others(stranger: Person, receiver: Receiver) -> None:
    theirs = f"/webhooks/{(await register(stranger.api, receiver))['id']}"
    page = await stranger.log_in("bob", "jobs:read", "settings:write")
    token = page.fields("/logout")["csrf"]
    for verb in ("test", "enable", "disable", "edit", "rotate", "delete", "replay"):
        reply = await stranger.post(f"{theirs}/{verb}", csrf=token, confirmed="yes")
        assert "There is no such webhook" in reply.text, verb
    (row,) = await stranger.api.sql("SELECT enabled, old_secret FROM webhook_endpoints")
    assert (row.enabled, row.old_secret) == (True, None)
    assert await stranger.api.count("webhook_deliveries") == 0


async def test_lists_are_paged(admin: Person, receiver: Receiver) -> None:
    made = await failed(admin.api, receiver, 3)
    page = await admin.get(f"/webhooks/{made['id']}?state=failed&limit=2")
    assert len(page.rows()) == 2
    page = await admin.get(page.links()["Older"])
    assert len(page.rows()) == 1
    await register(admin.api, receiver)
    page = await admin.get("/webhooks?limit=1")
    assert len(page.rows()) == 1
    page = await admin.get(page.links()["Older"])
    assert len(page.rows()) == 1
