"""How pages write times, numbers and sizes."""

import math
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from markupsafe import Markup, escape

from service.kit.clock import now

MINUTE, HOUR, DAY = 60, 3600, 86400
NONE = "\N{EN DASH}"
"""Stands where there is nothing."""
SIZES = ("B", "KiB", "MiB", "GiB", "TiB")
UNITS = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))


def zone_of(name: str | None) -> ZoneInfo:
    """Return the time zone that a person has chosen, UTC without a choice or an unknown one."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """Return an instant in a zone, with its year only if it is another than this one."""
    if at is None:
        return NONE
    local = at.astimezone(zone)
    year = "" if local.year == now().astimezone(zone).year else " %Y"
    return local.strftime(f"%a %-d %b{year}, %H:%M")


def ago(at: datetime | None, zone: ZoneInfo) -> Markup:
    """Return how far an instant is from now, with the instant itself as its title."""
    if at is None:
        return escape(NONE)
    seconds = (now() - at).total_seconds()
    if abs(seconds) < 1:
        text = "now"
    else:
        span = _coarse(abs(seconds))
        text = f"{span} ago" if seconds > 0 else f"in {span}"
    exact = at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S %Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, text)


def duration(seconds: float | timedelta | None) -> str:
    """Return a span of time: `340 ms`, `2.4 s`, `3 min 5 s`, `2 d 4 h`."""
    if seconds is None:
        return NONE
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < MINUTE:
        return f"{seconds:.3g} s"
    parts: list[str] = []
    left = round(seconds)
    for size, unit in UNITS:
        count, left = divmod(left, size)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(part for part in parts[:2] if not part.startswith("0 "))


def _coarse(seconds: float) -> str:
    size, unit = next((pair for pair in UNITS if seconds >= pair[0]), UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def number(value: float | None) -> str:
    """Return a number with thousands apart: `12,345`."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.3g}"


def size(count: float | None) -> str:
    """Return a number of bytes: `3.2 MiB`."""
    if count is None:
        return NONE
    power = min(len(SIZES) - 1, int(math.log2(max(abs(count), 1)) // 10))
    return f"{count / 1024**power:.3g} {SIZES[power]}"
