"""The recorder on real servers: each run once, whatever happens to it or to the stream."""

import asyncio
from datetime import UTC, datetime, timedelta
from secrets import token_hex

import pytest
from sqlalchemy import text

from service.kit.tasks import end
from service.monitoring.recording import Recorder
from service.queue.instants import to_ms
from service.runtime import Runtime
from tests.queue.raw import raw
from tests.support import Installation
from tests.workers.history import STREAM, add_entry, ended, recorded
from workers import loops, recorder

pytestmark = pytest.mark.asyncio


async def test_two_recorders_record_each_run_once(runtime: Runtime) -> None:
    """Rule 19, M14: also when both believe that they are alone, and read the same entries."""
    both = Recorder(runtime), Recorder(runtime)
    expected = []
    for turn in range(20):
        jobs = [f"{turn:02} {n}" for n in range(5)]
        expected += jobs
        await add_entry(runtime.queue, *jobs[:3])
        await add_entry(runtime.queue, *jobs[3:])
        await asyncio.gather(*(each.catch_up() for each in both))
    assert await recorded(runtime) == expected
    assert await runtime.queue.xlen(STREAM) == 0


async def test_a_recorder_that_died_before_it_trimmed(runtime: Runtime) -> None:
    """Rule 19: the next one knows from the offset what is written already."""
    await add_entry(runtime.queue, "a", "b")
    stream = await raw(runtime.queue, "DUMP", STREAM)
    assert await Recorder(runtime).catch_up() == 2
    await raw(runtime.queue, "RESTORE", STREAM, 0, stream, "REPLACE")
    await add_entry(runtime.queue, "c")
    assert await Recorder(runtime).catch_up() == 1
    assert await recorded(runtime) == ["a", "b", "c"]


async def test_nothing_is_forgotten_before_it_is_written(runtime: Runtime) -> None:
    """A table that cannot be written to delays the history; the stream keeps the runs."""
    await add_entry(runtime.queue, "a")
    rename = "ALTER TABLE {} RENAME TO {}"
    await runtime.database.execute(text(rename.format("job_runs", "elsewhere")))
    with pytest.raises(Exception, match="job_runs"):
        await Recorder(runtime).catch_up()
    assert await runtime.queue.xlen(STREAM) == 1
    await runtime.database.execute(text(rename.format("elsewhere", "job_runs")))
    assert await Recorder(runtime).catch_up() == 1


async def test_a_wiped_redis_begins_a_new_generation(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 19: its ids may lie below the offset, and none of them is skipped."""
    one = Recorder(runtime)
    await add_entry(runtime.queue, "a")
    await one.catch_up()
    await runtime.queue.flushall()
    fields = ("", "host:1", "b", ended())
    await raw(runtime.queue, "XADD", STREAM, "7-1", *fields)
    assert await one.catch_up() == 1
    await add_entry(runtime.queue, "c")
    assert await Recorder(runtime).catch_up() == 1
    assert await recorded(runtime) == ["a", "b", "c"]
    assert "Redis has lost the events of almanac:default" in caplog.text


async def test_what_the_cap_dropped_is_reported(
    api: Installation, caplog: pytest.LogCaptureFixture
) -> None:
    """Rule 19: three entries, once; the API says so."""
    runtime = api.runtime
    one = Recorder(runtime)
    await add_entry(runtime.queue, "a")
    await one.catch_up()
    for job in "bcdef":
        await add_entry(runtime.queue, job)
    await runtime.queue.xtrim(STREAM, maxlen=2, approximate=False)
    assert await one.catch_up() == 2
    await add_entry(runtime.queue, "g")
    assert await Recorder(runtime).catch_up() == 1
    assert await recorded(runtime) == ["a", "e", "f", "g"]
    assert (await api.get("/v1/jobs")).json()["lost"] == 3
    told = [r for r in caplog.records if "dropped 3 entries" in r.getMessage()]
    assert len(told) == 1


async def test_a_bad_event_stops_no_other(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    """What PostgreSQL cannot take is left out, with its run; what is no event is logged."""
    fields = {
        "good": ended(),
        "nul": ended(k={"text": "a\x00b"}, s=False, r={"type": "E", "message": "c\x00d"}),
        "surrogate": ended(k={"text": "x"}).replace(b'"x"', b'"\\ud800"'),
        "number": ended(k={"text": "x"}).replace(b'"x"', b"1e999999"),
        "future": ended(ft=253_402_300_799_999_999),
        "old": ended(ft=1),
        "tries": ended(t=10**12),
        "actor": ended(h={"actor": "a\x00b"}),
        "no JSON": b"{",
        "other": ended(f=7),
        token_hex(1500): ended(),
        "last": ended(),
    }
    pairs = [part for pair in fields.items() for part in pair]
    await raw(runtime.queue, "XADD", STREAM, "*", "", "host:1", *pairs)
    await Recorder(runtime).catch_up()
    assert await recorded(runtime) == ["future", "good", "last", "nul", "number"]
    (nul,) = await runtime.database.execute(
        text("SELECT arguments, error FROM job_runs WHERE job_id = 'nul'")
    )
    assert (nul.arguments, nul.error) == ({"text": "a\ufffdb"}, "c\ufffdd")
    assert "the event of job b'no JSON' cannot be read" in caplog.text
    assert await runtime.queue.xlen(STREAM) == 0


async def test_a_wrong_clock_makes_no_partitions(runtime: Runtime) -> None:
    """A run of next year is written as of now, one from before all retention not at all."""
    moment = datetime.now(UTC)
    await add_entry(runtime.queue, "future", ft=to_ms(moment + timedelta(days=400)))
    await add_entry(runtime.queue, "past", ft=to_ms(moment - timedelta(days=400)))
    await Recorder(runtime).catch_up()
    (row,) = await runtime.database.execute(text("SELECT finished_at FROM job_runs"))
    assert abs(row.finished_at - moment) < timedelta(minutes=1)
    days = "SELECT 1 FROM pg_inherits WHERE inhparent = 'job_runs'::regclass"
    assert len(await runtime.database.execute(text(days))) == 2


async def test_the_loop_records_within_a_second_or_so(runtime: Runtime) -> None:
    """As the maintenance process runs it: nobody asks, and one is alone."""
    loop = loops.run_alone(runtime, recorder.LOCK, "the recorder", recorder.serve)
    working = asyncio.create_task(loop)
    try:
        for job in ("a", "b"):
            await add_entry(runtime.queue, job)
            async with asyncio.timeout(10):
                while job not in await recorded(runtime):  # noqa: ASYNC110 - rows are no events
                    await asyncio.sleep(0.05)
    finally:
        await end(working)
    assert await recorded(runtime) == ["a", "b"]
