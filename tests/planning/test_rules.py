"""Slot and recurrence arithmetic: over changes of the clocks, ends of months, any zone."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.crontab import first_instant
from service.planning import rules
from service.planning.rules import Every, SlotTime

ZONES = (
    *("UTC", "Europe/Paris", "America/New_York", "America/Havana", "Australia/Lord_Howe"),
    *("Africa/Cairo", "Asia/Riyadh", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"),
)
MINUTE = timedelta(minutes=1)
WEEK = timedelta(days=7)
zones = st.sampled_from(ZONES).map(ZoneInfo)
clocks = st.times().map(lambda at: time(at.hour, at.minute))
plans = st.lists(st.builds(SlotTime, st.integers(0, 6), clocks), min_size=1, max_size=8).map(
    lambda slots: tuple(sorted(set(slots)))
)
instants = st.datetimes(
    min_value=datetime(2011, 11, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
)
rhythms = st.builds(
    Every,
    unit=st.sampled_from(["days", "weeks", "months"]),
    count=st.integers(1, 24),
    at=clocks,
    anchor=st.dates(date(2011, 1, 1), date(2029, 12, 31)),
    zone=zones,
)


def wall(instant: datetime, zone: ZoneInfo) -> datetime:
    """Return what the wall clock shows."""
    return instant.astimezone(zone).replace(tzinfo=None)


def is_first_minute_after(instant: datetime, named: datetime, zone: ZoneInfo) -> bool:
    """Whether the clocks jumped over a time, to this instant."""
    before = wall(instant - MINUTE, zone)
    return before < named < wall(instant, zone) and wall(instant, zone) - before > MINUTE


@given(plans, zones, instants)
def test_slots_are_times_of_the_plan_and_in_order(
    plan: Sequence[SlotTime], zone: ZoneInfo, after: datetime
) -> None:
    found = list(islice(rules.slots_after(plan, zone, after), 3 * len(plan)))
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    for instant in found:
        local = wall(instant, zone)
        named = any(s == SlotTime(local.weekday(), local.time()) for s in plan)
        days = (local.date(), local.date() - timedelta(days=1))
        jumped = any(
            is_first_minute_after(instant, datetime.combine(day, slot.at), zone)
            for slot in plan
            for day in days
            if day.weekday() == slot.weekday
        )
        assert named or jumped
        if named:
            assert first_instant(local, zone) == instant, "of a repeated hour only the first"


@given(plans, zones, instants)
def test_every_slot_of_a_week_comes(
    plan: Sequence[SlotTime], zone: ZoneInfo, after: datetime
) -> None:
    """None is left out: as itself, or as the first minute after a jump of the clocks."""
    slots = rules.slots_after(plan, zone, after)
    found: set[datetime] = set()
    for instant in slots:
        if instant > after + WEEK + timedelta(days=2):
            break
        found.add(instant)
    begin = after.astimezone(zone).date() + timedelta(days=1)
    for day in (begin + timedelta(days=n) for n in range(7)):
        for slot in plan:
            if slot.weekday == day.weekday():
                assert first_instant(datetime.combine(day, slot.at), zone) in found


@given(plans, zones, instants, st.integers(1, 10), st.sets(st.integers(0, 15)))
def test_what_is_taken_is_left_out_and_nothing_else(
    plan: Sequence[SlotTime], zone: ZoneInfo, after: datetime, count: int, gone: set[int]
) -> None:
    every = list(islice(rules.slots_after(plan, zone, after), 30))
    taken = {every[index] for index in gone}
    free = rules.free_slots(plan, zone, after, taken, count)
    assert free == [instant for instant in every if instant not in taken][:count]


def test_slots_over_changes_of_the_clocks() -> None:
    """A gap moves to the first valid minute, a repeated hour comes once, the wall time stays."""
    paris = ZoneInfo("Europe/Paris")
    plan = (SlotTime(6, time(2, 30)), SlotTime(6, time(9)))
    spring = datetime(2027, 3, 21, tzinfo=UTC)
    assert [f"{at:%m-%d %H:%M}" for at in islice(rules.slots_after(plan, paris, spring), 6)] == [
        *("03-21 01:30", "03-21 08:00"),
        *("03-28 01:00", "03-28 07:00"),  # 02:30 does not exist: 03:00 summer time
        *("04-04 00:30", "04-04 07:00"),
    ]
    autumn = datetime(2027, 10, 30, tzinfo=UTC)
    assert [f"{at:%m-%d %H:%M}" for at in islice(rules.slots_after(plan, paris, autumn), 3)] == [
        *("10-31 00:30", "10-31 08:00", "11-07 01:30"),
    ]


def test_a_plan_in_another_zone_has_other_instants() -> None:
    plan, after = (SlotTime(0, time(9)),), datetime(2027, 1, 1, tzinfo=UTC)
    found = {
        zone: next(rules.slots_after(plan, ZoneInfo(zone), after))
        for zone in ("UTC", "Asia/Riyadh", "America/New_York")
    }
    assert {zone: at.hour for zone, at in found.items()} == {
        "UTC": 9,
        "Asia/Riyadh": 6,
        "America/New_York": 14,
    }


def test_an_empty_plan_has_no_slot() -> None:
    assert rules.free_slots((), ZoneInfo("UTC"), datetime(2027, 1, 1, tzinfo=UTC), set(), 5) == []


@given(rhythms, instants)
def test_occurrences_are_in_order_and_of_the_rhythm(rhythm: Every, after: datetime) -> None:
    found = rules.next_occurrences(rhythm, after, None, 12)
    assert all(earlier < later for earlier, later in pairwise([after, *found]))
    for instant in found:
        local = wall(instant, rhythm.zone)
        if local.time() == rhythm.at:
            assert first_instant(local, rhythm.zone) == instant
            assert is_day_of(rhythm, local.date())
        else:
            days = (local.date(), local.date() - timedelta(days=1))
            named = [datetime.combine(day, rhythm.at) for day in days if is_day_of(rhythm, day)]
            assert any(is_first_minute_after(instant, each, rhythm.zone) for each in named)


def is_day_of(rhythm: Every, day: date) -> bool:
    """Whether a day is one of a rhythm, said in another way."""
    if day < rhythm.anchor:
        return False
    if rhythm.unit == "months":
        months = (day.year - rhythm.anchor.year) * 12 + day.month - rhythm.anchor.month
        last = monthrange(day.year, day.month)[1]
        return months % rhythm.count == 0 and day.day == min(rhythm.anchor.day, last)
    days = rhythm.count * {"days": 1, "weeks": 7}[rhythm.unit]
    return (day - rhythm.anchor).days % days == 0


@given(rhythms, instants, st.integers(0, 5))
def test_it_does_not_matter_from_where_one_looks(
    rhythm: Every, after: datetime, index: int
) -> None:
    """After a crash, or an outage of any length, the same instants come."""
    found = rules.next_occurrences(rhythm, after, None, 7)
    if len(found) == 7:
        between = found[index] + (found[index + 1] - found[index]) / 2
        assert rhythm.after(between) == found[index + 1]
        assert rhythm.after(found[index]) == found[index + 1]


def test_the_end_of_the_month() -> None:
    """The 31st is the last day of a shorter month, and the 31st again after it."""
    rhythm = Every("months", 1, time(9), date(2027, 12, 31), ZoneInfo("Europe/Paris"))
    found = rules.next_occurrences(rhythm, datetime(2028, 1, 1, tzinfo=UTC), None, 5)
    days = [f"{at.astimezone(rhythm.zone):%m-%d %H:%M}" for at in found]
    assert days == ["01-31 09:00", "02-29 09:00", "03-31 09:00", "04-30 09:00", "05-31 09:00"]


def test_until_is_the_last_instant() -> None:
    rhythm = rules.rhythm_of({"cron": "0 9 * * *"}, "UTC")
    first = datetime(2027, 1, 1, tzinfo=UTC)
    until = datetime(2027, 1, 3, 9, tzinfo=UTC)
    assert len(rules.next_occurrences(rhythm, first, until, 10)) == 3
    assert len(rules.next_occurrences(rhythm, first, until - MINUTE, 10)) == 2


@pytest.mark.parametrize(
    ("line", "close"),
    [("*/10 9 * * *", True), ("*/15 * * * *", False), ("55,5 * * * *", True), ("0 9 * * *", False)],
)
def test_too_often(line: str, close: bool) -> None:
    rhythm = rules.rhythm_of({"cron": line}, "UTC")
    assert rules.too_close(rhythm, datetime(2027, 1, 1, 8, tzinfo=UTC)) is close


def test_in_words() -> None:
    anchor = {"at": "09:00", "anchor": "2027-01-31"}
    assert rules.in_words({"cron": "0 9 1 * *"}) == "0 9 1 * *"
    assert rules.in_words({"unit": "days", "count": 1, **anchor}) == "every day at 09:00"
    weeks = {"unit": "weeks", "count": 2, **anchor}
    assert rules.in_words(weeks) == "every 2 weeks on Sunday at 09:00"
    months = {"unit": "months", "count": 1, **anchor}
    assert rules.in_words(months) == "every month on day 31 at 09:00"
