"""Lines of files of members: what they say, and what is wrong with it. No I/O."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from service.community import rules
from service.errors import Problem

COLUMNS = ("email", "username", "display_name", "joined_at", "digest_opt_out", "is_active")
NEEDED = ("email", "username")
FLAGS = {"digest_opt_out": False, "is_active": True}
"""Columns of yes and no, and what an empty cell means."""
WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def columns_problem(names: Iterable[str]) -> Problem | None:
    """Return what is wrong with the columns of a file as a whole."""
    found = set(names)
    if missing := [name for name in NEEDED if name not in found]:
        return Problem("file", f"has no column '{missing[0]}'")
    if unknown := sorted(found.difference(COLUMNS)):
        known = ", ".join(COLUMNS)
        return Problem("file", f"has the unknown column '{unknown[0][:80]}'; known: {known}")
    return None


def member_of(
    cells: Mapping[str, Any], now: datetime
) -> tuple[dict[str, Any] | None, list[Problem]]:
    """Return a line's member as it is kept, or None and all that is wrong with the line."""
    given = {name: str(value).strip() for name, value in cells.items() if value is not None}
    names = {name: given.get(name, "") for name in NEEDED}
    names["display_name"] = given.get("display_name") or names["username"]
    kept, problems = rules.member_names(names)
    values: dict[str, Any] = {**kept}
    for name, default in FLAGS.items():
        word = given.get(name, "").lower()
        values[name] = WORDS.get(word, default)
        if word and word not in WORDS:
            problems.append(Problem(name, "is neither yes nor no"))
    joined = _instant(given.get("joined_at", ""), now)
    if isinstance(joined, Problem):
        problems.append(joined)
    values["joined_at"] = joined
    return (None if problems else values), problems


def _instant(text: str, now: datetime) -> datetime | Problem:
    if not text:
        return now
    try:
        instant = datetime.fromisoformat(text)
        # A time without an offset is UTC.
        instant = (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return Problem("joined_at", "is no time such as 2030-01-31T09:00:00Z")
    return instant if instant <= now else Problem("joined_at", "is in the future")
