"""What an answer means for a reader's mail, and which answers are the address's fault."""

from datetime import UTC, datetime, timedelta

import pytest

from service.newsletters.models import DeliveryState
from service.newsletters.outcomes import result_of
from service.newsletters.rules import RETRIES
from service.providers.mail.contract import Delayed, Refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
LAST = len(RETRIES) + 1


@pytest.mark.parametrize(
    ("outcome", "bounced"),
    [
        (Refused(550, "550 5.1.1 no such user"), True),
        (Refused(554, "554 5.7.1 we take it for spam"), True),
        (Refused(553, "the address is not ASCII, and the mail server knows no SMTPUTF8"), False),
        (Refused(400, "Does not contain a valid address."), False),
        (Delayed("451 4.7.1 greylisted"), True),
        (Delayed("452 4.2.2 mailbox full"), True),
        (Delayed("421 4.3.2 shutting down"), False),
        (Delayed("SendGrid answers 503"), False),
        (Delayed("the connection to the mail server ended"), False),
    ],
)
def test_only_the_readers_server_makes_a_bounce(outcome: Refused | Delayed, bounced: bool) -> None:
    """A service that is away for long counts against no address: else three such issues would
    suppress every reader."""
    result = result_of(outcome, LAST, NOW)
    assert result is not None
    assert (result.state, result.bounced) == (DeliveryState.REFUSED, bounced)


def test_the_server_may_ask_for_a_longer_wait() -> None:
    """What is delayed is tried again after the longer of both waits, four times in all."""
    soon, late = NOW + timedelta(seconds=1), NOW + timedelta(hours=1)
    for attempts, wait in enumerate(RETRIES, 1):
        for until, expected in ((None, wait), (soon, wait), (late, timedelta(hours=1))):
            result = result_of(Delayed("450 later", until), attempts, NOW)
            assert result is not None
            assert (result.state, result.delay) == (DeliveryState.RETRYING, expected)
            assert not result.bounced
