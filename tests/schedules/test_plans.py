"""What becomes of ticks: on time, missed, overlapped, paused."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.schedules import rules
from service.schedules.models import Firing
from service.schedules.rules import Timing, next_tick, plan
from tests.schedules.table import rows

NIGHT = datetime(2026, 11, 21, tzinfo=UTC)
TABLE = [row for row in rows("misfire") if row[0] in {"skip", "once", "all"}]


def at(clock: str) -> datetime:
    """Return a time of one day."""
    hour, minute = map(int, clock.split(":"))
    return NIGHT + timedelta(hours=hour, minutes=minute)


def test_the_table_is_read() -> None:
    """A table that is not found would pass for ever."""
    assert len(TABLE) == 5


@pytest.mark.parametrize(("misfire", "grace", "fires"), TABLE)
def test_after_three_hours_without_anybody(misfire: str, grace: str, fires: str) -> None:
    """R21: the policy's runs, no storm; the table of docs/schedules.md."""
    timing = Timing("0 * * * *", "UTC", misfire=misfire, grace=float(grace))
    decided = plan(timing, at("10:00"), at("12:30"), busy=False, paused=False)
    assert decided.fire == tuple(at(clock.strip()) for clock in fires.split(",") if clock)
    assert decided.next_tick == at("13:00")
    left = {at("10:00"), at("11:00"), at("12:00")}.difference(decided.fire)
    assert decided.unfired == (max(left) if left else None)
    if left:
        assert decided.state is Firing.MISSED
        assert decided.reason == "nobody ticked; since 2026-11-21 10:00 UTC"


@pytest.mark.parametrize("misfire", ["skip", "once", "all"])
@pytest.mark.parametrize("late", [0, 1, 59])
def test_a_tick_on_time_fires_under_every_policy(misfire: str, late: int) -> None:
    timing = Timing("0 * * * *", "UTC", misfire=misfire)
    moment = at("10:00") + timedelta(seconds=late)
    decided = plan(timing, at("10:00"), moment, busy=False, paused=False)
    assert (decided.fire, decided.unfired) == ((at("10:00"),), None)


def test_a_tick_whose_predecessor_runs() -> None:
    """Overlap skipped: it passes, and the row says why; allowed: it fires."""
    skip, allow = (Timing("0 * * * *", "UTC", overlap=overlap) for overlap in ("skip", "allow"))
    passed = plan(skip, at("10:00"), at("10:00"), busy=True, paused=False)
    assert (passed.fire, passed.unfired, passed.state) == ((), at("10:00"), Firing.OVERLAPPED)
    assert passed.next_tick == at("11:00")
    fired = plan(allow, at("10:00"), at("10:00"), busy=True, paused=False)
    assert fired.fire == (at("10:00"),)


def test_a_paused_schedule_lets_its_ticks_pass() -> None:
    timing = Timing("0 * * * *", "UTC", misfire="all", grace=86_400)
    passed = plan(timing, at("10:00"), at("12:30"), busy=False, paused=True)
    assert (passed.fire, passed.unfired, passed.state) == ((), at("12:00"), Firing.PAUSED)
    assert passed.next_tick == at("13:00")


def test_years_of_minutes_are_not_counted_one_by_one() -> None:
    """A row that was forgotten for years costs a week's counting, and no storm."""
    timing = Timing("* * * * *", "UTC", misfire="all", grace=604_800)
    decided = plan(timing, NIGHT - timedelta(days=3000), NIGHT, busy=False, paused=False)
    assert len(decided.fire) == rules.MOST_AT_ONCE
    assert decided.fire[-1] == NIGHT
    assert decided.next_tick == NIGHT + timedelta(minutes=1)


def test_a_rare_tick_is_made_up_for_however_late() -> None:
    """`once`: also when the last tick is older than a week."""
    timing = Timing("0 0 1 1 *", "UTC", misfire="once")
    first = datetime(2024, 1, 1, tzinfo=UTC)
    decided = plan(timing, first, NIGHT, busy=False, paused=False)
    assert decided.fire == (datetime(2026, 1, 1, tzinfo=UTC),)
    assert decided.next_tick == datetime(2027, 1, 1, tzinfo=UTC)


def test_only_every_fifth_time() -> None:
    """N041: reduced means less often."""
    timing = Timing("* * * * *", "UTC", stride=5)
    assert next_tick(timing, at("10:00")) == at("10:05")
    decided = plan(timing, at("10:05"), at("10:05"), busy=False, paused=False)
    assert decided.next_tick == at("10:10")


@settings(deadline=None)
@given(
    st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *"]),
    st.sampled_from(["skip", "once", "all"]),
    st.integers(1, 86_400),
    st.integers(0, 2 * 86_400),
    st.tuples(st.booleans(), st.booleans()),
)
def test_every_tick_is_decided_once(
    line: str, misfire: str, grace: int, seconds: int, flags: tuple[bool, bool]
) -> None:
    """What is planned are ticks of the line up to now; the next one is the first after now."""
    busy, paused = flags
    timing = Timing(line, "UTC", misfire=misfire, grace=grace)
    first = next_tick(timing, NIGHT)
    moment = first + timedelta(seconds=seconds)
    decided = plan(timing, first, moment, busy=busy, paused=paused)
    assert decided.next_tick == next_tick(timing, moment)
    assert len(set(decided.fire)) == len(decided.fire)
    assert list(decided.fire) == sorted(decided.fire)
    for tick in decided.fire:
        assert first <= tick <= moment
        assert next_tick(timing, tick - timedelta(minutes=1)) == tick
    assert decided.fire or decided.unfired
    assert not (decided.fire and paused)
    assert len(decided.fire) <= 1 or misfire != "once"
