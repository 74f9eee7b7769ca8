"""When a post is measured, and what its figures say."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.measures import rules
from service.measures.rules import DAILY, DAY, HOUR, LADDER, Measure, change, next_time

START = datetime(2026, 3, 1, 9, 3, tzinfo=UTC)
ages = st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=40))


def gap_at(age: timedelta) -> timedelta:
    """How often a post of that age is measured, as the issue says."""
    if age < timedelta(hours=48):
        return HOUR
    return 6 * HOUR if age < timedelta(days=7) else DAY


@given(ages)
def test_the_next_time_is_as_near_as_its_age_asks(age: timedelta) -> None:
    """Never now or before, never later than a step; never again after 30 days."""
    present = START + age
    following = next_time(START, present)
    if age >= timedelta(days=30):
        assert following is None
        return
    assert following is not None
    assert timedelta(0) < following - present <= gap_at(age)
    assert following - START <= timedelta(days=30)


@given(ages, st.timedeltas(min_value=timedelta(0), max_value=timedelta(minutes=50)))
def test_a_late_run_makes_nothing_that_follows_later(age: timedelta, late: timedelta) -> None:
    """The instants are the same whenever one looks."""
    following = next_time(START, START + age)
    if following is not None:
        after = next_time(START, following)
        assert after is None or next_time(START, min(following + late, after - HOUR / 60)) == after


def test_a_post_is_measured_ninety_odd_times() -> None:
    """48 in two days, 20 to the end of the week, 23 to the thirtieth day."""
    at, found = START, []
    while (following := next_time(START, at)) is not None:
        found.append(following - START)
        at = following
    assert len(found) == 48 + 20 + 23
    assert (found[0], found[47], found[48], found[67], found[68], found[-1]) == (
        HOUR,
        48 * HOUR,
        54 * HOUR,
        7 * DAY,
        8 * DAY,
        30 * DAY,
    )
    assert found == sorted(set(found))


def test_an_account_is_measured_daily_for_ever() -> None:
    assert next_time(START, START, DAILY) == START + DAY
    assert next_time(START, START + 3000 * DAY + HOUR, DAILY) == START + 3001 * DAY


def test_a_clock_that_is_behind_counts_as_the_beginning() -> None:
    assert next_time(START, START - DAY) == START + HOUR
    assert next_time(START, START - DAY, LADDER) == START + HOUR


@given(st.integers(min_value=1, max_value=10_000))
def test_retries_wait_longer_and_longer(failures: int) -> None:
    delay, next_delay = rules.retry_delay(failures), rules.retry_delay(failures + 1)
    assert timedelta(minutes=10) <= delay <= next_delay <= 6 * HOUR
    assert delay == 6 * HOUR or next_delay in {2 * delay, 6 * HOUR}


@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ([], {}),
        ([(0, {"likes": 3})], {}),
        ([(0, {"likes": 3}), (23, {"likes": 9})], {}),
        ([(0, {"likes": 3}), (24, {"likes": 9})], {"likes": 6}),
        ([(0, {"likes": 3}), (10, {"likes": 5}), (34, {"likes": 4})], {"likes": -1}),
        ([(0, {"views": 3}), (24, {"likes": 9})], {}),
        ([(0, {"views": 3, "likes": 0}), (30, {"likes": 9})], {"likes": 9}),
    ],
)
def test_a_change_is_told_of_what_both_have(
    series: list[tuple[int, dict[str, int]]], expected: dict[str, int]
) -> None:
    """A figure that nobody told a day ago has no change: it was not zero."""
    measures = [Measure(START + hours * HOUR, figures) for hours, figures in series]
    assert change(measures) == expected


def test_sums_leave_out_what_nobody_told() -> None:
    assert rules.total([{"likes": 3}, {"likes": 4, "views": 9}, {}]) == {"likes": 7, "views": 9}
    assert rules.total([]) == {}
