"""What all commands share: where they print, and how."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

out = Console()
err = Console(stderr=True)
Json = Annotated[bool, typer.Option("--json", help="Print JSON")]
QueueName = Annotated[str | None, typer.Option("--queue", help="Such as publishing")]


_FOLDED = frozenset({"", "job", "found", "says", "what", "after"})
"""Columns of texts; ids, states and the like stay in a line."""


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(json.dumps(value, default=str) + "\n")
    sys.stdout.flush()


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], **options: Any) -> None:
    """Print a table; None is an empty cell, and nothing is taken for markup."""
    out.print(table_of(columns, rows, **options))


def table_of(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    one_line: bool = False,
    **options: Any,
) -> Table:
    """Return a table as `print_rows` prints it.

    Args:
        columns: their titles; one that begins with # holds numbers.
        rows: a cell for each column; None is an empty one.
        one_line: cut what does not fit into a line; else long texts are folded.
        options: of rich's Table.
    """
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), **options)
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    for i, column in enumerate(columns):
        number = column.startswith("#")
        folded = (column in _FOLDED or column == "id") and not one_line
        table.add_column(
            column.removeprefix("#"),
            justify="right" if number else "left",
            no_wrap=not folded,
            overflow="fold" if folded else "ellipsis",
            # What stands below an id is folded, the id never.
            min_width=max((len(row[i].split("\n")[0]) for row in cells), default=0)
            if column == "id" and folded
            else None,
        )
    for row in cells:
        table.add_row(*map(escape, row))
    return table


def print_fields(fields: Mapping[str, object]) -> None:
    """Print what is known of one thing, a line each."""
    grid = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        if value is not None:
            grid.add_row(f"[dim]{escape(name)}[/]", escape(str(value)))
    out.print(grid)


def moment(value: datetime | str | None) -> str:
    """Return an instant of these days as people read it, in UTC and to the second."""
    return "" if value is None else str(value)[5:19].replace("T", " ")


def span(seconds: float | None) -> str:
    """Return a length of time in its two largest units."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes}m" if hours else f"{minutes}m {rest}s"


def bar(percent: int, width: int = 20) -> str:
    """Return how much is done as a bar of so many characters."""
    full = round(width * percent / 100)
    return "█" * full + "░" * (width - full)
