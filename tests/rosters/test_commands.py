"""`almanac rosters`."""

from datetime import UTC, date, datetime, timedelta

import pytest

from service.errors import InvalidInput
from service.operator import OPERATOR
from tests.commands.terminal import Terminal
from tests.rosters.helpers import Desk

pytestmark = pytest.mark.asyncio
DAY = timedelta(days=1)


def today() -> date:
    """Return the day in the zone of the test's settings, UTC."""
    return datetime.now(UTC).date()


async def test_rosters_are_locked_at_a_terminal(desk: Desk, terminal: Terminal) -> None:
    """K034, K037: earlier days by default, or those before a date; the log says who did it."""
    for days in (0, 1, 5):
        await desk.make(today() - days * DAY)
    before = str(today() - 3 * DAY)
    assert await terminal.json("rosters", "lock", "--before", before) == {"locked": 1}
    assert "1 roster is locked now" in await terminal.shows("rosters", "lock")
    assert "0 rosters are locked now" in await terminal.shows("rosters", "lock")
    assert [(entry.actor, "who" in entry.detail) for entry in await desk.noted("rosters.lock")] == [
        (OPERATOR.actor, False)
    ] * 2
    refused = await terminal.refused("rosters", "lock", "--before", str(today() + 2 * DAY))
    assert isinstance(refused, InvalidInput)
    assert "those days are still ahead" in str(refused)
    assert await terminal.json("rosters", "lock", "--before", str(today() + DAY)) == {"locked": 1}


async def test_rosters_are_listed(desk: Desk, terminal: Terminal) -> None:
    items = [{"person": "Ali", "status": "present"}, {"person": "Sara", "status": "absent"}]
    roster = await desk.make(today(), "Gate", items=items)
    await desk.make(today() - 30 * DAY, "Old")
    await desk.lock(roster)
    (listed,) = await terminal.json("rosters", "list")
    assert (listed["id"], listed["counts"]["absent"]) == (roster["id"], 1)
    shown = await terminal.shows("rosters", "list")
    assert [word in shown for word in ("Gate", "locked", "admin", "Old")] == [True] * 3 + [False]
    since = ("--from", str(today() - 40 * DAY), "--to", str(today() - DAY))
    assert "Old" in await terminal.shows("rosters", "list", *since)
    assert await terminal.json("rosters", "list", "--status", "open") == []
    assert await terminal.json("rosters", "list", "--project", "Desk") == []
