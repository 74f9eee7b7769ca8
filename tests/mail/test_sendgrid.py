"""SendGrid: one call for many, each of whom gets their own."""

import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from service.kit.outbound import Outbound
from service.providers.mail.contract import (
    Accepted,
    Delayed,
    Mail,
    Outcome,
    Recipient,
    Refused,
    Unclear,
    Withheld,
)
from service.providers.mail.failures import MailDelayed, MailRefused
from service.providers.mail.sendgrid import SendGrid
from tests.servers.sendgrid import Faulty, SendGridServer

pytestmark = pytest.mark.asyncio

MAIL = Mail(
    "News <news@example.org>",
    "Hi %name%",
    "Hi %name% %other%",
    "<p>%name% %other%</p>",
    headers={"List-Unsubscribe": "<%url%>"},
    category="issue",
)
ADA = Recipient("id-a", "ada@example.com", "Ada; L, ace", {"name": "A & B", "url": "https://u/a"})
BOB = Recipient("id-b", "bob@example.com", "", {"name": "Bob", "url": "https://u/b"})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[SendGridServer]:
    """The API."""
    with SendGridServer() as server:
        yield server


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    """What calls are made with."""
    async with Outbound(["127.0.0.1"]) as outbound:
        yield outbound


async def send(
    server: SendGridServer, outbound: Outbound, *recipients: Recipient, mail: Mail = MAIL
) -> dict[str, Outcome]:
    """Send a mail."""
    async with SendGrid(server.key, outbound, server.url).connect() as sender:
        return dict(await sender.send(mail, recipients or [ADA, BOB]))


async def test_each_gets_their_own(server: SendGridServer, outbound: Outbound) -> None:
    """T002: one call with to, subject and html; placeholders are each one's values, escaped in
    HTML only."""
    outcomes = await send(server, outbound)
    assert len(server.calls) == 1
    ada, bob = server.mails
    assert (ada.to, ada.name, ada.sender) == ("ada@example.com", "Ada L ace", MAIL.sender)
    assert (ada.subject, bob.subject) == ("Hi A & B", "Hi Bob")
    assert (ada.text, ada.html) == ("Hi A & B %other%", "<p>A &amp; B %other%</p>")
    assert ada.headers == {"List-Unsubscribe": "<https://u/a>"}
    assert (ada.arguments, bob.arguments) == ({"delivery_id": "id-a"}, {"delivery_id": "id-b"})
    assert ada.categories == ("issue",)
    assert outcomes == {"id-a": Accepted(ada.message_id), "id-b": Accepted(ada.message_id)}
    tracking = server.calls[0]["tracking_settings"]
    assert not any(each["enable"] for each in tracking.values())


async def test_one_bad_address_holds_up_nobody(server: SendGridServer, outbound: Outbound) -> None:
    server.bad = {"ada@example.com"}
    outcomes = await send(server, outbound)
    assert outcomes["id-a"] == Refused(400, "Does not contain a valid address.")
    assert isinstance(outcomes["id-b"], Accepted)
    assert [mail.to for mail in server.mails] == ["bob@example.com"]
    assert len(server.calls) == 2


async def test_only_what_is_released_goes(server: SendGridServer, outbound: Outbound) -> None:
    async def bob_only(ids: Sequence[str]) -> Sequence[str]:
        return [each for each in ids if each == "id-b"]

    async with SendGrid(server.key, outbound, server.url).connect() as sender:
        outcomes = await sender.send(MAIL, [ADA, BOB], bob_only)
    assert outcomes["id-a"] == Withheld()
    assert [mail.to for mail in server.mails] == ["bob@example.com"]


async def test_too_much_is_for_later(server: SendGridServer, outbound: Outbound) -> None:
    reset = int(time.time()) + 40
    server.faults.append(Faulty(429, {"X-RateLimit-Reset": str(reset)}))
    outcomes = await send(server, outbound, ADA)
    assert outcomes == {"id-a": Delayed("SendGrid answers 429", datetime.fromtimestamp(reset, UTC))}
    server.faults.append(Faulty(429, {"X-RateLimit-Reset": "99999999999"}))
    (outcome,) = (await send(server, outbound, ADA)).values()
    assert outcome == Delayed("SendGrid answers 429", None)
    server.faults.append(Faulty(429, {"X-RateLimit-Reset": "9999999999"}))
    (outcome,) = (await send(server, outbound, ADA)).values()
    assert isinstance(outcome, Delayed)
    assert outcome.until is not None
    assert outcome.until - datetime.now(UTC) <= timedelta(hours=1)
    assert server.mails == []


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_its_own_failures_are_for_later(
    server: SendGridServer, outbound: Outbound, status: int
) -> None:
    server.faults.append(Faulty(status))
    outcomes = await send(server, outbound, ADA)
    assert outcomes == {"id-a": Delayed(f"SendGrid answers {status}", None)}


@pytest.mark.parametrize("taken", [True, False])
async def test_a_lost_answer_is_unclear(
    server: SendGridServer, outbound: Outbound, taken: bool
) -> None:
    server.faults.append(Faulty(taken=taken))
    outcomes = await send(server, outbound)
    assert all(isinstance(outcome, Unclear) for outcome in outcomes.values())
    assert len(server.mails) == 2 * taken


async def test_nothing_listens(outbound: Outbound) -> None:
    async with SendGrid("key", outbound, "http://127.0.0.1:1").connect() as sender:
        (outcome,) = (await sender.send(MAIL, [ADA])).values()
    assert isinstance(outcome, Delayed)


async def test_a_wrong_key_is_named(server: SendGridServer, outbound: Outbound) -> None:
    """T083: it says which setting is wrong and where it is put right; nothing was sent."""
    server.key = "another"
    async with SendGrid("SG.old", outbound, server.url).connect() as sender:
        with pytest.raises(MailRefused, match=r"SENDGRID_API_KEY.*Settings → API Keys"):
            await sender.send(MAIL, [ADA])
    with pytest.raises(MailRefused, match="SENDGRID_API_KEY"):
        await SendGrid("SG.old", outbound, server.url).check()
    assert "may send" in await SendGrid("another", outbound, server.url).check()
    with pytest.raises(MailDelayed):
        await SendGrid("key", outbound, "http://127.0.0.1:1").check()


@pytest.mark.parametrize("status", [400, 413])
async def test_what_is_wrong_with_the_mail_is_everybodys(
    server: SendGridServer, outbound: Outbound, status: int
) -> None:
    server.faults.append(Faulty(status))
    with pytest.raises(MailRefused, match=f"{status}.*as armed"):
        await send(server, outbound)
    assert server.mails == []


async def test_values_beyond_the_limit(server: SendGridServer, outbound: Outbound) -> None:
    large = Recipient("large", "l@example.com", "", {"name": "x" * 6_000, "url": "https://u"})
    evil = Recipient("evil", "e@example.com", "E\r\nBcc: x", {"name": "E", "url": "https://u"})
    mail = Mail("n@example.org", "s", "%name%", "%name%")
    outcomes = await send(server, outbound, large, evil, BOB, mail=mail)
    assert [type(outcomes[each]) for each in ("large", "evil", "id-b")] == [
        Refused,
        Refused,
        Accepted,
    ]


async def test_five_hundred_in_one_call(server: SendGridServer, outbound: Outbound) -> None:
    many = [Recipient(str(n), f"r{n}@example.com", "", {"name": f"N{n}"}) for n in range(500)]
    mail = Mail("n@example.org", "Hi %name%", "Hi %name%", "<p>%name%</p>")
    outcomes = await send(server, outbound, *many, mail=mail)
    assert len(server.calls) == 1
    assert {mail.to: mail.html for mail in server.mails} == {
        f"r{n}@example.com": f"<p>N{n}</p>" for n in range(500)
    }
    assert all(isinstance(outcome, Accepted) for outcome in outcomes.values())
