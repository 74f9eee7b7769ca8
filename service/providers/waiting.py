"""How long a server asks to wait, in the headers of an answer."""

import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx

from service.kit.clock import now

LONGEST = 3600.0
"""Seconds; a server that asks for more is asked again sooner."""
_RESETS = ("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


def asked_wait(headers: httpx.Headers) -> float | None:
    """Return the seconds until a server wants to be asked again; None: it does not say.

    Read are Retry-After (RFC 9110 §10.2.3: seconds or a date) and, without it, the longest of
    x-ratelimit-reset-requests and -tokens, which OpenAI writes as `6m0s` or `20ms`.
    """
    found = _retry_after(headers.get("retry-after", "").strip())
    if found is None:
        found = max(_resets(headers), default=None)
    return None if found is None else min(max(found, 0.0), LONGEST)


def _retry_after(text: str) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        return (parsedate_to_datetime(text) - now()).total_seconds() if text else None
    except (ValueError, TypeError):  # no date, or one without a zone
        return None


def _resets(headers: httpx.Headers) -> Iterator[float]:
    for name in _RESETS:
        text = headers.get(name, "")
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            yield sum(float(number) * _UNITS[unit] for number, unit in parts)
