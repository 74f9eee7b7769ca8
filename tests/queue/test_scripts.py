"""The scripts by themselves, at a time that the test sets."""

import re
from pathlib import Path

import pytest

import service.queue
from service.queue import QueueClient
from service.queue.scripting import script
from tests.queue.examples import KEY
from tests.queue.raw import everything, raw

NOW = 1_700_000_000_000
SCRIPTS = sorted((Path(service.queue.__file__).parent / "scripts").glob("*.lua"))
enqueue, requeue, once = script("enqueue"), script("requeue"), script("enqueue_once")
inspect, replay, cancel = script("inspect"), script("replay"), script("cancel")


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_every_script_states_its_contract(path: Path) -> None:
    head = [line for line in path.read_text().splitlines() if line.startswith("--")]
    text = "\n".join(head)
    for part in ("-- KEYS ", "-- ARGV   now in Unix ms", "-- Reply ", "-- Cost ", "-- Atomic"):
        assert part in text, part


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_no_script_reads_without_bound(path: Path) -> None:
    found = re.findall(
        r"'(KEYS|SCAN|SMEMBERS|HGETALL|HKEYS|HVALS|SORT|ZRANGEBYSCORE)'|0, -1", path.read_text()
    )
    assert found == []


@pytest.mark.asyncio
async def test_what_has_no_time_starts_now(client: QueueClient) -> None:
    await enqueue(client, [KEY], "high", "", 300_000, "a", "", "{}", "b", NOW + 5, "{}", now=NOW)
    await requeue(client, [KEY], "low", "", 300_000, "c", "", "{}", now=NOW)
    assert await client.zrange(KEY, 0, -1, withscores=True) == [
        (b"a", NOW),
        (b"b", NOW + 5),
        (b"c", NOW + 300_000),
    ]
    assert await client.zrange(f"{KEY}:low", 0, -1, withscores=True) == [(b"c", NOW)]


@pytest.mark.asyncio
async def test_a_debounced_job_starts_a_period_after_the_last_call(client: QueueClient) -> None:
    for at in (0, 900):
        arguments = ("normal", 300_000, "debounced", 1000, f"id{at}", "", "{}")
        assert await once(client, [KEY, "lock"], *arguments, now=NOW + at) == b"id0"
    assert await client.zrange(KEY, 0, -1, withscores=True) == [(b"id0", NOW + 1900)]


@pytest.mark.asyncio
async def test_a_job_is_due_at_its_time_and_not_before(client: QueueClient) -> None:
    await enqueue(client, [KEY], "normal", "", 300_000, "a", NOW, "{}")
    due = [(await inspect(client, [KEY], "a", now=NOW + late))[8] for late in (-1, 0)]
    assert due == [0, 1]


@pytest.mark.asyncio
async def test_scripts_write_the_time_they_are_given(client: QueueClient) -> None:
    await client.zadd(f"{KEY}:dead", {"a": 1})
    await raw(client, "HSET", f"{KEY}:dead:jobs", "a", "{}")
    assert await replay(client, [KEY], 300_000, "a", "low", now=NOW) == [1]
    await client.set("arq:in-progress:a", "t")
    assert await cancel(client, [KEY], "a", "", 0, 0, now=NOW + 7) == b"asked"
    assert await everything(client) == {
        KEY: [b"a", str(NOW + 300_000).encode()],
        f"{KEY}:low": [b"a", str(NOW).encode()],
        "arq:abort": [b"a", str(NOW + 7).encode()],
        "arq:in-progress:a": b"t",
        "arq:job:a": b"{}",
    }
