"""Pure rules of minutes: what runs came to in each, and the percentiles that can be told of it.

Waits and durations are counted in buckets whose edges grow by the square root of two, from 1 ms to
a day. So counts can be added over minutes and queues, and a percentile told of the sum is off by a
fifth at most, or thereabouts.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate

from service.monitoring.runs import Run

EDGES = tuple(timedelta(milliseconds=2 ** (place / 2)) for place in range(54))
"""The longest span of each bucket; what is longer than the last is counted in one more."""
OUTCOMES = ("succeeded", "failed", "cancelled", "retrying")


@dataclass(slots=True)
class Minute:
    """What the runs of one queue came to that ended within one minute.

    Attributes:
        counts: runs by their outcome, in the order of `OUTCOMES`.
        waits: first runs by how long their job had waited, bucket by bucket, as far as there are
            any; what never ran is not among them.
        durations: runs by how long they took, likewise.
    """

    counts: list[int] = field(default_factory=lambda: [0] * len(OUTCOMES))
    waits: list[int] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)


def minutes_of(runs: Iterable[Run]) -> dict[tuple[datetime, str], Minute]:
    """Return what runs came to, by minute and queue, in one order for all who write them."""
    found: dict[tuple[datetime, str], Minute] = {}
    for run in runs:
        key = run.finished_at.replace(second=0, microsecond=0), run.queue
        if (minute := found.get(key)) is None:
            minute = found[key] = Minute()
        minute.counts[OUTCOMES.index(run.state)] += 1
        if run.attempt > 0:
            _count(minute.durations, run.finished_at - run.started_at)
        if run.attempt == 1:
            _count(minute.waits, run.started_at - run.enqueued_at)
    return dict(sorted(found.items()))


def _count(counts: list[int], span: timedelta) -> None:
    bucket = bisect_left(EDGES, span)
    if bucket >= len(counts):
        counts.extend([0] * (bucket + 1 - len(counts)))
    counts[bucket] += 1


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Return the seconds that this share of what was counted stays below; None of nothing."""
    sums = list(accumulate(counts))
    if not sums or not sums[-1]:
        return None
    wanted = share * sums[-1]
    bucket = bisect_left(sums, wanted)
    # Within a bucket all spans are taken for equally likely, on the scale of its edges.
    inside = 1 - (sums[bucket] - wanted) / counts[bucket]
    return float(0.001 * 2 ** ((bucket - 1 + inside) / 2))
