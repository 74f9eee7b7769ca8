"""Percentiles told of buckets are near the true ones, of any number of minutes together."""

from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from statistics import quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.monitoring.minute_rules import EDGES, minutes_of, percentile
from service.monitoring.runs import Run
from tests.workers.history import a_run

SPANS = st.lists(st.integers(1, 86_000_000), min_size=1, max_size=60)
NOON = datetime(2026, 11, 21, 12, 0, 59, 999_000, UTC)


def took(milliseconds: int, at: datetime = NOON, **values: Any) -> Run:
    """Return a run of so many milliseconds that had waited for three times as long."""
    started = at - timedelta(milliseconds=milliseconds)
    sent = started - timedelta(milliseconds=3 * milliseconds)
    return a_run("a", finished_at=at, started_at=started, enqueued_at=sent, **values)


@given(SPANS, st.sampled_from([0.5, 0.95, 1.0]))
def test_a_percentile_lies_in_the_bucket_of_the_true_one(spans: list[int], share: float) -> None:
    (minute,) = minutes_of(took(span) for span in spans).values()
    told = percentile(minute.durations, share)
    assert told is not None
    spans.sort()
    true = spans[max(0, -(-len(spans) * round(share * 100) // 100) - 1)] / 1000
    assert true / 2**0.5 <= told * 1.000001
    assert told <= true * 2**0.5 * 1.000001


@given(SPANS, SPANS)
def test_minutes_can_be_added(one: list[int], other: list[int]) -> None:
    """What two batches tell together is what one batch of both would."""
    parts = [minutes_of(took(span) for span in spans) for spans in (one, other)]
    (a,), (b,) = (list(part.values()) for part in parts)
    (both,) = minutes_of(took(span) for span in one + other).values()
    added = [x + y for x, y in zip_longest(a.durations, b.durations, fillvalue=0)]
    assert both.durations == added
    assert both.counts == [x + y for x, y in zip(a.counts, b.counts, strict=True)]


def test_of_many_runs_the_percentiles_are_close() -> None:
    spans = [20 + n * n // 50 for n in range(1, 2000)]
    (minute,) = minutes_of(took(span) for span in spans).values()
    cuts = quantiles(spans, n=20)
    assert percentile(minute.durations, 0.5) == pytest.approx(cuts[9] / 1000, rel=0.05)
    assert percentile(minute.durations, 0.95) == pytest.approx(cuts[18] / 1000, rel=0.1)


def test_runs_go_to_their_minute_and_queue_in_one_order() -> None:
    next_minute = NOON + timedelta(milliseconds=1)
    runs = [
        took(10, next_minute, queue="b"),
        took(10, queue="b", state="failed"),
        took(10, queue="a", state="retrying"),
        took(10, queue="b", state="cancelled"),
    ]
    found = minutes_of(runs)
    minute = NOON.replace(second=0, microsecond=0)
    later = minute + timedelta(minutes=1)
    assert list(found) == [(minute, "a"), (minute, "b"), (later, "b")]
    assert [each.counts for each in found.values()] == [[0, 0, 0, 1], [0, 1, 1, 0], [1, 0, 0, 0]]


def test_only_first_runs_have_waited_and_what_never_ran_took_no_time() -> None:
    runs = [took(5, attempt=0, state="cancelled"), took(5), took(5, attempt=2)]
    (minute,) = minutes_of(runs).values()
    assert (sum(minute.counts), sum(minute.waits), sum(minute.durations)) == (3, 1, 2)


def test_the_ends_of_the_scale() -> None:
    """Nothing, a negative span of two clocks, and more than a day."""
    assert percentile([], 0.5) is None
    assert percentile([0, 0], 0.5) is None
    (minute,) = minutes_of([took(-5), took(10**9)]).values()
    assert minute.durations[0] == 1
    assert len(minute.durations) == len(EDGES) + 1
    assert EDGES[-1] > timedelta(days=1)
