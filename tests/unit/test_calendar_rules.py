"""Pure rules of the calendar: days, clocks, rows of a week, free times, what is to be looked at."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dashboard.calendar import rules
from service.dashboard.calendar.entries import AccountFacts, Entry, Target, why_fixed
from service.dashboard.calendar.flags import flag
from service.dashboard.calendar.rules import Choice
from service.dashboard.calendar.slots import compose_path, free_slots, usual_hours

PARIS = ZoneInfo("Europe/Paris")
ZONES = ("Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut", "UTC")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAYS = st.dates(rules.FIRST, rules.LAST)


@given(DAYS)
def test_a_month_is_six_weeks_that_hold_all_its_days(day: date) -> None:
    days = Choice("month", day).days
    assert (len(days), days[0].weekday()) == (42, 0)
    assert {day.replace(day=1), day} <= set(days)
    assert (day.replace(day=28) + timedelta(days=3)) in days
    week = Choice("week", day).days
    assert (len(week), week[0].weekday(), day in week) == (7, 0, True)


@given(DAYS, st.sampled_from(ZONES))
def test_days_follow_each_other_without_a_gap(day: date, name: str) -> None:
    """However clocks change: where one day ends the next begins, and each is as its date says."""
    zone = ZoneInfo(name)
    begin, end = rules.bounds(day, zone)
    assert end == rules.midnight(day + timedelta(days=1), zone)
    assert begin.astimezone(zone).date() == day
    assert (end - timedelta(microseconds=1)).astimezone(zone).date() == day
    hours = (end - begin).total_seconds() / 3600
    assert 23 <= hours <= 25
    assert bool(rules.clock_change(day, zone)) == (hours != 24)


@pytest.mark.parametrize(
    ("view", "on", "title", "before", "after"),
    [
        ("month", "2026-01-31", "January 2026", "2025-12-01", "2026-02-01"),
        ("week", "2026-12-31", "28 December 2026 – 3 January 2027", "2026-12-24", "2027-01-07"),  # noqa: RUF001 - as it is shown
        ("week", "2026-11-24", "23 – 29 November 2026", "2026-11-17", "2026-12-01"),  # noqa: RUF001 - as it is shown
        ("day", "2028-02-29", "Tuesday 29 February 2028", "2028-02-28", "2028-03-01"),
        ("month", "2100-12-31", "December 2100", "2100-11-01", "2100-12-31"),
    ],
)
def test_turning_pages(view: str, on: str, title: str, before: str, after: str) -> None:
    choice = Choice(view, date.fromisoformat(on), show="planned")
    assert choice.title == title
    assert choice.before == f"/calendar?view={view}&on={before}&show=planned"
    assert choice.after == f"/calendar?view={view}&on={after}&show=planned"


def test_clocks_that_go_forward_and_back() -> None:
    spring, autumn = date(2026, 3, 29), date(2026, 10, 25)
    assert rules.clock_change(spring, PARIS) == (
        "Clocks go forward on Sunday 29 March: the day is 1 h shorter."
    )
    lord_howe = rules.clock_change(date(2026, 4, 5), ZoneInfo("Australia/Lord_Howe"))
    assert lord_howe.endswith("the day is 30 min longer.")
    assert [hour for hour in range(24) if rules.is_skipped(spring, hour, PARIS)] == [2]
    twice = datetime(2026, 10, 25, 2, 30, tzinfo=PARIS)
    assert rules.offsets(twice) == ("+02:00", "+01:00")
    assert rules.clock(twice.replace(fold=1)) == "02:30 +01:00"
    assert rules.clock(twice.replace(hour=4)) == "04:30"
    assert not rules.is_skipped(autumn, 2, PARIS)


@given(st.sets(st.integers(0, 23)))
def test_a_week_shows_each_hour_once_and_hides_only_empty_nights(used: set[int]) -> None:
    rows = rules.hour_rows(list(used))
    hours = [row.first for row in rows if not row.is_gap]
    assert hours == list(range(24))
    asleep = {row.first for row in rows if row.asleep}
    assert not asleep & used
    assert not asleep & set(range(rules.MORNING, rules.NIGHT))
    gaps = [hour for row in rows if row.is_gap for hour in range(row.first, row.last + 1)]
    assert set(gaps) == asleep


def test_usual_hours_are_those_of_the_history() -> None:
    at = [datetime(2026, 7, day, 6, 30, tzinfo=UTC) for day in range(1, 9)]
    at += [datetime(2026, 7, 9, 18, tzinfo=UTC), datetime(2026, 7, 10, 18, tzinfo=UTC)]
    assert usual_hours(at, PARIS) == (8, 20)
    assert usual_hours(at[-1:], PARIS) == (9, 12, 17)


def test_free_times_keep_away_from_other_posts_from_the_past_and_from_odd_clocks() -> None:
    one, other = UUID(int=1), UUID(int=2)
    today, spring = NOW.date(), date(2027, 3, 28)
    taken = {one: [datetime(2026, 11, 21, 17, 30, tzinfo=UTC)]}
    hours = {one: (9, 17, 20), other: (17,)}
    found = free_slots([today], hours, taken, NOW, ZoneInfo("UTC"))[today]
    assert [(slot.local.hour, slot.accounts) for slot in found] == [(17, (other,)), (20, (one,))]
    night = free_slots([spring], {one: (2, 9)}, {}, NOW, PARIS)[spring]
    assert [slot.local.hour for slot in night] == [9], "there is no 02:00 that night"
    path = compose_path(night[0].local, night[0].accounts)
    assert path == f"/posts/new?at=2027-03-28T09:00&account={one}"


def entry(minutes: float, *targets: Target) -> Entry:
    """Return a post that is due so many minutes from now."""
    at = NOW + timedelta(minutes=minutes)
    return Entry(uuid4(), "post", at, at, "Text", 0, "UTC", list(targets))


def target(handle: str, state: str = "scheduled", minutes: float = 60, **account: object) -> Target:
    """Return what goes to an account."""
    facts = {"connected": True, "posts_per_day": None, **account}
    known = AccountFacts(UUID(int=ord(handle)), "x", "X", handle, **facts)  # type: ignore[arg-type] # fields of it
    at = NOW + timedelta(minutes=minutes)
    return Target(known, state, at, at, 0, None, None, None)


def test_posts_too_close_are_flagged_once_and_only_while_they_can_be_moved() -> None:
    close = [entry(0, target("a")), entry(14, target("a")), entry(29, target("a"))]
    apart = [entry(5, target("b"))]
    over = [entry(-20, target("c", "published")), entry(-15, target("c", "published"))]
    half = [entry(1, target("d", "scheduled")), entry(2, target("d", "published"))]
    flag([*close, *apart, *over, *half], NOW)
    warned = [bool(one.warnings) for one in (*close, *apart, *over, *half)]
    assert warned == [False, True, False, False, False, False, True, False]
    assert close[1].warnings == ["Only 14 min from another post to X a"]


def test_a_moving_day_counts_towards_the_limit() -> None:
    posts = [entry(600 * n, target("a", posts_per_day=2)) for n in range(4)]
    flag(posts, NOW)
    assert [bool(post.warnings) for post in posts] == [False, False, True, True]
    text = "X takes 2 posts in 24 hours from one account: this is number 3 for a"
    assert posts[2].warnings == [text]


def test_each_trouble_is_said_in_words() -> None:
    late = entry(-3, target("a", minutes=-3))
    held = entry(30, target("b", "held"))
    gone = entry(30, target("c", connected=False))
    lost = entry(-9, target("d", "unconfirmed"))
    fine = entry(-0.5, target("e", minutes=-0.5))
    flag([late, held, gone, lost, fine], NOW)
    assert late.concerns == ["Late: X a should have had it 3 min ago"]
    assert held.concerns == ["X b must be connected again before anything goes out"]
    assert gone.concerns == ["X c must be connected again before anything goes out"]
    assert lost.concerns == ["Nobody knows whether X d took it: look there"]
    assert fine.concerns == []


def test_what_cannot_be_moved_says_why() -> None:
    assert why_fixed([]) == ""
    assert why_fixed([("scheduled", False), ("cancelled", False), ("draft", False)]) == ""
    assert why_fixed([("cancelled", False)]).startswith("It is cancelled")
    assert why_fixed([("scheduled", False), ("published", False)]).startswith("It is published")
    assert why_fixed([("retrying", True)]).startswith("Nobody knows")
