"""What providers and mail servers tell of a mail after it was handed over."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MailEventKind(StrEnum):
    """What happened to a mail."""

    ACCEPTED = "accepted"
    """The provider has it: an unconfirmed mail was sent after all."""
    DEFERRED = "deferred"
    """The recipient's server wants it later; the provider goes on trying."""
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    """The address will never get a mail."""
    SOFT_BOUNCED = "soft_bounced"
    """This mail was given up; the next one may arrive."""
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"
    OPENED = "opened"
    CLICKED = "clicked"


@dataclass(frozen=True, slots=True)
class MailEvent:
    """One event of one mail.

    Attributes:
        kind: what happened.
        at: when, as the provider tells.
        code: of SMTP, 0 where there is none.
        reason: in the words of whoever refused.
        url: that was clicked.
    """

    kind: MailEventKind
    at: datetime
    code: int = 0
    reason: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a provider tells it.

    Attributes:
        id: the provider's own of the event; empty where it has none.
        delivery_id: `Recipient.id` of the mail; empty where it is not ours to know.
        address: whom the mail was for.
        event: what happened.
    """

    id: str
    delivery_id: str
    address: str
    event: MailEvent
