"""SMTP: every answer of a mail server has one meaning, and only a lost one is unclear."""

from collections.abc import Sequence

import pytest

from service.errors import ConfigurationError
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
from service.providers.mail.smtp import Smtp
from tests.servers.smtp import SmtpServer
from tests.servers.smtp_real import RealSmtpServer

pytestmark = pytest.mark.asyncio

MAIL = Mail("Almanac <news@example.org>", "Hello", ".\nGrüße\n..\n", "<p>Grüße</p>")
ADA = Recipient("1", "ada@example.com", "Ada")


async def send(server: SmtpServer, recipient: Recipient = ADA, mail: Mail = MAIL) -> Outcome:
    """Send a mail on a connection of its own."""
    async with Smtp(server.url, timeout=5).connect() as sender:
        return (await sender.send(mail, [recipient]))[recipient.id]


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "smtp://", "smtp://:587", "smtp://example.org:99999", "example.org"],
)
async def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_URL must be smtp://host:port"):
        Smtp(url)


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with SmtpServer() as server:
        assert await send(server) == Accepted("it is ours now")
    (mail,) = server.mails
    assert (mail.sender, mail.recipients) == ("news@example.org", ("ada@example.com",))
    assert mail.message["To"] == "Ada <ada@example.com>"
    assert mail.message["Message-ID"] == "<1@example.org>"
    text, html = mail.message.iter_parts()
    assert text.get_content().splitlines() == MAIL.text.splitlines(), "dots arrive"
    assert html.get_content().strip() == "<p>Grüße</p>"
    assert mail.message.get_content_type() == "multipart/alternative"


async def test_a_connection_serves_many_mails() -> None:
    async with SmtpServer() as server, Smtp(server.url).connect() as sender:
        for number in range(5):
            recipient = Recipient(str(number), f"r{number}@example.com")
            await sender.send(MAIL, [recipient])
    assert (len(server.mails), server.connections) == (5, 1)
    assert server.verbs[-1] == "QUIT"


async def test_a_kept_connection_that_ended_is_opened_again() -> None:
    """A server may say goodbye between two mails; neither is lost, none is doubled."""
    async with SmtpServer() as server, Smtp(server.url).connect() as sender:
        server.mails_per_connection = 2
        for number in range(5):
            recipient = Recipient(str(number), f"r{number}@example.com")
            outcomes = await sender.send(MAIL, [recipient])
            assert isinstance(outcomes[recipient.id], Accepted)
    assert [m.recipients[0][:2] for m in server.mails] == ["r0", "r1", "r2", "r3", "r4"]
    assert server.connections == 3


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("550 5.1.1 nobody", Refused(550, "550 5.1.1 nobody")),
        ("450 4.2.0 greylisted", Delayed("450 4.2.0 greylisted")),
        ("451 later", Delayed("451 later")),
        ("421 going away", Delayed("421 going away")),
    ],
)
async def test_the_answer_about_a_recipient_decides(reply: str, expected: Outcome) -> None:
    """A refusal is of that recipient: the next mail of the same connection goes out."""
    async with SmtpServer() as server, Smtp(server.url).connect() as sender:
        server.refused = {ADA.address: reply}
        assert await sender.send(MAIL, [ADA]) == {"1": expected}
        assert server.mails == []
        bob = Recipient("2", "bob@example.com")
        assert isinstance((await sender.send(MAIL, [bob]))["2"], Accepted)
    assert [mail.recipients for mail in server.mails] == [("bob@example.com",)]


@pytest.mark.parametrize(
    ("answer", "kind", "arrived"),
    [
        ("451 4.3.0 busy", Delayed, 0),
        ("554 5.7.1 spam", Refused, 0),
        ("421 going away", Delayed, 0),
        ("drop", Unclear, 0),
        ("take and drop", Unclear, 1),
    ],
)
async def test_the_answer_about_the_content_decides(
    answer: str, kind: type[Outcome], arrived: int
) -> None:
    """Only where the answer is lost, nobody knows."""
    async with SmtpServer() as server, Smtp(server.url).connect() as sender:
        server.failures.append(answer)
        assert isinstance((await sender.send(MAIL, [ADA]))["1"], kind)
        assert len(server.mails) == arrived
        bob = Recipient("2", "bob@example.com")
        assert isinstance((await sender.send(MAIL, [bob]))["2"], Accepted)


async def test_a_slow_answer_about_the_content_is_unclear() -> None:
    async with SmtpServer() as server:

        async def slow(ids: Sequence[str]) -> Sequence[str]:
            server.latency = 0.5  # from the reply to DATA on
            return ids

        async with Smtp(server.url, content_timeout=0.7).connect() as sender:
            sure = await sender.send(MAIL, [ADA], slow)
        assert isinstance(sure["1"], Accepted)
        server.latency = 0.0
        async with Smtp(server.url, content_timeout=0.2).connect() as sender:
            assert isinstance((await sender.send(MAIL, [ADA], slow))["1"], Unclear)


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 not from here", MailRefused), ("451 later", MailDelayed), ("421 later", MailDelayed)],
)
async def test_a_refused_sender_is_everybodys(answer: str, error: type[Exception]) -> None:
    async with SmtpServer() as server:
        server.senders.append(answer)
        with pytest.raises(error, match=answer[:3]):
            await send(server)
        assert server.mails == []
    with pytest.raises(MailDelayed):
        await send(server)  # it is gone


async def test_too_many_connections_are_for_later() -> None:
    async with SmtpServer() as server:
        server.most_connections = 0
        with pytest.raises(MailDelayed, match="421"):
            await send(server)


async def test_nothing_is_sent_that_is_not_released() -> None:
    """The row says that a mail is on its way before its content is; who says no keeps it back."""
    asked = []

    async with SmtpServer() as server, Smtp(server.url).connect() as sender:

        async def release(ids: Sequence[str]) -> Sequence[str]:
            asked.append((list(ids), list(server.verbs)))
            return []

        assert await sender.send(MAIL, [ADA], release) == {"1": Withheld()}
        assert server.mails == []
        assert "DATA" not in server.verbs
        assert isinstance((await sender.send(MAIL, [ADA]))["1"], Accepted)
    ((ids, verbs),) = asked
    assert (ids, verbs[-1]) == (["1"], "RCPT"), "after the recipient was taken"


async def test_a_caller_that_fails_leaves_no_half_mail() -> None:
    async def failing(_: Sequence[str]) -> Sequence[str]:
        raise RuntimeError("the database is away")

    async with SmtpServer() as server, Smtp(server.url).connect() as sender:
        with pytest.raises(RuntimeError):
            await sender.send(MAIL, [ADA], failing)
        assert isinstance((await sender.send(MAIL, [ADA]))["1"], Accepted)
    assert (len(server.mails), server.connections) == (1, 2)


async def test_a_password_is_not_sent_in_clear() -> None:
    async with SmtpServer() as server:
        url = server.url.replace("smtp://", "smtp://almanac:word@")
        with pytest.raises(MailDelayed, match="STARTTLS"):
            async with Smtp(url).connect() as sender:
                await sender.send(MAIL, [ADA])
    assert "AUTH" not in server.verbs
    assert server.mails == []


async def test_addresses_in_other_scripts() -> None:
    """IDN domains go as DNS has them; other local parts need SMTPUTF8, of the server too."""
    domain, local = Recipient("1", "ada@exämple.com", "Ädä"), Recipient("2", "ädä@example.com")
    async with SmtpServer() as server:
        assert isinstance(await send(server, domain), Accepted)
        refused = await send(server, local)
        assert isinstance(refused, Refused)
        assert "SMTPUTF8" in refused.reason
        server.utf8 = True
        assert isinstance(await send(server, local), Accepted)
    assert [m.recipients for m in server.mails] == [
        ("ada@xn--exmple-cua.com",),
        ("ädä@example.com",),
    ]
    assert server.mails[0].message["To"] == "Ädä <ada@xn--exmple-cua.com>"


async def test_a_server_that_others_wrote() -> None:
    """aiosmtpd takes the same conversation: kept connection, refusals, SMTPUTF8."""
    refused = {"gone@example.com": "550 5.1.1 nobody"}
    async with RealSmtpServer(refused=refused) as server, Smtp(server.url).connect() as sender:
        for number, address in enumerate(
            ("ada@example.com", "gone@example.com", "ädä@example.com")
        ):
            await sender.send(MAIL, [Recipient(str(number), address)])
    assert [mail.recipients for mail in server.mails] == [
        ("ada@example.com",),
        ("ädä@example.com",),
    ]
    assert server.mails[0].message["Subject"] == "Hello"
    assert server.connections == 1
