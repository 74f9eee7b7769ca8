"""`almanac workers`: who is there, and telling them what to do."""

import asyncio

import pytest

from service.errors import InvalidInput, NotFound
from service.queue import presence
from tests.api.test_workers import NAME, dead_worker, living
from tests.commands.terminal import Terminal, columns
from tests.commands.test_jobs import audited
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def test_nobody_is_there(api: Installation, terminal: Terminal) -> None:
    """N050, K055: no worker answers: exit 1."""
    assert "No worker is alive" in await terminal.shows("workers", "ping", code=1)
    assert await terminal.json("workers", "ping", code=1) == {}
    assert "No worker is known" in await terminal.shows("workers", "list")
    assert isinstance(await terminal.refused("workers", "ping", "nobody:1"), NotFound)
    await terminal.shows("workers", "shutdown", "--all", code=1)


async def test_workers_are_listed(api: Installation, terminal: Terminal) -> None:
    """G054, N024, T033, T034, T035, K054, K056, V069: counts, uptime, queue and jobs of each."""
    async with living(api) as worker:
        await dead_worker(api, "gone:1")
        table = columns(await terminal.shows("workers", "list"))
        assert table[NAME][:2] == ["maintenance", "running"]
        assert table["gone:1"][:2] == ["maintenance", "offline"]
        shown = await terminal.shows("workers", "show", NAME)
        assert all(name in shown.replace("\n", " ") for name in worker.functions)
        (found,) = (await terminal.json("workers", "show", NAME))["items"]
        assert found["functions"] == sorted(worker.functions)
        assert isinstance(await terminal.refused("workers", "show", "nobody:1"), NotFound)


async def test_each_answers(api: Installation, terminal: Terminal) -> None:
    """N050: each living worker answers pong; one that is dead is not asked."""
    async with living(api):
        await dead_worker(api, "gone:1")
        assert (await terminal.shows("workers", "ping")).startswith(f"{NAME}: pong, loop lag ")
        answers = await terminal.json("workers", "ping", NAME)
        assert {name: answer["said"] for name, answer in answers.items()} == {NAME: "pong"}
        assert isinstance(await terminal.refused("workers", "ping", "gone:1"), NotFound)
    assert await audited(api, "workers") == []


async def test_quiet_and_resume(api: Installation, terminal: Terminal) -> None:
    """A quiet worker claims nothing until it is resumed; who said so is written down."""
    async with living(api):
        assert await terminal.shows("workers", "quiet", NAME) == f"{NAME}: quiet\n"
        (view,) = await presence.workers(api.runtime.queue)
        assert view.state == "quiet"
        assert await terminal.shows("workers", "resume", "--all") == f"{NAME}: running\n"
    assert [entry[1:] for entry in await audited(api, "workers")] == [
        ("workers.quiet", f"worker:{NAME}"),
        ("workers.resume", f"worker:{NAME}"),
    ]


async def test_shutdown(api: Installation, terminal: Terminal) -> None:
    """N052: the worker stops, and is not seen any more."""
    async with living(api):
        assert await terminal.shows("workers", "shutdown", NAME) == f"{NAME}: stopping\n"
        async with asyncio.timeout(15):
            while await presence.workers(api.runtime.queue):  # noqa: ASYNC110 - a key is no event
                await asyncio.sleep(0.05)


async def test_it_must_be_said_who(api: Installation, terminal: Terminal) -> None:
    """Neither nobody nor everybody by mistake."""
    async with living(api):
        for given in ((), (NAME, "--all")):
            refused = await terminal.refused("workers", "shutdown", *given)
            assert isinstance(refused, InvalidInput)
        (view,) = await presence.workers(api.runtime.queue)
        assert view.state == "running"
    assert await audited(api, "workers") == []


async def test_a_probe(api: Installation, terminal: Terminal) -> None:
    """V066: `worker --check` ends with 1 while nobody serves the queue, else with 0."""
    nobody = await terminal.run("worker", "maintenance", "--check")
    assert (nobody.exit_code, nobody.stdout) == (1, "")
    assert "maintenance" in nobody.stderr
    async with living(api):
        await terminal.shows("worker", "maintenance", "--check")
