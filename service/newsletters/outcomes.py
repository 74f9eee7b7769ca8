"""What becomes of a delivery by what the provider answered. Pure."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.emails.queries import is_bounce
from service.newsletters.models import DeliveryState
from service.newsletters.rules import retry_delay
from service.providers.mail.contract import Accepted, Delayed, Outcome, Refused, Unclear

NO_WAIT = timedelta()
MAX_ERROR = 500
_FOR_NOW = re.compile(r"(?!421)4\d\d\b")
"""The reply to one recipient; whatever else delays a mail is no fault of the address."""


@dataclass(frozen=True, slots=True)
class Result:
    """What is written down of one mail.

    Attributes:
        state: of the delivery from here on.
        code: of SMTP.
        error: in the server's words.
        provider_id: what the provider calls the mail.
        delay: until the next attempt, where there is one.
        bounced: whether it counts as a bounce of the address.
    """

    state: DeliveryState
    code: int | None = None
    error: str | None = None
    provider_id: str | None = None
    delay: timedelta = NO_WAIT
    bounced: bool = False


def result_of(outcome: Outcome, attempts: int, now: datetime) -> Result | None:
    """Return what is written down; None where the mail was withheld.

    Args:
        outcome: of the provider.
        attempts: made of this mail, this one included.
        now: the present instant.
    """
    match outcome:
        case Accepted(provider_id):
            return Result(DeliveryState.SENT, provider_id=provider_id or None)
        case Refused(code, reason):
            bounced = is_bounce(code, reason)
            return Result(DeliveryState.REFUSED, code, reason[:MAX_ERROR], bounced=bounced)
        case Unclear(reason):
            return Result(DeliveryState.UNCONFIRMED, error=reason[:MAX_ERROR])
        case Delayed(reason, until):
            delay = retry_delay(attempts)
            if delay is None:
                bounced = _FOR_NOW.match(reason) is not None
                return Result(DeliveryState.REFUSED, error=reason[:MAX_ERROR], bounced=bounced)
            if until is not None:
                delay = max(delay, until - now)
            return Result(DeliveryState.RETRYING, error=reason[:MAX_ERROR], delay=delay)
        case _:
            return None
