"""`almanac monitor`: what one look shows, also when a server is away."""

from dataclasses import replace

import pytest
from rich.console import Console

from service.commands.monitor import Seen, drawn, see
from service.db.session import Database
from service.queue import connect
from service.runtime import Runtime
from tests.api.test_workers import NAME, living
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio


def shown(seen: Seen, height: int = 30) -> list[str]:
    """Return the lines of a screen of 100 columns."""
    console = Console(width=100, height=height)
    with console.capture() as captured:
        console.print(drawn(seen, height))
    return captured.get().splitlines()


async def test_one_screen(api: Installation) -> None:
    """N019, N057, V067: workers, queues and what ended last, within the height of the screen."""
    await write(api.runtime, *(a_run(f"job-{n}", name="a.job") for n in range(40)))
    async with living(api):
        seen = await see(api.runtime, Seen())
    assert seen.away == ()
    lines = shown(seen)
    text = "\n".join(lines)
    assert NAME in text
    assert "maintenance" in text
    assert "more" in lines[-1]
    assert len(lines) <= 30
    assert len(shown(seen, height=8)) <= 8


async def test_redis_away(runtime: Runtime, api: Installation) -> None:
    """What PostgreSQL knows is shown; the rest stays as it was seen last, and is said to be old."""
    await write(api.runtime, a_run("recorded", name="a.job"))
    async with living(api):
        before = await see(runtime, Seen())
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    seen = await see(replace(runtime, queue=nowhere), before)
    await nowhere.aclose()
    assert seen.workers == before.workers
    assert len(seen.ended) == 1
    (away,) = {why.split(" does not")[0].split(" at ")[0] for why in seen.away}
    assert away == "Redis"
    assert any(line.startswith("AWAY  Redis") for line in shown(seen))


async def test_postgresql_away(runtime: Runtime, api: Installation) -> None:
    """Workers are seen without it."""
    gone = Database("postgresql+asyncpg://me:x@127.0.0.1:1/x", name="test", pool_size=1)
    async with living(api):
        seen = await see(replace(runtime, database=gone), Seen())
    await gone.close()
    assert [worker.name for worker in seen.workers] == [NAME]
    assert any(line.startswith("AWAY  PostgreSQL") for line in shown(seen))
