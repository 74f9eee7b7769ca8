"""The judge sees each kind of violation: it is shown one and must name it."""

import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.engine.invariants import SECOND, Facts, check
from tests.chaos.engine.ledger import Ledger
from tests.chaos.engine.scenario import KEY
from tests.chaos.engine.valkey import Valkey

pytestmark = pytest.mark.asyncio


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="chaos") as name:
        yield Path(name)


@pytest_asyncio.fixture
async def valkey(folder: Path) -> AsyncIterator[Valkey]:
    """An empty server."""
    with Valkey(folder) as valkey:
        yield valkey
        await valkey.redis.aclose()


@pytest.fixture
def ledger(folder: Path) -> Iterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger(folder / "ledger.sqlite")
    yield ledger
    ledger.close()


def ran(ledger: Ledger, job: str, how: str = "done", tries: int = 1, key: str = "") -> None:
    """Write one run from start to end."""
    ledger.end(ledger.start(job, tries, key), job, how)


async def finished(valkey: Valkey, job: str) -> None:
    """Leave what an accepted finish leaves."""
    await valkey.redis.set(f"arq:result:{job}", b"{}")
    await valkey.redis.xadd(f"{KEY}:events", {"": "a:1", job: '{"s":true}'})


async def facts(ledger: Ledger, valkey: Valkey) -> Facts:
    """Judge."""
    return await check(ledger, valkey.redis, KEY)


async def test_a_sound_history(ledger: Ledger, valkey: Valkey) -> None:
    ledger.acknowledge(["a", "b"])
    for job in ("a", "b"):
        ran(ledger, job)
        await finished(valkey, job)
    found = await facts(ledger, valkey)
    assert (found.acknowledged, found.runs, found.hit, found.ran_again) == (2, 2, 0, 0)
    wrong = (found.lost, found.not_done, found.doubled, found.finished_twice, found.left_over)
    assert wrong == ([], [], [], [], [])
    assert len(found.pickup) == 2
    assert 0 < found.percentile(99) < 1000


async def test_a_lost_job_and_one_that_no_body_ran(ledger: Ledger, valkey: Valkey) -> None:
    ledger.acknowledge(["lost", "phantom"])
    ran(ledger, "lost")
    await finished(valkey, "phantom")
    found = await facts(ledger, valkey)
    assert (found.lost, found.not_done) == (["lost"], ["phantom"])


async def test_a_dead_job_is_not_lost(ledger: Ledger, valkey: Valkey) -> None:
    ledger.acknowledge(["dead"])
    ran(ledger, "dead", "raised")
    await valkey.redis.zadd(f"{KEY}:dead", {"dead": 1})
    await valkey.call("RPUSH", f"{KEY}:attempts:dead", "{}")
    found = await facts(ledger, valkey)
    assert (found.lost, found.left_over, found.most_tries) == ([], [], 1)


async def test_a_second_run_needs_a_fault_or_an_error(ledger: Ledger, valkey: Valkey) -> None:
    for job, how in (("twice", "done"), ("retried", "raised"), ("let go", "cancelled")):
        ran(ledger, job, how)
        ran(ledger, job)
    assert (await facts(ledger, valkey)).doubled == ["twice", "let go"]
    ledger.fault("wipe")
    found = await facts(ledger, valkey)
    assert (found.doubled, found.ran_again, found.hit) == ([], 3, 6)


async def test_a_fault_hits_its_own_process_only(ledger: Ledger, valkey: Valkey) -> None:
    ran(ledger, "twice")
    ran(ledger, "twice")
    ledger.fault("kill", pid=1)
    assert (await facts(ledger, valkey)).doubled == ["twice"]


async def test_an_id_that_is_used_again_may_run_again(ledger: Ledger, valkey: Valkey) -> None:
    for _ in range(2):
        ledger.acknowledge(["again"])
        ran(ledger, "again")
        await finished(valkey, "again")
    found = await facts(ledger, valkey)
    assert (found.doubled, found.finished_twice) == ([], [])
    await finished(valkey, "again")
    assert (await facts(ledger, valkey)).finished_twice == ["again"]


@pytest.mark.parametrize(
    "key",
    [
        "arq:job:x",
        "arq:in-progress:x",
        "arq:retry:x",
        f"{KEY}:claims",
        f"{KEY}:crashes",
        f"{KEY}:high",
        f"{KEY}:attempts:x",
        "almanac:limit:l:k",
    ],
)
async def test_a_left_over_key_is_named(ledger: Ledger, valkey: Valkey, key: str) -> None:
    await valkey.redis.set(key, "x")
    await valkey.redis.set(f"{KEY}:counts", "x")
    assert (await facts(ledger, valkey)).left_over == [key]


async def test_a_limit_that_was_passed_shows(ledger: Ledger, valkey: Valkey) -> None:
    first = ledger.start("a", 1, "key")
    second = ledger.start("b", 1, "key")
    ledger.end(first, "a", "done")
    ledger.end(second, "b", "done")
    ran(ledger, "c", key="key")
    assert (await facts(ledger, valkey)).most_at_once == 2


async def test_restart_and_overlap_are_measured(ledger: Ledger, valkey: Valkey) -> None:
    ledger.start("killed", 1)
    ledger.fault("kill")
    time.sleep(0.05)  # noqa: ASYNC251 - nothing else runs here
    ran(ledger, "killed")
    stale = ledger.start("stopped", 1)
    begun = time.monotonic_ns()
    ran(ledger, "stopped")
    time.sleep(0.05)  # noqa: ASYNC251 - as above
    ledger.end(stale, "stopped", "done")
    ledger.fault("stop", since=begun)
    found = await facts(ledger, valkey)
    assert 0.05 <= found.restart < 0.5
    assert 0.05 <= found.overlap <= (time.monotonic_ns() - begun) / SECOND
    assert found.doubled == []


async def test_ten_thousand_jobs_are_cheap(ledger: Ledger, valkey: Valkey) -> None:
    ids = [f"j{number}" for number in range(10_000)]
    ledger.acknowledge(ids)
    begun = time.monotonic()
    for job in ids:
        ran(ledger, job)
    written = time.monotonic() - begun
    assert written < 5
    await valkey.redis.mset({f"arq:result:{job}": b"{}" for job in ids})
    begun = time.monotonic()
    assert (await facts(ledger, valkey)).lost == []
    assert time.monotonic() - begun < 5
