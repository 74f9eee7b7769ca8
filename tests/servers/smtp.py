"""A mail server that keeps to RFC 5321 and takes nothing that does not."""

import asyncio
import re
from collections import deque
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

ADDRESS = re.compile(r"(?:FROM|TO):<([^<>\s]+@[^<>\s]+)>", re.IGNORECASE)


@dataclass(frozen=True)
class Accepted:
    """One mail with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


class SmtpServer:
    """Listens on a port of this machine, in the loop that enters it."""

    def __init__(self) -> None:
        self.mails: list[Accepted] = []
        self.verbs: list[str] = []
        """Every command that was sent."""
        self.refused: dict[str, str] = {}
        """What a recipient gets in place of 250."""
        self.failures: deque[str] = deque()
        """What the next mails get after their text in place of 250."""
        self.url = ""

    async def __aenter__(self) -> "SmtpServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        try:
            await session.run()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            writer.close()


class _Session:
    """One conversation."""

    def __init__(
        self, server: SmtpServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._greeted = False
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say("220 tests.invalid")
        while True:
            verb, _, rest = (await self._line()).decode("ascii").partition(" ")
            self._server.verbs.append(verb.upper())
            if verb.upper() == "QUIT":
                await self._say("221 bye")
                return
            handler = getattr(self, f"_{verb.lower()}", None)
            if handler is None or verb.startswith("_"):
                await self._say("502 no such command")
            else:
                await handler(rest)

    async def _line(self) -> bytes:
        line = await self._reader.readuntil(b"\n")
        if not line.endswith(b"\r\n"):
            await self._say("500 lines end with CR LF")
            raise ConnectionError
        return line[:-2]

    async def _say(self, reply: str) -> None:
        self._writer.write(reply.encode() + b"\r\n")
        await self._writer.drain()

    async def _ehlo(self, name: str) -> None:
        self._greeted = bool(name)
        await self._say("250-tests.invalid\r\n250 8BITMIME" if name else "501 who?")

    async def _rset(self, _: str) -> None:
        self._sender, self._recipients = "", []
        await self._say("250 forgotten")

    async def _mail(self, rest: str) -> None:
        found = ADDRESS.match(rest)
        if not self._greeted or self._sender or found is None:
            await self._say("503 not now")
            return
        self._sender = found[1]
        await self._say("250 sender noted")

    async def _rcpt(self, rest: str) -> None:
        found = ADDRESS.match(rest)
        if not self._sender or found is None:
            await self._say("503 not now")
            return
        refusal = self._server.refused.get(found[1])
        if refusal is None:
            self._recipients.append(found[1])
        await self._say(refusal or "250 recipient noted")

    async def _data(self, _: str) -> None:
        if not self._recipients:
            await self._say("503 for whom?")
            return
        await self._say("354 go on")
        text = bytearray()
        while (line := await self._line()) != b".":
            text += line.removeprefix(b".") + b"\r\n"
        if self._server.failures:
            await self._say(self._server.failures.popleft())
        else:
            message = BytesParser(policy=policy.default).parsebytes(bytes(text))
            assert isinstance(message, EmailMessage)
            accepted = Accepted(self._sender, tuple(self._recipients), message)
            self._server.mails.append(accepted)
            await self._say("250 it is ours now")
        self._sender, self._recipients = "", []
