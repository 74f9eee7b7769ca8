"""Pages of jobs and runs, for people or as JSON; and lengths of time as people write them."""

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from service.commands.terminal import moment, out, print_json, print_rows
from service.errors import ConfigurationError

_PERIOD = re.compile(r"([0-9]{1,4})([dhm])")
_UNITS = {"d": "days", "h": "hours", "m": "minutes"}


def period(text: str) -> timedelta:
    """Return the length of `7d`, `12h` or `30m`.

    Raises:
        ConfigurationError: it is none of these.
    """
    match = _PERIOD.fullmatch(text)
    if match is None or not int(match[1]):
        raise ConfigurationError(f"--since {text}: give days, hours or minutes, as 7d, 12h or 30m")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def print_page(
    found: dict[str, Any], columns: Sequence[str], detail: str, *, as_json: bool
) -> None:
    """Print a list of the API: `items`, and whether there are more.

    Args:
        found: the list.
        columns: fields of its items; the id comes last.
        detail: the field that stands below the id, where it says anything.
        as_json: print it as it is.
    """
    if as_json:
        print_json(found)
        return
    if not found["items"]:
        out.print("None")
        return
    shown = ["try" if c in {"attempt", "tries"} else c.replace("_", " ") for c in columns]
    rows = (
        [*(_cell(c, item[c]) for c in columns), _named(item, detail)] for item in found["items"]
    )
    print_rows([*shown, "id"], rows)
    if found["next_cursor"]:
        out.print(f"The first {len(found['items'])}; there are more.")


def _cell(column: str, value: Any) -> object:
    return moment(value) if column.endswith("_at") else value


def _named(item: dict[str, Any], detail: str) -> str:
    text = brief(item[detail])
    return f"{item['id']}\n  {text}" if text else str(item["id"])


def brief(value: Any) -> str:
    """Return an error, or arguments, in one line."""
    if value is None or value == {}:
        return ""
    match value:
        case {"type": kind, "message": message, **_others}:
            return " ".join(f"{kind}: {message}".split())
        case str():
            return " ".join(value.split())
    return json.dumps(value, default=str)
