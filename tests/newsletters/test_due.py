"""Newsletters that come by themselves: due at their time, written, sent once in each period."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import time_machine

from service.newsletters import actions, jobs, making
from service.providers.mail.events import MailEvent, MailEventKind
from tests.newsletters.publisher import Publisher
from tests.servers.web import WebServer, rss

pytestmark = pytest.mark.asyncio
MONDAY = datetime(2026, 6, 1, 6, 0, tzinfo=UTC)


async def due_at(publisher: Publisher, moment: str) -> dict[str, int]:
    """Look what is due at an instant."""
    async with publisher.runtime.unit_of_work() as uow:
        return await actions.check_due(uow, datetime.fromisoformat(moment))


async def periods(publisher: Publisher) -> list[tuple[str, str]]:
    """Return name and period of every issue that is due to a period."""
    rows = await publisher.api.sql(
        "SELECT n.name, i.period FROM issues i JOIN newsletters n ON n.id = i.newsletter_id"
        " WHERE period IS NOT NULL ORDER BY 2, 1"
    )
    return [(row.name, row.period) for row in rows]


async def test_the_due_set_is_exact(publisher: Publisher) -> None:
    """T027: what is due at its send time in its zone; paused, cancelled, unpaid ones are not."""
    with time_machine.travel(MONDAY, tick=False):
        made = {
            name: await publisher.newsletter(name=name, automatic=True, **values)
            for name, values in {
                "Daily": {"frequency": "daily", "zone": "UTC"},
                "Weekly": {"frequency": "weekly", "zone": "Europe/Paris"},
                "Later": {"frequency": "daily", "zone": "UTC", "send_time": "18:00"},
                "Unpaid": {"frequency": "daily", "zone": "UTC", "subscription_status": "unpaid"},
                "Paused": {"frequency": "daily", "zone": "UTC"},
                "Cancelled": {"frequency": "daily", "zone": "UTC"},
                "Manual": {"zone": "UTC"},
            }.items()
        }
        for name, verb in (("Paused", "pause"), ("Cancelled", "cancel")):
            reply = await publisher.api.post(f"/v1/newsletters/{made[name]['id']}/{verb}", None)
            await publisher.ok(reply, 200)
    assert (await due_at(publisher, "2026-06-01T06:59Z"))["written"] == 0
    assert (await due_at(publisher, "2026-06-01T07:00Z"))["written"] == 1
    assert (await due_at(publisher, "2026-06-01T09:00Z"))["written"] == 1
    assert await periods(publisher) == [("Daily", "2026-06-01"), ("Weekly", "2026-06-01")]
    assert (await due_at(publisher, "2026-06-02T09:00Z"))["written"] == 2
    assert (await due_at(publisher, "2026-06-08T06:59Z"))["written"] == 2
    assert ("Weekly", "2026-06-08") not in await periods(publisher)
    assert (await due_at(publisher, "2026-06-08T07:00Z"))["written"] == 1
    assert (await periods(publisher)).count(("Weekly", "2026-06-08")) == 1


async def test_two_ticks_make_one_issue(publisher: Publisher) -> None:
    """T027: looked at twice before the send ends, also at the same time, it is one issue."""
    with time_machine.travel(MONDAY, tick=False):
        await publisher.newsletter(frequency="daily", zone="UTC", automatic=True)
    for _ in range(3):
        await due_at(publisher, "2026-06-01T09:10Z")
    await publisher.api.sql("UPDATE newsletters SET next_due_at = '2026-06-01T09:00Z'")
    assert (await due_at(publisher, "2026-06-01T09:20Z"))["written"] == 0
    assert await periods(publisher) == [("Garden News", "2026-06-01")]


async def test_a_written_issue_goes_out(publisher: Publisher) -> None:
    """T003, T079: a due newsletter is written from its feed and delivered, without any human."""
    with WebServer() as web:
        entry = ("Bees like old gardens", "https://garden.example/bees", "", "Bees are there.")
        url = web.serve("feed.xml", rss("Garden news", entry))
        newsletter = await publisher.newsletter(
            frequency="daily", zone="UTC", automatic=True, sources=[url]
        )
        addresses = await publisher.readers(newsletter, 2)
        await publisher.api.sql("UPDATE newsletters SET next_due_at = now()")
        async with publisher.runtime.unit_of_work() as uow:
            uow.enqueue(jobs.check_due())
        await publisher.run()
    assert publisher.got() == dict.fromkeys(addresses, 1)
    (issue,) = (await publisher.api.get("/v1/issues")).json()["items"]
    assert (issue["state"], issue["made_by"]) == ("sent", "summary")
    assert issue["job_id"]
    found = (await publisher.api.get(f"/v1/newsletters/{newsletter['id']}")).json()
    assert found["last_sent_at"] == issue["sent_at"]
    assert found["next_due_at"] > issue["sent_at"]


async def test_what_is_written_may_wait_for_approval(publisher: Publisher) -> None:
    """Where a person is to look at it, the issue is a draft, and they are told."""
    with WebServer() as web:
        entry = ("Bees like old gardens", "https://garden.example/bees", "", "Bees are there.")
        url = web.serve("feed.xml", rss("Garden news", entry))
        newsletter = await publisher.newsletter(automatic=True, needs_approval=True, sources=[url])
        await publisher.readers(newsletter, 1)
        reply = await publisher.api.post(f"/v1/newsletters/{newsletter['id']}/send", {})
        issue = await publisher.ok(reply, 200)
        assert issue["state"] == "writing"
        await publisher.run()
    assert (await publisher.read(issue))["state"] == "draft"
    assert publisher.smtp.mails == []
    notices = (await publisher.api.get("/v1/notifications")).json()["items"]
    assert [notice["title"] for notice in notices] == ["An issue of Garden News is written"]


async def test_what_cannot_be_written_has_failed(publisher: Publisher) -> None:
    """T083: without model and sources the issue says what to set; nothing is sent."""
    newsletter = await publisher.newsletter(automatic=True)
    await publisher.readers(newsletter, 1)
    reply = await publisher.api.post(f"/v1/newsletters/{newsletter['id']}/send", {})
    issue = await publisher.ok(reply, 200)
    await publisher.run()
    found = await publisher.read(issue)
    assert (found["state"], "OPENAI_API_KEY" in found["error"]) == ("failed", True)
    assert publisher.smtp.mails == []
    changed = {"subject": "By hand", "content": "Hello"}
    path = f"/v1/issues/{issue['id']}"
    await publisher.ok(await publisher.api.request("PATCH", path, json=changed), 200)
    await publisher.act(issue, "send")
    await publisher.run()
    assert len(publisher.smtp.mails) == 1


async def test_an_approved_issue_is_sent_when_it_is_due(publisher: Publisher) -> None:
    """Of a newsletter that people write, the oldest approved issue goes; else it is asked daily."""
    with time_machine.travel(MONDAY, tick=False):
        newsletter = await publisher.newsletter(frequency="weekly", zone="UTC")
        await publisher.readers(newsletter, 1)
        assert (await due_at(publisher, "2026-06-01T09:00Z"))["nothing"] == 1
        first = await publisher.issue(newsletter)
        second = await publisher.issue(newsletter)
        for issue in (second, first):
            await publisher.act(issue, "approve")
        assert await due_at(publisher, "2026-06-02T08:59Z") == {
            "written": 0,
            "sent": 0,
            "nothing": 0,
        }
        assert (await due_at(publisher, "2026-06-02T09:00Z"))["sent"] == 1
    assert (await publisher.read(first))["state"] == "sending"
    assert (await publisher.read(second))["state"] == "approved"
    rows = await publisher.api.sql("SELECT next_due_at FROM newsletters")
    assert rows[0].next_due_at == datetime(2026, 6, 9, 9, tzinfo=UTC)


async def test_one_address_gets_an_issue_of_its_own(publisher: Publisher) -> None:
    """T026: generated and sent to one; sent_at and last_sent_at are set; a retry mails nothing."""
    with WebServer() as web:
        entry = ("Bees like old gardens", "https://garden.example/bees", "", "Bees are there.")
        newsletter = await publisher.newsletter(sources=[web.serve("f.xml", rss("News", entry))])
        newsletter_id = UUID(newsletter["id"])

        async def once() -> Any:
            return await making.send_one(
                publisher.runtime,
                newsletter_id,
                "me@example.org",
                "job",
                lambda *_: None,
                last=False,
            )

        publisher.smtp.senders.append("421 4.3.2 busy")
        with pytest.raises(Exception, match="busy"):
            await once()
        for _ in range(2):
            issue_id, later = await once()
            assert later is None
    assert publisher.got() == {"me@example.org": 1}
    (row,) = await publisher.api.sql(
        "SELECT i.id, i.state, i.sent_at, n.last_sent_at FROM issues i, newsletters n"
    )
    assert (row.id, row.state) == (issue_id, "sent")
    assert row.sent_at == row.last_sent_at
    assert row.sent_at is not None


async def test_one_address_of_nothing_fails_at_once(publisher: Publisher) -> None:
    """T026: an unknown newsletter, or no address, fails without a retry."""
    newsletter = await publisher.newsletter()
    nobody = UUID(int=1)
    async with publisher.runtime.unit_of_work() as uow:
        uow.enqueue(jobs.send_one(newsletter_id=nobody, address="me@example.org"))
        uow.enqueue(jobs.send_one(newsletter_id=UUID(newsletter["id"]), address="me"))
    await publisher.run()
    await publisher.pass_time(3600)
    assert await publisher.run() == []
    rows = await publisher.api.sql("SELECT state, tries FROM durable_jobs ORDER BY 1")
    assert [tuple(row) for row in rows] == [("failed", 1), ("failed", 1)]
    assert await publisher.api.count("issues") == 0
    assert publisher.smtp.mails == []


async def test_what_providers_tell_is_kept(publisher: Publisher) -> None:
    """Events confirm what was unconfirmed, and end what comes back or is complained of."""
    publisher.smtp.failures.append("take and drop")
    issue, _ = await publisher.sending(4)
    await publisher.run()
    rows = await publisher.api.sql("SELECT id, state FROM issue_deliveries ORDER BY state")
    lost = next(row.id for row in rows if row.state == "unconfirmed")
    others = [row.id for row in rows if row.state == "sent"]
    at = datetime(2026, 6, 1, tzinfo=UTC)
    told = [
        (lost, MailEvent(MailEventKind.DELIVERED, at)),
        (others[0], MailEvent(MailEventKind.BOUNCED, at, 550, "550 5.1.1 gone")),
        (others[1], MailEvent(MailEventKind.COMPLAINED, at)),
        (others[2], MailEvent(MailEventKind.UNSUBSCRIBED, at)),
    ]
    async with publisher.runtime.unit_of_work() as uow:
        for delivery_id, event in [*told, *told]:
            assert await actions.mail_event(uow.session, delivery_id, event)
        unknown = MailEvent(MailEventKind.DELIVERED, at)
        assert not await actions.mail_event(uow.session, UUID(int=1), unknown)
    counts = (await publisher.read(issue))["counts"]
    expected = {"sent": 3, "bounced": 1, "delivered": 1, "complaints": 1, "unsubscribed": 1}
    assert {name: counts[name] for name in expected} == expected
    people = await publisher.api.sql("SELECT state FROM subscribers ORDER BY state")
    assert [row.state for row in people] == ["active", "bounced", "complained", "unsubscribed"]
