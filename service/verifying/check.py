"""One thing that is looked at, and how a look becomes a line."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from service.commands.refusals import in_one_line
from service.errors import AlmanacError

PATIENCE = 10.0
"""Seconds that one look may take."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str


class Wrong(AlmanacError):
    """What was looked at is not as it must be."""


async def look(
    name: str, ask: Callable[[], Awaitable[str]], *, patience: float = PATIENCE
) -> Check:
    """Return what `ask` finds, or in one line why it is wrong.

    Args:
        name: of the check.
        ask: returns what is well, or raises.
        patience: seconds that it may take.
    """
    try:
        async with asyncio.timeout(patience):
            return Check(name, ok=True, detail=await ask())
    except TimeoutError:
        return Check(name, ok=False, detail=f"no answer within {patience:g} s")
    except Exception as error:  # noqa: BLE001 - a check tells of whatever is wrong; others still run
        detail = in_one_line(error) or f"{type(error).__name__}: {error}"
        return Check(name, ok=False, detail=detail)
