"""Medians and percentiles."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """One figure of one system over the rounds."""

    median: float
    low: float
    high: float
    rounds: int


def summarise(values: Sequence[float]) -> Summary:
    """Summarise at least one value."""
    return Summary(statistics.median(values), min(values), max(values), len(values))


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least this percentage does not exceed (nearest rank)."""
    if not values:
        raise ValueError("no values, so no percentile")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def steady_rate(samples: Sequence[tuple[float, int]]) -> float:
    """Return jobs per second after the first tenth of the jobs, which warms the worker up.

    Args:
        samples: instants in seconds and how many jobs were done by then, in order.

    Raises:
        ValueError: the jobs were done between two samples.
    """
    before, (ended, done) = samples[0][1], samples[-1]
    warm = before + (done - before) / 10
    began, already = next((at, count) for at, count in samples if count >= warm)
    if already == done or ended <= began:
        raise ValueError(f"{done - before} jobs were done too fast to be measured")
    return (done - already) / (ended - began)


def number(value: float) -> str:
    """Write a number with three digits that count, or all digits of a whole part that has more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
