"""What a mail is, and what becomes of it for each recipient.

A mail is written once and personal in its placeholders: `%name%` in subject, text, HTML and headers
becomes the recipient's own value, so that ten thousand mails are rendered once.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Recipient:
    """One person that a mail goes to.

    Attributes:
        id: of the row that the mail belongs to; in Message-ID and in the provider's events.
        address: without a name.
        name: shown beside the address; may be empty.
        values: what stands for each placeholder, as plain text: senders escape it for HTML.
    """

    id: str
    address: str
    name: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one person or to many, each of whom gets their own."""

    sender: str
    """With or without a name: `Almanac <news@example.com>`."""
    subject: str
    text: str
    html: str = ""
    """Empty: the mail is plain text."""
    reply_to: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    category: str = ""
    """What the provider counts it under."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider has taken it."""

    provider_id: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """This recipient will never get it; the mail itself may be good."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Delayed:
    """Not now; nothing was sent."""

    reason: str
    until: datetime | None = None
    """When to try again, where the provider says so."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """It was sent and the answer is lost: nobody knows whether it arrived."""

    reason: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """The caller did not let it be sent."""


Outcome = Accepted | Refused | Delayed | Unclear | Withheld
Release = Callable[[Sequence[str]], Awaitable[Sequence[str]]]
"""Called with ids right before the call after which their mails may be out; returns those that may
go. Whoever sends writes down there that the mails are on their way."""


async def let_go(ids: Sequence[str]) -> Sequence[str]:
    """Release every mail: for what nobody keeps a row of."""
    return ids


class Sender(Protocol):
    """An open connection to a provider, used by one task at a time."""

    async def send(
        self, mail: Mail, recipients: Sequence[Recipient], release: Release = let_go
    ) -> Mapping[str, Outcome]:
        """Hand a mail over for up to `Provider.batch` recipients; return what became of each id.

        Raises:
            MailRefused: the provider refuses the mail, or us, and would refuse it for anybody:
                nothing was sent.
            MailDelayed: the provider takes nothing at present; nothing was sent.
        """
        ...


class Provider(Protocol):
    """A mail server or service."""

    name: str
    batch: int
    """Most recipients of one call."""
    tells: bool
    """Whether it tells later what became of a mail, by events."""

    async def check(self) -> str:
        """Log in as for a mail, send none; return where and how. Raises as `Sender.send`."""
        ...

    def connect(self) -> AbstractAsyncContextManager[Sender]:
        """Return a connection; it is opened at the first mail and opened again when it breaks."""
        ...
