"""When a newsletter is due, over changes of the clocks and ends of months."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Problem
from service.newsletters import rules
from service.newsletters.models import Frequency

PARIS = ZoneInfo("Europe/Paris")
ZONES = ("UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe",
         "Pacific/Apia", "America/Sao_Paulo")  # fmt: skip
INSTANTS = st.integers(630_000_000, 2_840_000_000).map(
    lambda seconds: datetime.fromtimestamp(seconds, UTC)
)
CLOCKS = st.builds(time, st.integers(0, 23), st.integers(0, 59))
COMING = st.sampled_from([each for each in Frequency if each != Frequency.MANUAL])


def due(last: str, frequency: str, at: str = "09:00", zone: ZoneInfo = PARIS, **day: int) -> str:
    found = rules.next_due(
        datetime.fromisoformat(last), frequency, zone, time.fromisoformat(at), **day
    )
    assert found is not None
    return found.astimezone(zone).isoformat()


@pytest.mark.parametrize(
    ("last", "frequency", "following"),
    [
        ("2026-03-27T09:07+01:00", "daily", "2026-03-28T09:00:00+01:00"),
        ("2026-03-28T09:00+01:00", "daily", "2026-03-29T09:00:00+02:00"),
        ("2026-10-24T23:59+02:00", "daily", "2026-10-25T09:00:00+01:00"),
        ("2026-03-25T09:00+01:00", "weekly", "2026-04-01T09:00:00+02:00"),
        ("2026-03-25T09:00+01:00", "biweekly", "2026-04-08T09:00:00+02:00"),
        ("2026-12-31T09:00+01:00", "monthly", "2027-01-31T09:00:00+01:00"),
        ("2028-01-31T09:00+01:00", "monthly", "2028-02-29T09:00:00+01:00"),
    ],
)
def test_a_step_is_of_the_calendar(last: str, frequency: str, following: str) -> None:
    """T027: a day is a day of the zone's wall clock, whatever the clocks do."""
    assert due(last, frequency) == following


def test_a_jumped_time_is_the_first_minute_after_it() -> None:
    """02:30 does not exist on that night, and comes twice on the other."""
    assert due("2026-03-28T02:30+01:00", "daily", "02:30") == "2026-03-29T03:00:00+02:00"
    assert due("2026-10-24T02:30+02:00", "daily", "02:30") == "2026-10-25T02:30:00+02:00"


def test_the_31st_does_not_drift() -> None:
    """31 January, 28 February, 31 March: a short month moves no later one."""
    days, last = [], datetime(2026, 1, 31, 8, tzinfo=UTC)
    for _ in range(13):
        found = rules.next_due(last, "monthly", PARIS, time(9), 31)
        assert found is not None
        days.append(found.astimezone(PARIS).date())
        last = found
    assert days[:4] == [date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)]
    assert days[12] == date(2027, 2, 28)


def test_a_manual_one_is_never_due() -> None:
    """A person sends it."""
    assert rules.next_due(datetime(2026, 1, 1, tzinfo=UTC), "manual", PARIS, time(9)) is None


@given(INSTANTS, COMING, st.sampled_from(ZONES), CLOCKS, st.none() | st.integers(1, 31))
def test_every_step_goes_on(
    last: datetime, frequency: Frequency, zone_name: str, at: time, month_day: int | None
) -> None:
    """T027: the next one is later, as many days of the calendar, at its time of the day."""
    zone = ZoneInfo(zone_name)
    found = rules.next_due(last, frequency, zone, at, month_day)
    assert found is not None
    assert found > last
    local, before = found.astimezone(zone), last.astimezone(zone)
    if local.time() != at:  # the clocks jump over it, by hours or, in Apia, by a day
        return
    if frequency == Frequency.MONTHLY:
        assert (local.year - before.year) * 12 + local.month - before.month == 1
        assert month_day is None or local.day == month_day or local.day >= 28
    else:
        assert (local.date() - before.date()).days == rules.STEPS[frequency]


@given(INSTANTS, st.sampled_from(ZONES), CLOCKS)
def test_the_next_send_time_is_within_a_day(after: datetime, zone_name: str, at: time) -> None:
    """No earlier than asked for, and no send time lies between."""
    zone = ZoneInfo(zone_name)
    found = rules.next_send_time(after, zone, at)
    assert after <= found <= after + timedelta(days=2, hours=1)
    assert rules.next_send_time(found, zone, at) == found


@given(INSTANTS, COMING, CLOCKS, st.integers(0, 1_000))
def test_an_outage_is_not_made_up_for(
    last: datetime, frequency: Frequency, at: time, days: int
) -> None:
    """After an outage of any length the next issue lies ahead, and only one."""
    moment = last + timedelta(days=days)
    found = rules.due_after(last, frequency, PARIS, at, None, moment)
    assert found is not None
    assert moment < found <= moment + timedelta(days=33)


def test_retries_wait_longer_each_time() -> None:
    """A mail that is refused for now is tried again three times."""
    minutes = [delay and delay.seconds // 60 for delay in map(rules.retry_delay, range(1, 6))]
    assert minutes == [1, 5, 30, None, None]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("2026-03-29T02:30", "does not exist"),
        ("2026-10-25T02:30", "comes twice"),
        ("2026-01-01T00:00Z", "has passed"),
        ("2040-01-01T00:00Z", "ten years"),
        ("soon", "not an ISO 8601 time"),
    ],
)
def test_bad_times_are_told(value: str, message: str) -> None:
    """A time that nobody can mean is refused."""
    found = rules.scheduled(value, PARIS, datetime(2026, 2, 1, tzinfo=UTC))
    assert isinstance(found, Problem)
    assert found.field == "at"
    assert message in found.message


def test_a_name_becomes_an_address() -> None:
    """Letters with accents lose them; what has no letters is empty."""
    assert rules.slug_of("Été à Orléans!") == "ete-a-orleans"
    assert rules.slug_of("花园") == ""
    assert len(rules.slug_of("long " * 40)) <= rules.LONGEST_SLUG
