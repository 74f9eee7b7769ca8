"""The mail server's URL, and what is kept from a server that cannot encrypt."""

import pytest

from service.errors import ConfigurationError
from service.providers.smtp import Mail, MailDelayed, Smtp
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio

MAIL = Mail("almanac@example.org", ["ops@example.org"], "Two\nlines", ".\nGrüße\n..\n", "key")


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "smtp://", "smtp://:587", "smtp://example.org:99999", "example.org"],
)
async def test_what_is_no_mail_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="SMTP_URL must be smtp://host:port"):
        Smtp(url)


async def test_a_mail_arrives_as_it_was_written() -> None:
    async with SmtpServer() as server:
        await Smtp(server.url).send(MAIL)
    (mail,) = server.mails
    assert mail.message["Subject"] == "Two lines", "a header is one line"
    assert mail.message["Message-ID"] == "<key@example.org>"
    assert mail.message["To"] == "ops@example.org"
    assert mail.message.get_content().splitlines() == MAIL.text.splitlines()


async def test_a_password_is_not_sent_in_clear() -> None:
    async with SmtpServer() as server:
        url = server.url.replace("smtp://", "smtp://almanac:word@")
        with pytest.raises(MailDelayed, match="STARTTLS"):
            await Smtp(url).send(MAIL)
    assert "AUTH" not in server.verbs
    assert server.mails == []
