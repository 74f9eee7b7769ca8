"""When a line fires: the table of docs/schedules.md, and what holds for every line and zone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.kit.crontab import Crontab
from service.queue import Rule
from tests.schedules.table import instant, rows

ZONES = (
    *("UTC", "Europe/Paris", "America/New_York", "America/Havana", "Australia/Lord_Howe"),
    *("Africa/Cairo", "Asia/Riyadh", "Asia/Kathmandu", "America/St_Johns"),
)
MINUTE = timedelta(minutes=1)
TABLE = list(rows("case"))

minutes = st.sampled_from(["*", "*/15", "0", "30", "0,30", "15", "59", "7-40/11"])
hours = st.sampled_from(["*", "2", "*/2", "1-3", "0", "23", "0,1,2", "12"])
days = st.sampled_from(["* * *", "* * sun", "1 * *", "* 3,10 *", "29 2 *", "* 11 sun#1"])
instants = st.datetimes(
    min_value=datetime(2020, 1, 1),  # noqa: DTZ001 - hypothesis wants it naive
    max_value=datetime(2030, 1, 1),  # noqa: DTZ001 - likewise
    timezones=st.just(UTC),
)


@pytest.mark.parametrize(("zone", "line", "after", "ticks"), [row[1:] for row in TABLE])
def test_the_table(zone: str, line: str, after: str, ticks: str) -> None:
    """R20: the run list equals the table."""
    found, moment = [], instant(after)
    for _ in ticks.split(","):
        moment = Crontab(line, zone).after(moment)
        found.append(moment)
    assert found == [instant(tick) for tick in ticks.split(",")]


def test_the_table_is_read() -> None:
    """A table that is not found would pass for ever."""
    assert len(TABLE) >= 20


def ticks_of(cron: Crontab, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the ticks after one instant, up to and with another."""
    tick = cron.after(after)
    while tick <= until:
        yield tick
        tick = cron.after(tick)


def shown(moment: datetime, zone: str) -> datetime:
    """Return what the wall clock shows."""
    return moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def expected(line: str, zone: str, since: datetime, until: datetime) -> list[datetime]:
    """Return the ticks of a day by looking at every minute of it, the slow and plain way."""
    in_utc = Crontab(line)
    every_hour = line.split()[1] == "*"
    found: list[datetime] = []
    named: set[datetime] = set()
    moment, last = since, shown(since - MINUTE, zone)
    while moment <= until:
        wall = shown(moment, zone)
        passed = [wall]
        if not every_hour:
            # What the clock shows now, and what it jumped over.
            jumped = int((wall - last) / MINUTE) - 1
            passed = [wall - MINUTE * back for back in range(max(jumped, 0), -1, -1)]
            passed = [time for time in passed if time not in named]
            named.update(passed)
        if any(
            in_utc.after(t.replace(tzinfo=UTC) - MINUTE) == t.replace(tzinfo=UTC) for t in passed
        ):
            found.append(moment)
        moment, last = moment + MINUTE, wall
    return found


@settings(max_examples=40, deadline=None)
@given(minutes, hours, st.sampled_from(["* * *", "* * sun"]), st.sampled_from(ZONES), st.data())
def test_a_change_of_clocks_minute_by_minute(
    minute: str, hour: str, day: str, zone: str, data: st.DataObject
) -> None:
    """R20: the ticks around a change are those of a clock that is watched."""
    change = data.draw(st.sampled_from(changes(zone)))
    since, until = change - timedelta(hours=8), change + timedelta(hours=30)
    line = f"{minute} {hour} {day}"
    # The watched clock needs some hours to know what it has shown.
    watched = expected(line, zone, since - timedelta(hours=12), until)
    assert list(ticks_of(Crontab(line, zone), since - MINUTE, until)) == [
        tick for tick in watched if tick >= since
    ]


def changes(zone: str) -> list[datetime]:
    """Return when the clocks of a zone change in 2026; some day of it where they do not."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    every = [start + timedelta(minutes=30 * n) for n in range(365 * 48)]
    offsets = [moment.astimezone(ZoneInfo(zone)).utcoffset() for moment in every]
    found = [every[i] for i in range(1, len(every)) if offsets[i] != offsets[i - 1]]
    return found or [start]


@settings(deadline=None)
@given(minutes, hours, days, st.sampled_from(ZONES), instants)
def test_ticks_come_later_and_later(
    minute: str, hour: str, day: str, zone: str, moment: datetime
) -> None:
    """No tick twice, none before the instant asked for, none left out by asking later."""
    cron = Crontab(f"{minute} {hour} {day}", zone)
    first = cron.after(moment)
    assert moment < first
    assert first.tzinfo is UTC
    assert first.second == first.microsecond == 0
    assert cron.after(moment + (first - moment) / 2) == first
    assert cron.after(first - timedelta(microseconds=1)) == first
    assert cron.after(first) > first


@pytest.mark.parametrize("zone", ZONES)
def test_a_quarter_of_an_hour_is_one_all_year(zone: str) -> None:
    """R20: no 90-minute gap and no double, whatever the clocks do."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    ticks = ticks_of(Crontab("*/15 * * * *", zone), start, start + timedelta(days=365))
    assert {b - a for a, b in pairwise(ticks)} == {timedelta(minutes=15)}


@pytest.mark.parametrize(
    ("line", "zone", "why"),
    [
        ("", "UTC", "is not five fields"),
        ("* * * *", "UTC", "is not five fields"),
        ("* * * * * *", "UTC", "is not five fields"),
        ("61 * * * *", "UTC", "minute is not understood"),
        ("* 24 * * *", "UTC", "hour is not understood"),
        ("0 0 32 * *", "UTC", "day-of-month is not understood"),
        ("0 0 * 13 *", "UTC", "month is not understood"),
        ("0 0 * * fun", "UTC", "day-of-week is not understood"),
        ("*/0 * * * *", "UTC", "minute is not understood"),
        ("0 0 30 2 *", "UTC", "there is no such date"),
        ("0 0 31 2,4,6,9,11 *", "UTC", "there is no such date"),
        ("0 0 */30 2 mon#5", "UTC", "can never fire"),
        ("0" * 300 + " 0 * * *", "UTC", "is not five fields"),
        ("0 0 * * *", "Mars/Olympus", "zone 'Mars/Olympus' is unknown"),
        ("0 0 * * *", "../etc/passwd", "is unknown"),
        ("0 0 * * *", "", "is unknown"),
        ("0 0 * * *", "Europe", "is unknown"),
        ("0 0 * * *", "\0", "is unknown"),
    ],
)
def test_what_cannot_fire_is_refused(line: str, zone: str, why: str) -> None:
    """A bad line, a bad zone, a date that never comes: refused with the field and the reason."""
    with pytest.raises(ValueError, match=why):
        Crontab(line, zone)


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (Rule("a.b"), "* * * * *"),
        (Rule("a.b", hour=2, minute=30), "30 2 * * *"),
        (Rule("a.b", minute={0, 30}, weekday=0), "0,30 * * * 1"),
        (Rule("a.b", minute=0, hour=0, weekday={5, 6}), "0 0 * * 0,6"),
        (Rule("a.b", minute=0, hour=0, day=1, month=1), "0 0 1 1 *"),
        (Rule("a.b", cron="*/5 * * * *"), "*/5 * * * *"),
    ],
)
def test_fields_as_arq_has_them(rule: Rule, line: str) -> None:
    """N036: the fields of arq's cron and a cron line are two ways to say one thing."""
    assert rule.line == line
    assert rule.name == "a.b"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"cron": "* * * * *", "hour": 2}, "give cron or hour, not both"),
        ({"day": 1, "weekday": 0}, "exclude each other"),
        ({"hour": 24}, "hour is not understood"),
        ({"weekday": 7}, "day-of-week is not understood"),
        ({"weekday": -1}, "day-of-week is not understood"),
        ({"zone": "Nowhere"}, "zone 'Nowhere' is unknown"),
        ({"misfire": "maybe"}, "misfire is one of skip, once, all"),
        ({"overlap": "maybe"}, "overlap is one of skip, allow"),
        ({"grace": 0}, "grace is in seconds, to 604800"),
        ({"jitter": -1}, "jitter is in seconds, to 86400"),
        ({"queue": "No Queue"}, "queue name"),
        ({"name": "a:b"}, "rule name 'a:b'"),
    ],
)
def test_a_rule_says_what_is_wrong_with_it(options: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Rule("a.b", **options)  # type: ignore[arg-type] # wrong ones are the point
