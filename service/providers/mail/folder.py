"""Mail into files, for development: what would be sent can be read, and nobody gets it."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from service.kit.clock import now
from service.providers.mail import messages
from service.providers.mail.contract import (
    Accepted,
    Mail,
    Outcome,
    Recipient,
    Refused,
    Release,
    Withheld,
    let_go,
)
from service.providers.mail.failures import MailDelayed

_UNSAFE = re.compile(r"[^A-Za-z0-9-]")


class Folder:
    """A folder that gets one `.eml` file per mail.

    Args:
        path: made when it is missing.
    """

    name = "folder"
    batch = 1
    tells = False

    def __init__(self, path: Path) -> None:
        self._path = path

    async def check(self) -> str:
        """Say where mails are written to. Raises MailDelayed if they cannot be."""
        try:
            await asyncio.to_thread(self._path.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MailDelayed(f"cannot write to {self._path}: {error.strerror}") from error
        return f"mails are not sent but written to {self._path}"

    @asynccontextmanager
    async def connect(self) -> AsyncIterator["Folder"]:
        """Return this; there is nothing to open."""
        yield self

    async def send(
        self, mail: Mail, recipients: Sequence[Recipient], release: Release = let_go
    ) -> Mapping[str, Outcome]:
        """Write a mail for one recipient; see `contract.Sender`."""
        messages.check_mail(mail)
        (recipient,) = recipients
        try:
            content = messages.on_wire(messages.build(mail, recipient), utf8=True)
        except ValueError as error:
            return {recipient.id: Refused(553, str(error))}
        await self.check()
        if recipient.id not in await release([recipient.id]):
            return {recipient.id: Withheld()}
        name = f"{now():%Y%m%dT%H%M%S.%f}-{_UNSAFE.sub('-', recipient.id)[:80]}.eml"
        try:
            await asyncio.to_thread(_write, self._path / name, content)
        except OSError as error:
            raise MailDelayed(f"cannot write to {self._path}: {error.strerror}") from error
        return {recipient.id: Accepted(name)}


def _write(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
