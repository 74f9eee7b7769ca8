"""When the community's jobs run, and the pure rules of its figures."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schedules.community import RULES
from service.community import figure_rules as rules

MOMENTS = st.datetimes(
    datetime(2, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(9998, 12, 31),  # noqa: DTZ001 - likewise
    timezones=st.sampled_from((UTC, timezone(timedelta(hours=14)))),
)


def test_the_hours_of_the_jobs() -> None:
    """N002, N005-N009, N036: as stated; the clean-up that nobody asked for only counts."""
    assert {rule.job: (rule.line, dict(rule.arguments)) for rule in RULES} == {
        "community.update_statistics": ("0 3 * * *", {}),
        "community.update_trending": ("0 * * * *", {}),
        "community.clean_posts": ("0 1 * * 0", {}),
        "community.analyse_day": ("0 4 * * *", {}),
        "community.update_scores": ("0 5 * * *", {}),
        "community.send_digests": ("0 9 * * 1", {}),
    }


@given(st.dates(date(2, 1, 1), date(9998, 12, 31)))
def test_days_follow_each_other(day: date) -> None:
    """N007: no instant is of two days, or of none."""
    begin, end = rules.day_bounds(day)
    assert end - begin == timedelta(days=1)
    assert rules.day_bounds(day + timedelta(days=1))[0] == end
    assert rules.yesterday(end) == rules.yesterday(end + timedelta(hours=23, minutes=59)) == day


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 3, 23, 59, tzinfo=UTC), "2026-W53"),
        (datetime(2027, 1, 4, tzinfo=UTC), "2027-W01"),
        (datetime(2027, 1, 4, 8, tzinfo=timezone(timedelta(hours=9))), "2026-W53"),
    ],
)
def test_the_week_of_a_digest(moment: datetime, week: str) -> None:
    """N009: ISO 8601, in UTC."""
    assert rules.week_of(moment) == week


@given(MOMENTS)
def test_a_week_has_one_name(moment: datetime) -> None:
    """N009: on its Monday as on its Sunday."""
    in_utc = moment.astimezone(UTC)
    monday = in_utc - timedelta(days=in_utc.weekday())
    assert rules.week_of(moment) == rules.week_of(monday)
    assert rules.week_of(monday - timedelta(days=7)) != rules.week_of(monday)


@given(st.text(max_size=500))
def test_an_excerpt_is_one_short_line(content: str) -> None:
    """N009: cut at a word, where there is one."""
    found = rules.excerpt(content)
    assert len(found) <= rules.EXCERPT + 1
    assert found == " ".join(found.split())
    assert " ".join(content.split()).startswith(found.removesuffix("…"))
