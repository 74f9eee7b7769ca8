"""Mail by SMTP (RFC 5321), one recipient at a time, over a connection that is kept.

A 4xx reply and a broken connection mean later, a 5xx reply never. A connection that breaks after
the content was sent leaves it open whether the mail arrived: only then is an outcome unclear.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import aiosmtplib

from service.errors import ConfigurationError
from service.providers.mail import messages
from service.providers.mail.contract import (
    Accepted,
    Delayed,
    Mail,
    Outcome,
    Recipient,
    Refused,
    Release,
    Unclear,
    Withheld,
    let_go,
)
from service.providers.mail.failures import MailDelayed, MailRefused, without_addresses

TIMEOUT = 20.0
"""Seconds for each step of the conversation."""
CONTENT_TIMEOUT = 60.0
"""Seconds for the content and the answer to it: servers look for spam and viruses meanwhile."""
PORTS = {"smtp": 587, "smtps": 465}
GOING_AWAY = 421
"""The server ends the connection, whatever was asked (RFC 5321 §3.8)."""
_LOST = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)


class Smtp:
    """A mail server.

    Args:
        url: `smtp://user:password@host:587`, which begins TLS where the server can and insists on
            it when there is a password, or `smtps://…:465`.
        timeout: seconds for each step but the content's.
        content_timeout: seconds for the content.

    Raises:
        ConfigurationError: the URL is neither.
    """

    name = "smtp"
    batch = 1
    tells = False

    def __init__(
        self, url: str, *, timeout: float = TIMEOUT, content_timeout: float = CONTENT_TIMEOUT
    ) -> None:
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
        self._timeout, self._content_timeout = timeout, content_timeout

    async def check(self) -> str:
        """Connect, encrypt and log in as for a mail, send none; return where and how.

        Raises:
            MailRefused: the server does not let us in.
            MailDelayed: it does not answer.
        """
        with _told(self._where):
            async with self._client() as client:
                encrypted = "TLS" if client.get_transport_info("sslcontext") else "no TLS"
        login = f"logged in as {self._user}" if self._user else "no login"
        return f"{self._where}, {encrypted}, {login}"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Connection"]:
        """Return a connection; it is opened at the first mail and opened again when it breaks."""
        connection = Connection(self._client, self._where, self._content_timeout)
        try:
            yield connection
        finally:
            await connection.close()

    @property
    def _where(self) -> str:
        return f"{self._host}:{self._port}"

    def _client(self) -> aiosmtplib.SMTP:
        return aiosmtplib.SMTP(
            hostname=self._host,
            port=self._port,
            username=self._user,
            password=self._password,
            use_tls=self._tls,
            start_tls=True if self._password and not self._tls else None,
            timeout=self._timeout,
        )


class Connection:
    """One connection to a mail server, used by one task at a time.

    Args:
        new_client: makes a client that is not connected.
        where: host and port, for errors.
        content_timeout: seconds.
    """

    def __init__(
        self, new_client: Callable[[], aiosmtplib.SMTP], where: str, content_timeout: float
    ) -> None:
        self._new_client, self._where = new_client, where
        self._content_timeout = content_timeout
        self._client: aiosmtplib.SMTP | None = None
        self._idle = True
        """Whether no mail is half sent: only then a server understands QUIT, or another mail."""

    async def send(
        self, mail: Mail, recipients: Sequence[Recipient], release: Release = let_go
    ) -> Mapping[str, Outcome]:
        """Hand a mail over for one recipient; see `contract.Sender`."""
        messages.check_mail(mail)
        (recipient,) = recipients
        try:
            message = messages.build(mail, recipient)
        except ValueError as error:
            return {recipient.id: Refused(553, str(error))}
        if not self._idle:  # the mail before ended in an error of the caller's
            self._drop()
        self._idle = False
        outcome = await self._exchange(mail, recipient, message, release)
        self._idle = True
        return {recipient.id: outcome}

    async def close(self) -> None:
        """Take leave of the server; of one that is gone or half told of a mail, without a word."""
        if self._client is not None and self._idle:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._client.quit()
        self._drop()

    def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = None

    async def _exchange(
        self, mail: Mail, recipient: Recipient, message: EmailMessage, release: Release
    ) -> Outcome:
        address, sender = messages.wire_address(recipient.address), messages.sender_address(mail)
        utf8 = not (address.isascii() and sender.isascii())
        content = messages.on_wire(message, utf8=utf8)
        client = await self._begin(sender, content, utf8=utf8)
        if client is None:
            reason = "the address is not ASCII, and the mail server knows no SMTPUTF8"
            return Refused(553, reason)
        if refused := await self._name(client, address, utf8=utf8):
            return refused
        if recipient.id not in await release([recipient.id]):
            await self._reset()
            return Withheld()
        return await self._deliver(client, content)

    async def _begin(self, sender: str, content: bytes, *, utf8: bool) -> aiosmtplib.SMTP | None:
        """Name the sender; return None if the server lacks SMTPUTF8.

        A kept connection may have ended meanwhile: then the sender is named on a new one.
        """
        if self._client is not None and self._client.is_connected:
            try:
                return await self._mail(self._client, sender, content, utf8=utf8)
            except _LOST:
                pass
            except aiosmtplib.SMTPSenderRefused as error:
                if error.code != GOING_AWAY:
                    self._drop()
                    raise _failure(error.code, f"{error.code} {error.message}") from error
        self._drop()
        self._client = self._new_client()
        try:
            with _told(self._where):
                await self._client.connect()
                if self._client.is_ehlo_or_helo_needed:
                    await self._client.ehlo()
                return await self._mail(self._client, sender, content, utf8=utf8)
        except (MailRefused, MailDelayed):
            self._drop()
            raise

    async def _mail(
        self, client: aiosmtplib.SMTP, sender: str, content: bytes, *, utf8: bool
    ) -> aiosmtplib.SMTP | None:
        if utf8 and not client.supports_extension("smtputf8"):
            return None
        options = ["SMTPUTF8"] if utf8 else []
        if client.supports_extension("size"):
            options.append(f"SIZE={len(content)}")
        await client.mail(sender, options=options, encoding="utf-8" if utf8 else "ascii")
        return client

    async def _name(
        self, client: aiosmtplib.SMTP, address: str, *, utf8: bool
    ) -> Refused | Delayed | None:
        """Name the recipient; return why not."""
        try:
            await client.rcpt(address, encoding="utf-8" if utf8 else "ascii")
        except aiosmtplib.SMTPRecipientRefused as error:
            await self._reset(error.code)
            return _outcome(error.code, error.message)
        except _LOST as error:
            self._drop()
            return Delayed(f"the connection to the mail server ended: {error}")
        return None

    async def _deliver(self, client: aiosmtplib.SMTP, content: bytes) -> Outcome:
        try:
            response = await client.data(content, timeout=self._content_timeout)
        except aiosmtplib.SMTPDataError as error:
            await self._reset(error.code)
            return _outcome(error.code, error.message)
        except _LOST as error:
            self._drop()
            return Unclear(f"the connection ended before the mail server answered: {error}")
        return Accepted(response.message[:200])

    async def _reset(self, code: int = 0) -> None:
        """Forget a mail that was begun."""
        if code == GOING_AWAY or self._client is None:
            self._drop()
            return
        try:
            await self._client.rset()
        except (aiosmtplib.SMTPException, OSError):
            self._drop()


def _outcome(code: int, message: str) -> Refused | Delayed:
    text = f"{code} {message}"
    return Refused(code, text) if code >= 500 else Delayed(text)


@contextmanager
def _told(where: str) -> Iterator[None]:
    """Tell the failures of what concerns every mail as ours."""
    try:
        yield
    except aiosmtplib.SMTPAuthenticationError as error:
        text = f"{where} refuses the login of SMTP_URL: {error.code} {error.message}"
        raise _failure(error.code, text) from error
    except aiosmtplib.SMTPResponseException as error:
        raise _failure(error.code, f"{error.code} {error.message}") from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise MailDelayed(without_addresses(f"{where}: {error}")) from error


def _failure(code: int, text: str) -> MailRefused | MailDelayed:
    return (MailRefused if code >= 500 else MailDelayed)(without_addresses(text))
