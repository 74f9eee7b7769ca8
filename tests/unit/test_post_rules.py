"""Pure rules of posts: instants, states, delays, hashtags, batches."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Problem
from service.posts import rules
from service.posts.models import DeliveryState

NOW = datetime(2031, 3, 1, 12, tzinfo=UTC)
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("value", "zone", "instant"),
    [
        ("2031-03-01T14:00:00Z", None, datetime(2031, 3, 1, 14, tzinfo=UTC)),
        ("2031-03-01T14:00:00+01:00", None, datetime(2031, 3, 1, 13, tzinfo=UTC)),
        ("2031-03-01T14:00:00", PARIS, datetime(2031, 3, 1, 13, tzinfo=UTC)),
        ("2031-07-01T14:00:00", PARIS, datetime(2031, 7, 1, 12, tzinfo=UTC)),
        # The offset decides, whatever the zone says.
        ("2031-03-01T14:00:00Z", PARIS, datetime(2031, 3, 1, 14, tzinfo=UTC)),
        # With an offset the repeated hour of autumn is clear.
        ("2031-10-26T02:30:00+01:00", PARIS, datetime(2031, 10, 26, 1, 30, tzinfo=UTC)),
        # Just passed: clocks differ, it means now.
        ("2031-03-01T11:59:30Z", None, datetime(2031, 3, 1, 11, 59, 30, tzinfo=UTC)),
    ],
)
def test_times_that_are_meant(value: str, zone: ZoneInfo | None, instant: datetime) -> None:
    """Each is the instant that the person means."""
    assert rules.parse_instant(value, zone, NOW) == instant


@pytest.mark.parametrize(
    ("value", "zone", "message"),
    [
        ("2031-03-30T02:30:00", PARIS, "does not exist in Europe/Paris"),
        ("2031-10-26T02:30:00", PARIS, "comes twice in Europe/Paris"),
        ("2031-03-01T14:00:00", None, "has no offset"),
        ("2031-03-01T11:58:59Z", None, "has passed"),
        ("2041-06-01T00:00:00Z", None, "more than ten years"),
        ("9999-12-31T23:59:59-12:00", None, "outside the calendar"),
        ("0001-01-01T00:00:00", PARIS, "outside the calendar"),
        ("2031-02-30T00:00:00Z", None, "is not an ISO 8601 time"),
        ("", None, "is not an ISO 8601 time"),
    ],
)
def test_times_that_cannot_be_meant(value: str, zone: ZoneInfo | None, message: str) -> None:
    """Each is refused with its reason, never shifted."""
    found = rules.parse_instant(value, zone, NOW)
    assert isinstance(found, Problem)
    assert (found.field, message in found.message) == ("publish_at", True), found


@given(st.text(max_size=60), st.sampled_from([None, PARIS]))
def test_any_text_is_a_time_or_a_problem(value: str, zone: ZoneInfo | None) -> None:
    """No input raises."""
    found = rules.parse_instant(value, zone, NOW)
    assert isinstance(found, Problem) or found.tzinfo is UTC


@given(
    st.datetimes(min_value=datetime(2031, 3, 2), max_value=datetime(2036, 1, 1)),  # noqa: DTZ001 - wall-clock times
    st.sampled_from(["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Riyadh"]),
)
def test_wall_clock_times_read_back_the_same(wall: datetime, name: str) -> None:
    """An accepted wall-clock time shows the same on that zone's wall."""
    found = rules.parse_instant(wall.isoformat(), ZoneInfo(name), NOW)
    if not isinstance(found, Problem):
        assert found.astimezone(ZoneInfo(name)).replace(tzinfo=None) == wall


def test_retry_delays_double_up_to_a_day() -> None:
    """60·2ⁿ s, three times; then none."""
    minute = timedelta(minutes=1)
    delays = [rules.retry_delay(attempts, 3, minute) for attempts in (1, 2, 3, 4)]
    assert delays == [minute, 2 * minute, 4 * minute, None]
    assert rules.retry_delay(10_000, 20_000, minute) == timedelta(days=1)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ([], "draft"),
        (["scheduled"], "scheduled"),
        (["published", "scheduled"], "scheduled"),
        (["published", "retrying"], "publishing"),
        (["publishing", "failed"], "publishing"),
        (["published", "published"], "published"),
        (["published", "cancelled"], "published"),
        (["published", "failed"], "partly_published"),
        (["failed", "cancelled"], "failed"),
        (["cancelled"], "cancelled"),
        (["published", "unconfirmed"], "unconfirmed"),
        (["held", "unconfirmed"], "held"),
    ],
)
def test_a_posts_state_comes_from_its_deliveries(states: list[str], expected: str) -> None:
    """The most urgent thing first, then how it ended."""
    assert rules.post_state(states) == expected


@given(st.lists(st.sampled_from(DeliveryState)))
def test_every_mixture_of_states_has_a_post_state(states: list[DeliveryState]) -> None:
    """No combination is without a state."""
    assert rules.post_state(states)


@pytest.mark.parametrize(
    ("caption", "tags", "expected"),
    [
        ("Hi", [], "Hi"),
        ("Hi", ["a", "#b"], "Hi #a #b"),
        ("Hi #A", ["a"], "Hi #A"),
        ("#ab", ["a"], "#ab #a"),
    ],
)
def test_hashtags_are_added_once(caption: str, tags: list[str], expected: str) -> None:
    """Those that the caption has are not repeated."""
    assert rules.with_hashtags(caption, tags) == expected


@dataclass
class Delivered:
    """A delivery as a report sees it."""

    post_id: UUID
    state: str
    account_id: UUID = UUID(int=9)
    platform: str = "feed"
    remote_url: str | None = None
    error: str | None = None


def test_a_batch_counts_posts() -> None:
    """G013: one failed delivery makes a failed post; an open one makes it pending."""
    one, two, three = (UUID(int=n) for n in (1, 2, 3))
    report = rules.batch_report(
        [
            Delivered(one, "published"),
            Delivered(one, "published"),
            Delivered(two, "published"),
            Delivered(two, "unconfirmed"),
            Delivered(three, "failed"),
            Delivered(three, "retrying"),
        ]
    )
    assert (report.published, report.failed, report.pending) == (1, 1, 1)
    assert len(report.results) == 6
