"""`almanac queues`: what waits, and steering whole queues."""

from datetime import timedelta

import pytest

from service.errors import InvalidInput, NotFound
from service.kit.clock import now
from service.queue import is_paused
from tests.commands.terminal import Terminal, columns
from tests.commands.test_jobs import audited
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def send(api: Installation, queue: str, count: int) -> None:
    """Queue jobs that belong to no row."""
    for _ in range(count):
        await api.runtime.queue.enqueue_job("monitoring.ping", _queue_name=f"almanac:{queue}")


async def test_what_waits(api: Installation, terminal: Terminal) -> None:
    """V090, T039, T068, N048: the numbers are Redis's own; a queue that nobody serves is named."""
    await send(api, "publishing", 3)
    await send(api, "media", 1)
    listed = {q["name"]: q for q in (await terminal.json("queues", "list"))["items"]}
    assert listed["publishing"]["ready"] == await api.runtime.queue.zcard("almanac:publishing") == 3
    assert listed["publishing"]["problem"] == "no living worker"
    assert (listed["media"]["ready"], listed["video"]["ready"]) == (1, 0)
    table = await terminal.shows("queues", "list")
    assert columns(table)["publishing"][0] == "3"
    assert "video" not in table
    assert "no living worker" in table


async def test_pause_and_resume(api: Installation, terminal: Terminal) -> None:
    """A paused queue starts nothing; both are in the audit log."""
    await terminal.shows("queues", "pause", "publishing")
    assert await is_paused(api.runtime.queue, "almanac:publishing")
    await send(api, "publishing", 1)
    assert "paused" in await terminal.shows("queues", "list")
    await terminal.shows("queues", "resume", "publishing")
    assert not await is_paused(api.runtime.queue, "almanac:publishing")
    assert [entry[1:] for entry in await audited(api, "queues")] == [
        ("queues.pause", "queue:publishing"),
        ("queues.resume", "queue:publishing"),
    ]


async def test_an_unknown_queue(api: Installation, terminal: Terminal) -> None:
    for verb in ("pause", "resume"):
        assert isinstance(await terminal.refused("queues", verb, "nonsense"), NotFound)
    refused = await terminal.refused("queues", "purge", "-Q", "nonsense", "--yes")
    assert isinstance(refused, NotFound)
    assert await audited(api, "queues") == []


async def test_purge_wants_a_yes(api: Installation, terminal: Terminal) -> None:
    """G056: without a terminal to ask on, nothing happens without --yes."""
    await send(api, "publishing", 2)
    refused = await terminal.refused("queues", "purge")
    assert isinstance(refused, InvalidInput)
    assert refused.message == "--yes: is needed to purge all queues; nothing was removed"
    assert len(await api.queued("publishing")) == 2
    assert await audited(api, "queues") == []


async def test_purge_of_one_queue(api: Installation, terminal: Terminal) -> None:
    """G057, V091, T073: only that queue is emptied, and the count is printed."""
    await send(api, "publishing", 2)
    await send(api, "media", 1)
    purged = await terminal.json("queues", "purge", "-Q", "publishing", "--yes")
    assert purged == {"publishing": {"removed": 2, "kept_owned": 0, "running_left": 0}}
    assert await api.queued("publishing") == []
    assert len(await api.queued("media")) == 1


async def test_purge_of_all(api: Installation, terminal: Terminal) -> None:
    """G056, N051, T073: every queue; what belongs to a row is left to it, and counted."""
    await send(api, "media", 2)
    due = now() + timedelta(minutes=5)
    post = await api.schedule([await api.connect()], publish_at=f"{due:%Y-%m-%dT%H:%M:%SZ}")
    shown = await terminal.shows("queues", "purge", "--yes")
    assert columns(shown)["media"] == ["2", "0", "0"]
    assert columns(shown)["publishing"] == ["0", "1", "0"]
    assert "2 jobs removed" in shown
    assert (await api.read_post(post["id"]))["state"] == "scheduled"
    await terminal.shows("queues", "purge", "-Q", "publishing", "--yes", "--cancel-owners")
    assert (await api.read_post(post["id"]))["state"] == "cancelled"
