"""An issue goes out to each reader once, whatever refuses, pauses or dies on the way."""

from collections import Counter

import pytest

from tests.newsletters.publisher import Publisher, part

pytestmark = pytest.mark.asyncio


async def test_each_reader_gets_it_once(publisher: Publisher) -> None:
    """N063, T078, T079: everybody gets their own mail, and a run that comes again sends none."""
    issue, addresses = await publisher.sending(30)
    assert issue["job_id"]
    await publisher.run()
    assert publisher.got() == Counter(addresses)
    found = await publisher.read(issue)
    assert (found["state"], found["counts"]["sent"], found["counts"]["open"]) == ("sent", 30, 0)
    newsletter = (await publisher.api.get(f"/v1/newsletters/{issue['newsletter_id']}")).json()
    assert newsletter["last_sent_at"] == found["sent_at"]

    await publisher.api.sql("UPDATE issues SET state = 'sending'")
    await publisher.run()
    assert publisher.got() == Counter(addresses)


async def test_a_mail_is_the_readers_own(publisher: Publisher) -> None:
    """The mail carries the reader's name and links, and the headers of a list."""
    await publisher.sending(1, sender_name="The Garden", reply_to="hello@example.org")
    await publisher.run()
    mail = publisher.mail_to("reader0@example.com")
    assert mail["Subject"] == "Spring, Reader reader0"
    assert mail["From"] == "The Garden <news@example.org>"
    assert mail["Reply-To"] == "hello@example.org"
    assert mail["List-Unsubscribe"].startswith("<http://almanac.test/n/unsubscribe/")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Id"] == '"Garden News" <garden-news.almanac.test>'
    assert (mail["Precedence"], mail["Auto-Submitted"]) == ("bulk", "auto-generated")
    for kind in ("html", "plain"):
        text = part(mail, kind)
        assert "Hello Reader reader0" in text
        assert "http://almanac.test/n/unsubscribe/" in text
        assert "%" not in text.replace("100%", "")


async def test_refusals_are_each_readers_own(publisher: Publisher) -> None:
    """One who is refused for good, and one for now, hold up nobody; the second gets it later."""
    publisher.smtp.refused = {
        "reader1@example.com": "550 5.1.1 no such user",
        "reader2@example.com": "451 4.7.1 greylisted",
        "reader3@example.com": "554 5.7.1 we take it for spam",
    }
    issue, _ = await publisher.sending(5)
    await publisher.run()
    assert await publisher.states(issue) == {"sent": 2, "refused": 2, "retrying": 1}
    assert (await publisher.read(issue))["state"] == "sending"

    del publisher.smtp.refused["reader2@example.com"]
    await publisher.pass_time(59)
    await publisher.run()
    assert (await publisher.states(issue))["retrying"] == 1
    await publisher.pass_time(2)
    await publisher.run()
    assert publisher.got() == {f"reader{n}@example.com": 1 for n in (0, 2, 4)}
    assert (await publisher.read(issue))["state"] == "sent"

    rows = await publisher.api.sql("SELECT address, state FROM subscribers WHERE state = 'bounced'")
    assert [row.address for row in rows] == ["reader1@example.com"]
    (one,) = await publisher.api.sql("SELECT address, reason FROM suppressions")
    assert tuple(one) == ("reader1@example.com", "bounce")
    bounces = await publisher.api.sql("SELECT address, hard FROM bounces ORDER BY address")
    assert [tuple(row) for row in bounces] == [
        ("reader1@example.com", True),
        ("reader3@example.com", False),
    ]
    reply = await publisher.api.get(f"/v1/issues/{issue['id']}/deliveries?state=refused")
    found = {row["address"]: (row["code"], row["error"]) for row in reply.json()["items"]}
    assert found["reader1@example.com"] == (550, "550 5.1.1 no such user")


async def test_a_mail_is_tried_four_times(publisher: Publisher) -> None:
    """What a server refuses for now is tried again after 1, 5 and 30 minutes, then refused."""
    publisher.smtp.refused = {"reader0@example.com": "450 4.2.1 mailbox busy"}
    issue, _ = await publisher.sending(1)
    await publisher.run()
    for seconds in (60, 300, 1800):
        assert await publisher.states(issue) == {"retrying": 1}
        await publisher.pass_time(seconds + 1)
        await publisher.run()
    assert await publisher.states(issue) == {"refused": 1}
    (row,) = await publisher.api.sql("SELECT attempts, error FROM issue_deliveries")
    assert tuple(row) == (4, "450 4.2.1 mailbox busy")
    (bounce,) = await publisher.api.sql("SELECT hard FROM bounces")
    assert not bounce.hard
    assert (await publisher.read(issue))["state"] == "sent"
    assert publisher.smtp.mails == []


async def test_a_lost_answer_is_never_repeated(publisher: Publisher) -> None:
    """A connection that ends after the content leaves it open whether it arrived."""
    publisher.smtp.failures.append("take and drop")
    issue, addresses = await publisher.sending(4)
    await publisher.run()
    assert await publisher.states(issue) == {"sent": 3, "unconfirmed": 1}
    assert publisher.got() == Counter(addresses)
    report = (await publisher.api.get(f"/v1/issues/{issue['id']}/report")).json()
    assert report["counts"]["unconfirmed"] == 1
    assert "may have arrived" in report["notes"][0]

    refused = await publisher.api.post(f"/v1/issues/{issue['id']}/resend-unconfirmed", {})
    assert refused.status_code == 422
    told = await publisher.act(issue, "resend-unconfirmed", {"may_arrive_twice": True})
    assert (told["deliveries"], "second time" in told["warning"]) == (1, True)
    await publisher.run()
    assert await publisher.states(issue) == {"sent": 4}
    assert sorted(publisher.got().values()) == [1, 1, 1, 2]


async def test_a_server_that_refuses_us_pauses_the_issue(publisher: Publisher) -> None:
    """T083: nothing is lost: the issue pauses, says why, and goes on when it is resumed."""
    publisher.smtp.senders.extend(["550 5.7.1 no relay for you"] * 8)
    issue, addresses = await publisher.sending(3)
    await publisher.run()
    found = await publisher.read(issue)
    assert (found["state"], "no relay" in found["error"]) == ("paused", True)
    assert await publisher.states(issue) == {"waiting": 3}
    assert publisher.smtp.mails == []
    notices = (await publisher.api.get("/v1/notifications")).json()["items"]
    assert "An issue has paused" in [notice["title"] for notice in notices]

    publisher.smtp.senders.clear()
    await publisher.act(issue, "resume")
    await publisher.run()
    assert publisher.got() == Counter(addresses)
    assert (await publisher.read(issue))["error"] is None


async def test_a_server_that_is_away_is_tried_again(publisher: Publisher) -> None:
    """newsletters.send_issue: 3 retries, 120 s flat; then the issue pauses."""
    publisher.smtp.senders.extend(["421 4.3.2 going down"] * 100)
    issue, addresses = await publisher.sending(2)
    await publisher.run()
    for _ in range(2):
        assert (await publisher.read(issue))["state"] == "sending"
        await publisher.pass_time(119)
        assert await publisher.run() == []
        await publisher.pass_time(2)
        assert len(await publisher.run()) == 1
    await publisher.pass_time(121)
    await publisher.run()
    assert (await publisher.read(issue))["state"] == "paused"
    assert await publisher.states(issue) == {"waiting": 2}
    publisher.smtp.senders.clear()
    await publisher.act(issue, "resume")
    await publisher.run()
    assert publisher.got() == Counter(addresses)
