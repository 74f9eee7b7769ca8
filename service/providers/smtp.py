"""Mail by SMTP (RFC 5321).

A 4xx reply and a broken connection mean later, a 5xx reply never. A connection that breaks after
the text was sent leaves it open whether the mail arrived; it is sent again under the same
Message-ID, by which mail programs show it once.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from urllib.parse import unquote, urlsplit

import aiosmtplib

from service.errors import AlmanacError, ConfigurationError
from service.kit.clock import now

TIMEOUT = 20.0
"""Seconds for each step of the conversation."""
PORTS = {"smtp": 587, "smtps": 465}

log = logging.getLogger(__name__)


class MailRefused(AlmanacError):
    """The mail server will never take this mail."""

    status = 502
    slug = "mail-refused"


class MailDelayed(AlmanacError):
    """The mail server does not take this mail now."""

    status = 502
    slug = "mail-delayed"


@dataclass(frozen=True, slots=True)
class Mail:
    """A plain text mail; `key` names it among all mails, so that a repeat is known."""

    sender: str
    recipients: Sequence[str]
    subject: str
    text: str
    key: str

    def message(self) -> EmailMessage:
        """Return it as it is sent."""
        message = EmailMessage()
        message["From"] = self.sender
        message["To"] = ", ".join(self.recipients)
        message["Subject"] = " ".join(self.subject.split())
        message["Date"] = format_datetime(now())
        message["Message-ID"] = f"<{self.key}@{self.sender.rpartition('@')[2].strip('<> ')}>"
        message.set_content(self.text)
        return message


class Smtp:
    """A mail server.

    Args:
        url: `smtp://user:password@host:587`, which begins TLS where the server can and insists on
            it when there is a password, or `smtps://…:465`.

    Raises:
        ConfigurationError: the URL is neither.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        try:
            port = parts.port or PORTS[parts.scheme]
        except (KeyError, ValueError):
            port = 0
        if not port or not parts.hostname:
            raise ConfigurationError("SMTP_URL must be smtp://host:port or smtps://host:port")
        self._host, self._port = parts.hostname, port
        self._tls = parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None

    async def check(self) -> str:
        """Connect, encrypt and log in as for a mail, send none; return where and how.

        Raises:
            MailRefused: the server does not let us in.
            MailDelayed: it does not answer.
        """
        with self._told():
            async with self._client() as client:
                encrypted = "TLS" if client.get_transport_info("sslcontext") else "no TLS"
        login = f"logged in as {self._user}" if self._user else "no login"
        return f"{self._host}:{self._port}, {encrypted}, {login}"

    async def send(self, mail: Mail) -> None:
        """Hand a mail over.

        Raises:
            MailRefused: no recipient can ever have it.
            MailDelayed: try again later.
        """
        with self._told():
            async with self._client() as client:
                refused, _ = await client.send_message(mail.message())
        for recipient, (code, message) in refused.items():
            log.warning("a recipient was refused: %d", code)
            log.debug("mail to %s refused: %d %s", recipient, code, message)  # an address

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=True if self._password and not self._tls else None,
            timeout=TIMEOUT,
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell the failures of a conversation as ours."""
        try:
            yield
        except aiosmtplib.SMTPRecipientsRefused as error:
            raise _failure(*((r.code, r.message) for r in error.recipients)) from error
        except aiosmtplib.SMTPResponseException as error:
            raise _failure((error.code, error.message)) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise MailDelayed(f"{self._host}:{self._port}: {error}") from error


def _failure(*replies: tuple[int, str]) -> AlmanacError:
    text = "; ".join(f"{code} {message}" for code, message in replies)
    permanent = all(code >= 500 for code, _ in replies)
    return MailRefused(text) if permanent else MailDelayed(text)
