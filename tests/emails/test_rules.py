"""The pace, and what an answer or an event means."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.emails.models import MailState
from service.emails.rules import AHEAD, Pace, Progress, after, grant, is_bounce, is_hard, suppresses
from service.providers.mail.events import MailEventKind

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
FRESH = Progress(datetime(1970, 1, 1, tzinfo=UTC), NOON.date(), 0)


@given(
    st.floats(0.1, 100),
    st.integers(1, 200),
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 20)), min_size=1, max_size=60),
)
def test_no_limit_is_exceeded(
    per_second: float, per_day: int, asks: list[tuple[int, float]]
) -> None:
    """Whoever asks, whenever: never more in a day, never closer together than the pace."""
    pace, progress, moment, given_out, free_at = Pace(per_second, per_day), FRESH, NOON, 0, NOON
    for wanted, later in asks:
        moment += timedelta(seconds=later)
        reserved, progress = grant(pace, progress, wanted, moment)
        assert 0 <= reserved.count <= wanted
        if reserved.count:
            assert free_at <= reserved.at or abs(free_at - reserved.at) < timedelta(milliseconds=1)
            assert timedelta() <= reserved.at - moment <= AHEAD
            free_at = reserved.at + timedelta(seconds=reserved.count / per_second)
            given_out += reserved.count
        else:
            assert reserved.at > moment, "it says when to ask again"
    assert given_out <= per_day


def test_a_day_begins_anew() -> None:
    used = Progress(NOON, NOON.date(), 100)
    none, same = grant(Pace(per_day=100), used, 1, NOON)
    assert (none.count, none.at, same) == (0, datetime(2026, 11, 23, tzinfo=UTC), used)
    tomorrow = NOON + timedelta(days=1)
    reserved, progress = grant(Pace(per_day=100), used, 7, tomorrow)
    assert (reserved.count, reserved.at) == (7, tomorrow)
    assert (progress.day, progress.sent) == (tomorrow.date(), 7)


@pytest.mark.parametrize(
    ("reason", "hard"),
    [
        ("550 5.1.1 nobody", True),
        ("550-5.1.10 nobody", True),
        ("550 nobody", False),
        ("552 5.2.2 full", False),
        ("554 5.7.1 spam", False),
        ("550 10.5.1.1 is listed", False),
    ],
)
def test_only_a_missing_address_is_hard(reason: str, hard: bool) -> None:
    """A 550 alone may be about spam: one refusal must not silence a reader for good."""
    assert is_hard(reason) is hard
    assert is_bounce(int(reason[:3]), reason)
    assert not is_bounce(553, "name must be one line"), "our own refusal"


@pytest.mark.parametrize(
    ("days", "expected"), [([0, 1], False), ([0, 1, 30], True), ([0, 1, 31], False)]
)
def test_three_soft_bounces(days: list[int], expected: bool) -> None:
    assert suppresses([NOON - timedelta(days=day) for day in days], NOON) is expected


def test_what_an_event_makes_of_a_mail() -> None:
    found = {
        (state, kind): after(state, kind)
        for state in MailState
        for kind in MailEventKind
        if after(state, kind) is not None
    }
    arrived = (MailEventKind.ACCEPTED, MailEventKind.DELIVERED)
    back = (MailEventKind.BOUNCED, MailEventKind.SOFT_BOUNCED)
    out = (MailState.SENDING, MailState.SENT, MailState.UNCONFIRMED)
    assert found == {
        **{(MailState.UNCONFIRMED, kind): MailState.SENT for kind in arrived},
        **{(state, kind): MailState.REFUSED for state in out for kind in back},
    }
