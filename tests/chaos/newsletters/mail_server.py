"""A mail server in a process of its own (aiosmtpd), which writes down each mail that it takes.

    python -m tests.chaos.newsletters.mail_server FOLDER SECONDS

`FOLDER/port` says where it listens, `FOLDER/mails` has a line of time and address for each mail.
Of a hundred readers it refuses one for good and two for now.
"""

import asyncio
import os
import re
import sys
import time
from collections import Counter
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

FOR_GOOD = "550 5.1.1 no such user"
FOR_NOW = "451 4.7.1 greylisted, come again"


def patience(address: str) -> int | None:
    """Return how often an address is refused for now before it is taken; None: for ever."""
    number = int("".join(re.findall(r"\d+", address.partition("@")[0])) or 0)
    return {7: None, 3: 1, 53: 2}.get(number % 100, 0)


class Handler:
    """What the server answers.

    Args:
        record: file descriptor of the record.
        seconds: that it takes over a mail, half of them after the mail is its own.
    """

    def __init__(self, record: int, seconds: float) -> None:
        self._record, self._seconds = record, seconds
        self._asked: Counter[str] = Counter()

    async def handle_RCPT(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        """Answer to one recipient."""
        most = patience(address)
        if most is None:
            return FOR_GOOD
        self._asked[address] += 1
        if self._asked[address] <= most:
            return FOR_NOW
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 recipient noted"

    async def handle_DATA(  # noqa: N802 - as aiosmtpd calls it
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Take a mail; whoever dies before the answer does not know it."""
        await asyncio.sleep(self._seconds / 2)
        for address in envelope.rcpt_tos:
            os.write(self._record, f"{time.time():.3f} {address}\n".encode())
        await asyncio.sleep(self._seconds / 2)
        return "250 2.0.0 it is ours now"


async def serve(folder: Path, seconds: float) -> None:
    """Listen until the process ends."""
    record = os.open(folder / "mails", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    handler, loop = Handler(record, seconds), asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(handler, ident="tests", hostname="tests.invalid", loop=loop), "127.0.0.1", 0
    )
    port = folder / "port.part"
    port.write_text(str(server.sockets[0].getsockname()[1]))
    port.rename(folder / "port")
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), float(sys.argv[2])))
