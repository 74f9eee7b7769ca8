"""SQL of searches that look at so many rows at most: a page may be short, but never late."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, Select, func, or_, select
from sqlalchemy.orm import aliased

T = TypeVar("T")
SCANNED = 5_000
"""Rows that one search looks at, at most: about 15 ms."""


@dataclass(frozen=True, slots=True)
class Scan(Generic[T]):
    """What a search came to."""

    items: list[T]
    last: T | None
    """Where the next page goes on; None at the end."""
    gave_up: bool
    """Whether it stopped at `SCANNED` rows, before the page was full."""


def scan(
    row: type[T],
    indexed: Iterable[ColumnElement[bool]],
    matches: ColumnElement[bool],
    order: Callable[[Any], Sequence[ColumnElement[Any]]],
    limit: int,
) -> Select[T, bool, int]:
    """Return the SELECT of the rows that match; `read_scan` reads its result.

    Args:
        row: the table.
        indexed: what one index answers, in the order of the list.
        matches: all else; it is asked of `SCANNED` rows at most.
        order: of the list, from the table.
        limit: rows of a page.
    """
    place = func.row_number().over(order_by=order(row)).label("place")
    read = select(row, place, matches.label("matches")).where(*indexed)
    scanned = read.order_by(*order(row)).limit(SCANNED).subquery()
    found, seen = aliased(row, scanned), scanned.c
    chosen = select(found, seen.matches, seen.place)
    chosen = chosen.where(or_(seen.matches, seen.place == SCANNED))
    # Not by place: the planner knows that the rows come in this order.
    return chosen.order_by(*order(found)).limit(limit + 1)


def read_scan(rows: Sequence[Row[T, bool, int]], limit: int) -> Scan[T]:
    """Return what the SELECT of `scan` has found."""
    items = [row for row, matching, _ in rows if matching][:limit]
    if len(rows) > limit:
        return Scan(items, items[-1], gave_up=False)
    if rows and rows[-1][2] == SCANNED:
        return Scan(items, rows[-1][0], gave_up=True)
    return Scan(items, None, gave_up=False)
