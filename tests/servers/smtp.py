"""A mail server that keeps to RFC 5321 and takes nothing that does not."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

ADDRESS = re.compile(r"(?:FROM|TO):<([^<>\s]+@[^<>\s]+)>(.*)", re.IGNORECASE)
LONGEST_LINE = 998


@dataclass(frozen=True)
class Accepted:
    """One mail with its envelope."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage


def _willing(_: str) -> str | None:
    return None


class SmtpServer:
    """Listens on a port of this machine, in the loop that enters it."""

    def __init__(self) -> None:
        self.mails: list[Accepted] = []
        self.verbs: list[str] = []
        """Every command that was sent."""
        self.refused: dict[str, str] = {}
        """What a recipient gets in place of 250."""
        self.judge: Callable[[str], str | None] = _willing
        """Asked for recipients that are not in `refused`."""
        self.senders: deque[str] = deque()
        """What the next MAIL commands get in place of 250."""
        self.failures: deque[str] = deque()
        """What the next mails get after their text in place of 250; `drop` ends the connection
        without a word, `take and drop` takes the mail before it does."""
        self.latency = 0.0
        """Seconds before each reply."""
        self.most_connections = 1_000
        """Connections at a time; others get 421."""
        self.mails_per_connection = 1_000_000
        """After so many MAIL commands, the next gets 421 and the connection ends."""
        self.utf8 = False
        """Whether it knows SMTPUTF8 (RFC 6531)."""
        self.connections = 0
        """Made so far."""
        self.open = 0
        self.most_open = 0
        self.url = ""

    async def __aenter__(self) -> "SmtpServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**22)
        self.url = f"smtp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = _Session(self, reader, writer)
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await session.run()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client is gone
        finally:
            self.open -= 1
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
        self._mails = 0
        self._utf8 = False

    async def run(self) -> None:
        if self._server.open > self._server.most_connections:
            await self._say("421 too many connections")
            return
        await self._say("220 tests.invalid")
        while True:
            verb, _, rest = (await self._line()).decode().partition(" ")
            self._server.verbs.append(verb.upper())
            if verb.upper() == "QUIT":
                await self._say("221 bye")
                return
            handler = getattr(self, f"_{verb.lower()}", None)
            if handler is None or verb.startswith("_") or verb.lower() in {"line", "say"}:
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
        await asyncio.sleep(self._server.latency)
        self._writer.write(reply.encode() + b"\r\n")
        await self._writer.drain()

    async def _ehlo(self, name: str) -> None:
        self._greeted = bool(name)
        known = "\r\n250-SMTPUTF8" if self._server.utf8 else ""
        known = f"250-tests.invalid{known}\r\n250-SIZE 10000000\r\n250 8BITMIME"
        await self._say(known if name else "501 who?")

    async def _noop(self, _: str) -> None:
        await self._say("250 here")

    async def _rset(self, _: str) -> None:
        self._sender, self._recipients = "", []
        await self._say("250 forgotten")

    async def _mail(self, rest: str) -> None:
        found = ADDRESS.fullmatch(rest)
        if not self._greeted or self._sender or found is None:
            await self._say("503 not now")
            return
        self._mails += 1
        if self._mails > self._server.mails_per_connection:
            await self._say("421 enough for one connection")
            raise ConnectionError
        self._utf8 = "SMTPUTF8" in found[2].upper().split()
        unknown = self._utf8 and not self._server.utf8
        if unknown or not (found[1].isascii() or self._utf8):
            await self._say("553 5.6.7 SMTPUTF8 is needed, or unknown")
        elif self._server.senders:
            await self._say(self._server.senders.popleft())
        else:
            self._sender = found[1]
            await self._say("250 sender noted")

    async def _rcpt(self, rest: str) -> None:
        found = ADDRESS.fullmatch(rest)
        if not self._sender or found is None:
            await self._say("503 not now")
            return
        refusal = self._server.refused.get(found[1]) or self._server.judge(found[1])
        if not found[1].isascii() and not self._utf8:
            refusal = "553 5.6.7 the address needs SMTPUTF8"
        if refusal is None:
            self._recipients.append(found[1])
        await self._say(refusal or "250 recipient noted")

    async def _data(self, _: str) -> None:
        if not self._recipients:
            await self._say("503 for whom?")
            return
        await self._say("354 go on")
        text, longest = bytearray(), 0
        while (line := await self._line()) != b".":
            longest = max(longest, len(line))
            text += line.removeprefix(b".") + b"\r\n"
        sender, recipients = self._sender, tuple(self._recipients)
        self._sender, self._recipients = "", []
        if longest > LONGEST_LINE:
            await self._say("500 5.5.2 a line is too long")
            return
        verdict = self._server.failures.popleft() if self._server.failures else ""
        if verdict in {"", "take and drop"}:
            message = BytesParser(policy=policy.default).parsebytes(bytes(text))
            assert isinstance(message, EmailMessage)
            self._server.mails.append(Accepted(sender, recipients, message))
        if verdict.endswith("drop"):
            raise ConnectionError
        await self._say(verdict or "250 it is ours now")
