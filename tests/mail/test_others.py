"""Addresses, the folder of development, and which provider is opened."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from service.config import Settings
from service.errors import ConfigurationError
from service.kit.outbound import Outbound
from service.providers.mail.addresses import ascii_form, check, domain_of, key
from service.providers.mail.bounces import read
from service.providers.mail.contract import Accepted, Mail, Recipient, Refused
from service.providers.mail.events import MailEventKind
from service.providers.mail.failures import without_addresses
from service.providers.mail.folder import Folder
from service.providers.mail.opening import open_mail


@pytest.mark.parametrize(
    ("address", "kept"),
    [
        ("Ada@EXAMPLE.com", "Ada@example.com"),
        ("o'brien+tag@example.com", "o'brien+tag@example.com"),
        ("ada@xn--exmple-cua.org", "ada@exämple.org"),
    ],
)
def test_an_address_is_kept_in_one_form(address: str, kept: str) -> None:
    assert check(address) == kept
    assert key(address) == kept.casefold()


@pytest.mark.parametrize(
    "address",
    [
        *("", "a", "@", "a@", "@example.com", "a@gmail", "a b@example.com", "a@x..example.com"),
        *("a@example.com\nBcc: b@example.com", "\0@example.com", "Ada <a@example.com>"),
        *("a@example.com, b@example.com", f"{'a' * 65}@example.com", f"a@{'b.' * 130}example.com"),
    ],
)
def test_what_is_no_address_is_refused_in_words(address: str) -> None:
    with pytest.raises(ValueError, match=r"^is (no mail address|longer)"):
        check(address)


def test_addresses_in_other_scripts() -> None:
    assert ascii_form("a@exämple.org") == "a@xn--exmple-cua.org"
    assert ascii_form("ä@example.org") is None
    assert domain_of("Ada <a@münchen.example>") == "xn--mnchen-3ya.example"


def test_what_is_logged_names_nobody() -> None:
    """T082."""
    assert without_addresses("550 <a.b+c@x.example>: no; d@e.f") == "550 <(address)>: no; (address)"


@pytest.mark.asyncio
async def test_without_a_server_mails_are_files(tmp_path: Path) -> None:
    """`almanac up` needs no mail server: what would be sent can be read."""
    folder = Folder(tmp_path / "mail")
    async with folder.connect() as sender:
        mail = Mail("a@example.org", "Hello", "Text")
        assert isinstance(
            (await sender.send(mail, [Recipient("1/../2", "b@example.org")]))["1/../2"], Accepted
        )
        bad = await sender.send(mail, [Recipient("2", "b@example.org", "a\nb")])
        assert isinstance(bad["2"], Refused)
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name.endswith("-1----2.eml")
    assert b"Subject: Hello\r\n" in file.read_bytes()


@pytest.mark.asyncio
async def test_which_provider_is_opened(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, environment="development", home=tmp_path)
    async with Outbound() as outbound:

        def opened(**more: object) -> str:
            return open_mail(settings.model_copy(update=more), outbound).name

        smtp = SecretStr("smtp://127.0.0.1:25")
        assert opened() == "folder"
        assert opened(smtp_url=smtp) == "smtp"
        assert opened(smtp_url=smtp, sendgrid_key=SecretStr("k")) == "sendgrid"
        with pytest.raises(ConfigurationError, match="SMTP_URL or SENDGRID_API_KEY"):
            opened(environment="production")


REPORT = """From: MAILER-DAEMON@mx.example
To: news@example.org
Subject: Undelivered
Date: Sat, 21 Nov 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Original-Recipient: rfc822; ada@example.com
Final-Recipient: rfc822; ada@inner.example
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {said}

--b
Content-Type: {kind}

Message-ID: <0190-abc@example.org>
Subject: Hello

--b--
"""


@pytest.mark.parametrize("kind", ["message/rfc822", "text/rfc822-headers"])
@pytest.mark.parametrize(
    ("action", "status", "said", "expected"),
    [
        ("failed", "5.1.1", "550 5.1.1 nobody", MailEventKind.BOUNCED),
        ("failed", "5.2.2", "552 full", MailEventKind.SOFT_BOUNCED),
        ("Failed", "4.4.7", "too old", MailEventKind.SOFT_BOUNCED),
        ("delayed", "4.2.0", "450 later", MailEventKind.DEFERRED),
        ("delivered", "2.0.0", "250 ok", MailEventKind.DELIVERED),
    ],
)
def test_what_a_mail_server_sends_back(
    action: str, status: str, said: str, expected: MailEventKind, kind: str
) -> None:
    """RFC 3464: whom it is about, which mail, and whether the address is gone."""
    content = REPORT.format(action=action, status=status, said=said, kind=kind).encode()
    (told,) = read(content)
    assert (told.address, told.delivery_id) == ("ada@example.com", "0190-abc")
    assert (told.event.kind, told.event.reason) == (expected, f"{status} {said}")
    assert told.id == read(content)[0].id, "the same report is known again"


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"\0", b"Hello", b"Content-Type: multipart/report\n\nx"),
        b"Content-Type: text/plain; charset=\xff\n\n\xff",
    ],
)
def test_what_is_no_report_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="is no"):
        read(content)
