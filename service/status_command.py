"""`almanac status`: how jobs fare, for people or as JSON."""

import asyncio
import re
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

import service.operator  # noqa: F401 - it declares every job
from service.config import Settings
from service.errors import ConfigurationError
from service.monitoring.status import status
from service.runtime import open_runtime

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


def find_status(settings: Settings, since: str) -> dict[str, Any]:
    """Return the report of the last `7d`, `12h` or `30m`; raises as `period`."""

    async def find() -> dict[str, Any]:
        async with open_runtime(settings, "cli") as runtime:
            return await status(runtime, period(since))

    return asyncio.run(find())


def print_status(found: dict[str, Any], out: Console) -> None:
    """Print the report as tables."""
    for group, title in (("paths", "who ran it"), ("jobs", "job"), ("days", "day (UTC)")):
        table = Table(title, "succeeded", "failed", "success")
        for name, ends in found[group].items():
            share = f"{ends['rate']:.1%}"
            table.add_row(name, str(ends["succeeded"]), str(ends["failed"]), share)
        out.print(table)
    table = Table("queue", "waiting", "oldest", "workers", "")
    for name, queue in found["queues"].items():
        workers = "?" if queue["workers"] is None else str(queue["workers"])
        note = f"[red]{queue['problem']}[/]" if queue["problem"] else ""
        if queue["paused"]:
            note = f"{note} paused".strip()
        table.add_row(name, str(queue["waiting"]), f"{queue['oldest']:.0f} s", workers, note)
    out.print(table)
