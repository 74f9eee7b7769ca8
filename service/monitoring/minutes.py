"""Minutes as charts show them: every step of the last hours, those without runs too."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from service.monitoring import minute_queries as queries
from service.monitoring.minute_queries import Step
from service.monitoring.minute_rules import OUTCOMES, percentile

MINUTE = timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING = (0,) * len(OUTCOMES)


class Range(NamedTuple):
    """How far back one looks, and in which steps."""

    length: timedelta
    step: timedelta


RANGES: Mapping[str, Range] = {
    "1h": Range(timedelta(hours=1), MINUTE),
    "6h": Range(timedelta(hours=6), timedelta(minutes=5)),
    "24h": Range(timedelta(hours=24), timedelta(minutes=15)),
}


@dataclass(frozen=True, slots=True)
class Spans:
    """Seconds that half, and 95 %, of some runs stayed below; None without runs."""

    p50: float | None
    p95: float | None

    @classmethod
    def of(cls, counts: Sequence[int]) -> "Spans":
        """Return what buckets tell."""
        return cls(percentile(counts, 0.5), percentile(counts, 0.95))


@dataclass(frozen=True, slots=True)
class Point:
    """What runs came to within one step.

    Attributes:
        at: begin of the step.
        minutes: that it has lasted so far; the last step is still under way.
        counts: runs by outcome, as `minute_rules.OUTCOMES` has them.
    """

    at: datetime
    minutes: float
    counts: tuple[int, ...]
    wait: Spans
    duration: Spans

    @property
    def rate(self) -> float:
        """Runs that ended, per minute."""
        return sum(self.counts) / self.minutes


@dataclass(frozen=True, slots=True)
class Series:
    """The last hours, step by step."""

    points: Sequence[Point]
    counts: tuple[int, ...]
    """Of all steps together; likewise `wait` and `duration`."""
    wait: Spans
    duration: Spans


async def series(
    session: AsyncSession, wanted: Range, moment: datetime, queue: str | None = None
) -> Series:
    """Return the steps up to a moment, of all queues or one.

    The step under way is told of once it is half over: sooner it would say little.
    """
    last = moment - (moment - EPOCH) % wanted.step
    first = last - wanted.length + wanted.step
    found = {step.at: step for step in await queries.steps(session, first, wanted.step, queue)}
    ats = [first + n * wanted.step for n in range(wanted.length // wanted.step)]
    points = [_point(at, found.get(at), min(wanted.step, moment - at)) for at in ats]
    if moment - last < wanted.step / 2:
        points.pop()
    all_steps = found.values()
    return Series(
        points,
        tuple(sum(step.counts[n] for step in all_steps) for n in range(len(OUTCOMES))),
        Spans.of(_sum(step.waits for step in all_steps)),
        Spans.of(_sum(step.durations for step in all_steps)),
    )


def _point(at: datetime, step: Step | None, lasted: timedelta) -> Point:
    counts, waits, durations = step[1:] if step else (NOTHING, (), ())
    return Point(at, max(lasted / MINUTE, 0.5), counts, Spans.of(waits), Spans.of(durations))


def _sum(histograms: Iterable[Sequence[int]]) -> list[int]:
    return [sum(counts) for counts in zip_longest(*histograms, fillvalue=0)]
