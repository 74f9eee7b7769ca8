"""The charts of the last hours: data for uPlot, and the same in words for who sees no picture."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from service.dashboard.formats import NONE, duration, number
from service.dashboard.operations.wording import count
from service.monitoring.minute_rules import OUTCOMES
from service.monitoring.minutes import Point, Series, Spans

LABELS = ("Succeeded", "Failed", "Cancelled", "Tried again")
TONES = ("good", "bad", "soft", "wait")
HOURS = {"1h": "hour", "6h": "6 hours", "24h": "24 hours"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    label: str
    tone: str
    """Name of a colour token."""
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart with its caption."""

    name: str
    title: str
    caption: str
    unit: str
    """`rate` or `seconds`."""
    points: Sequence[Point]
    lines: Sequence[Line]

    @property
    def data(self) -> str:
        """What the script draws, as JSON."""
        return json.dumps(
            {
                "unit": self.unit,
                "times": [point.at.timestamp() for point in self.points],
                "lines": [[line.label, line.tone, line.values] for line in self.lines],
            },
            separators=(",", ":"),
        )

    @property
    def rows(self) -> list[tuple[datetime, list[str]]]:
        """The same as a table: the steps in which anything ended, the latest first."""
        show = duration if self.unit == "seconds" else _rate
        return [
            (point.at, [show(line.values[n]) for line in self.lines])
            for n, point in reversed(list(enumerate(self.points)))
            if any(point.counts)
        ]


def charts(series: Series, over: str, zone: ZoneInfo) -> list[Chart]:
    """Return the charts of what was measured."""
    points = series.points
    used = [n for n in range(len(OUTCOMES)) if series.counts[n] or n == 0]
    ends = [
        Line(LABELS[n], TONES[n], [round(p.counts[n] / p.minutes, 2) for p in points]) for n in used
    ]
    return [
        Chart("ends", "Jobs that ended", _of_ends(series, over, zone), "rate", points, ends),
        _spans("waits", "Wait for a worker", "started within", series, zone, lambda p: p.wait),
        _spans("runs", "Duration of runs", "took up to", series, zone, lambda p: p.duration),
    ]


def _spans(  # noqa: PLR0913, PLR0917 - its name, its words, its numbers
    name: str,
    title: str,
    verb: str,
    series: Series,
    zone: ZoneInfo,
    of: Callable[[Point], Spans],
) -> Chart:
    points = series.points
    lines = [
        Line("Half", "busy", [_rounded(of(point).p50) for point in points]),
        Line("95 %", "wait", [_rounded(of(point).p95) for point in points]),
    ]
    total = series.wait if name == "waits" else series.duration
    if total.p50 is None or total.p95 is None:
        return Chart(name, title, "Nothing ran.", "seconds", points, lines)
    nearly_all = f"95\N{NO-BREAK SPACE}% {about(total.p95)}"
    caption = f"Half of the runs {verb} about {about(total.p50)}, {nearly_all}."
    worst = max(points, key=lambda point: of(point).p95 or 0, default=None)
    if worst is not None and (longest := of(worst).p95):
        caption += f" At the worst, at {_clock(worst.at, zone)}, it was {about(longest)}."
    return Chart(name, title, caption, "seconds", points, lines)


def _of_ends(series: Series, over: str, zone: ZoneInfo) -> str:
    if not any(series.counts):
        return f"No job has ended in the last {HOURS[over]}."
    parts = [f"{count(series.counts[0], 'run')} succeeded"]
    words = ("", "failed", "were cancelled", "are tried again")
    parts += [f"{number(series.counts[n])} {words[n]}" for n in (1, 2, 3) if series.counts[n]]
    caption = f"{', '.join(parts)} in the last {HOURS[over]}."
    if series.points:
        peak = max(series.points, key=lambda point: point.rate)
        last = series.points[-1]
        caption += (
            f" Now {_rate(last.rate)} a minute;"
            f" {_rate(peak.rate)} at the peak, at {_clock(peak.at, zone)}."
        )
    return caption


def about(seconds: float) -> str:
    """Return a span without more digits than buckets tell."""
    return duration(float(f"{seconds:.2g}")).replace(" ", "\N{NO-BREAK SPACE}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else float(f"{seconds:.3g}")


def _rate(value: float | None) -> str:
    return NONE if value is None else number(round(value, 1))


def _clock(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%H:%M")
