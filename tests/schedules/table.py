"""The tables of docs/schedules.md, which are the test."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "schedules.md"


def rows(heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table with this first column."""
    lines = iter(DOCUMENT.read_text().splitlines())
    for line in lines:
        if line.startswith(f"| {heading} |"):
            break
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip().strip("`") for cell in line.strip("|").split("|")]


def instant(text: str) -> datetime:
    """Return an instant as the tables have it."""
    return datetime.strptime(text.strip(), "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
