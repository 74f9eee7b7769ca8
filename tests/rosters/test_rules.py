"""Which days are over, and what a duty must say."""

from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rosters import rules
from service.rosters.rules import Duty, ItemStatus

ZONES = (
    *("UTC", "Asia/Riyadh", "Europe/Paris", "America/New_York", "Asia/Kathmandu"),
    # The clocks jump over midnight, by half an hour, and once over a whole day.
    *("America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Pacific/Apia"),
)
SECOND = timedelta(seconds=1)
zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2011, 1, 1), date(2030, 12, 31))
names = st.text(min_size=1, max_size=20)
clocks = st.none() | st.times()
duties = st.builds(
    Duty,
    person=names,
    role=st.text(max_size=20),
    starts=clocks,
    ends=clocks,
    status=st.sampled_from(ItemStatus),
    replaced_by=st.none() | names,
    note=st.text(max_size=20),
)


def first_instant(day: date, zone: ZoneInfo) -> datetime:
    """Return the first instant that is of a day, or of a later one, found by halving."""
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    early, late = noon - timedelta(days=3), noon + timedelta(days=3)
    while late - early > SECOND:
        middle = early + (late - early) / 2
        if middle.astimezone(zone).date() >= day:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)


@given(days, zones, st.integers(-3, 3))
def test_a_day_is_over_at_its_midnight(day: date, zone: ZoneInfo, other: int) -> None:
    """K013, K034: on either side of midnight, in any zone, exactly earlier days are over.

    Where the clocks jump over midnight the day begins at the first minute that there is.
    """
    begin = first_instant(day, zone)
    before, after = rules.today(begin - SECOND, zone), rules.today(begin, zone)
    assert before < day <= after
    some = day + timedelta(days=other)
    assert (some < after) == (first_instant(some + timedelta(days=1), zone) <= begin)


def test_yesterday_is_riyadhs() -> None:
    """K013: at 21:00 UTC the day in Riyadh is over, and a minute before it is not."""
    riyadh = ZoneInfo("Asia/Riyadh")
    assert rules.today(datetime(2026, 11, 22, 20, 59, tzinfo=UTC), riyadh) == date(2026, 11, 22)
    assert rules.today(datetime(2026, 11, 22, 21, 0, tzinfo=UTC), riyadh) == date(2026, 11, 23)


@given(duties)
def test_a_duty_without_problems_is_what_the_table_takes(duty: Duty) -> None:
    """The rules refuse whatever the constraints of the table would."""
    if not rules.problems(duty):
        assert (duty.status == ItemStatus.REPLACED) == (duty.replaced_by is not None)
        assert (duty.starts is None) == (duty.ends is None)
        assert duty.replaced_by != duty.person
    assert rules.problems(rules.planned(duty)) == [
        problem for problem in rules.problems(duty) if problem.field in {"starts", "ends"}
    ]


@given(duties, duties)
def test_what_changed_is_told(before: Duty, after: Duty) -> None:
    """Nothing is told of no change; a note's words are never told."""
    assert rules.changed(before, {}).replaced_by in {before.replaced_by, None}
    told = rules.told(before, after)
    assert (told is None) == (before == after)
    assert rules.changed(before, asdict(after)) == after


@pytest.mark.parametrize(
    ("duty", "problems"),
    [
        (Duty("Ali"), {}),
        (Duty("Ali", starts=time(22), ends=time(6)), {}),
        (
            Duty("Ali", status=ItemStatus.REPLACED),
            {"replaced_by": "is needed: who did it instead"},
        ),
        (
            Duty("Ali", status=ItemStatus.REPLACED, replaced_by="Ali"),
            {"replaced_by": "is the same person"},
        ),
        (
            Duty("Ali", status=ItemStatus.PRESENT, replaced_by="Sara", starts=time(8)),
            {
                "replaced_by": "is only for the status 'replaced'",
                "ends": "is needed: give both times or none",
            },
        ),
        (Duty("Ali", ends=time(8)), {"starts": "is needed: give both times or none"}),
        (
            Duty("Ali", starts=time(8), ends=time(8)),
            {"ends": "is the same time as starts; for the whole day leave both out"},
        ),
    ],
)
def test_problems(duty: Duty, problems: dict[str, str]) -> None:
    assert {each.field: each.message for each in rules.problems(duty)} == problems


def test_a_change_in_words() -> None:
    before = Duty("Ali", "Gate", time(8), time(16), note="private")
    after = Duty("Ali", "", time(9), time(16), ItemStatus.REPLACED, "Sara", "secret")
    assert rules.told(before, after) == (
        "Ali: role Gate → none, starts 08:00 → 09:00, status planned → replaced,"
        " replaced by none → Sara, note"
    )
    assert rules.changed(after, {"status": ItemStatus.PRESENT}).replaced_by is None
    assert (rules.named(before), rules.named(after)) == ("Ali (Gate)", "Ali")
