"""A mail server that others wrote, aiosmtpd: what it understands of the conversation counts."""

import asyncio
from email import message_from_bytes, policy
from email.message import EmailMessage

from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.servers.smtp import Accepted


class RealSmtpServer:
    """Listens on a port of this machine, in the loop that enters it.

    Args:
        refused: what recipients get in place of 250.
    """

    def __init__(self, refused: dict[str, str] | None = None) -> None:
        self.mails: list[Accepted] = []
        self.connections = 0
        self.url = ""
        self._refused = refused or {}

    async def __aenter__(self) -> "RealSmtpServer":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    def _protocol(self) -> SMTP:
        self.connections += 1
        return SMTP(
            self,
            enable_SMTPUTF8=True,
            ident="tests",
            hostname="tests.invalid",
            loop=asyncio.get_running_loop(),
        )

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        """Answer to one recipient."""
        if refusal := self._refused.get(address):
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient noted"

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep a mail."""
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        sender = envelope.mail_from or ""
        self.mails.append(Accepted(sender, tuple(envelope.rcpt_tos), message))
        return "250 2.0.0 it is ours now"
