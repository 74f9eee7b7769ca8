"""The days of the community as its page shows them: charts, and the last day in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from service.community.figure_schemas import DayOut
from service.dashboard.formats import number
from service.dashboard.operations.charts import Line
from service.dashboard.operations.wording import count
from service.dashboard.publishing.figures import Chart

WEEK = 7
CHARTS = (
    ("members", "Members", (("active_members", "Active"), ("new_members", "New"))),
    ("posts", "Posts and comments", (("posts", "Posts"), ("comments", "Comments"))),
    ("reactions", "Likes, shares and follows", (
        ("likes", "Likes"), ("shares", "Shares"), ("follows", "Follows"),
    )),
)  # fmt: skip
TONES = ("busy", "good", "wait")
COMPARED = {
    "active_members": "active members",
    "new_members": "new members",
    "posts": "posts",
    "comments": "comments",
    "likes": "likes",
    "shares": "shares",
}
EVEN = 0.05
"""A difference below this part of the average is none that anybody would notice."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of the last day, against the days of the week before that were counted."""

    title: str
    value: int
    words: str


@dataclass(frozen=True, slots=True)
class Last:
    """The last day that was counted."""

    day: date
    title: str
    figures: Sequence[Compared]


def charts(days: Sequence[DayOut], first: date, last: date) -> list[Chart]:
    """Return the charts of a span of days; one that was not counted is left out."""
    if not days:
        return []
    counted = {each.date: each for each in days}
    dates = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    times = [datetime.combine(each, time(), UTC) for each in dates]
    return [
        Chart(
            name,
            title,
            _caption(days, columns),
            times,
            [
                Line(
                    label,
                    TONES[n],
                    [getattr(counted[day], column) if day in counted else None for day in dates],
                )
                for n, (column, label) in enumerate(columns)
            ],
        )
        for name, title, columns in CHARTS
    ]


def _caption(days: Sequence[DayOut], columns: Sequence[tuple[str, str]]) -> str:
    """Return the sum of each figure; of active members, who are the same ones, the most."""
    parts = []
    for column, label in columns:
        values = [getattr(each, column) for each in days]
        if column == "active_members":
            parts.append(f"up to {number(max(values))} active a day")
        else:
            parts.append(f"{number(sum(values))} {label.lower()}")
    text = ", ".join(parts)
    return f"{text[0].upper()}{text[1:]} in {count(len(days), 'counted day')}."


def last_day(days: Sequence[DayOut], today: date) -> Last | None:
    """Return the last day that was counted against the week before it; None without any.

    Args:
        days: the newest first.
        today: the day of UTC, as it is called by name.
    """
    if not days:
        return None
    newest, *others = days
    begin = newest.date - timedelta(days=WEEK)
    before = [each for each in others if each.date >= begin]
    names = {today: "Today so far", today - timedelta(days=1): "Yesterday"}
    return Last(
        newest.date,
        names.get(newest.date, f"{newest.date:%A}, {newest.date.day} {newest.date:%B %Y}"),
        [
            Compared(
                title,
                getattr(newest, column),
                against(getattr(newest, column), [getattr(each, column) for each in before]),
            )
            for column, title in COMPARED.items()
        ],
    )


def against(value: int, before: Sequence[int]) -> str:
    """Say how a figure of a day compares with those of the days before."""
    if not before:
        return "the first day that was counted"
    average = sum(before) / len(before)
    a_day = f"{number(round(average, 1))} a day"
    if abs(value - average) <= EVEN * average:
        return f"as usual: {a_day}"
    if not average:
        return "none in the week before"
    if value > 2 * average:
        return f"{number(round(value / average, 1))} times {a_day}"
    part = f"{abs(value - average) / average:.0%}"
    return f"{part} {'more' if value > average else 'fewer'} than {a_day}"
