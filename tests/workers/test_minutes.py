"""Minutes on real servers: written with the runs, once, by any number of recorders."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from service.monitoring import jobs as monitoring_jobs
from service.monitoring import minute_queries, minutes
from service.monitoring.minutes import RANGES
from service.monitoring.recording import Recorder
from service.queue.instants import to_ms
from service.runtime import Runtime
from tests.queue.raw import raw
from tests.support import Installation
from tests.workers.history import STREAM, a_run, add_entry

pytestmark = pytest.mark.asyncio
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


async def counted(runtime: Runtime) -> list[tuple[int, ...]]:
    """Return the counts of all rows."""
    rows = await runtime.database.execute(
        text(
            "SELECT succeeded, failed, cancelled, retrying FROM job_minutes ORDER BY minute, queue"
        )
    )
    return [tuple(row) for row in rows]


async def test_two_recorders_count_each_run_once(runtime: Runtime) -> None:
    """The row of a minute grows in the transaction that writes its runs."""
    both = Recorder(runtime), Recorder(runtime)
    moment = to_ms(datetime.now(UTC).replace(second=30))
    for turn in range(10):
        await add_entry(runtime.queue, f"{turn} a", f"{turn} b", ft=moment, st=moment - 70)
        await add_entry(runtime.queue, f"{turn} c", ft=moment, st=moment - 70, s=None, r=None)
        await asyncio.gather(*(each.catch_up() for each in both))
    assert await counted(runtime) == [(20, 0, 0, 10)]
    (row,) = await runtime.database.execute(text("SELECT durations FROM job_minutes"))
    assert row.durations == [0] * 13 + [30], "70 ms lie between 64 and 91 ms"


async def test_what_is_not_written_is_not_counted(runtime: Runtime) -> None:
    """A run that PostgreSQL refuses stops no minute either; one that it takes bare is counted."""
    await add_entry(runtime.queue, "good")
    await add_entry(runtime.queue, "no queue", q="almanac:a\x00b")
    await add_entry(runtime.queue, "too many tries", t=10**12)
    await Recorder(runtime).catch_up()
    assert await counted(runtime) == [(1, 0, 0, 0)]
    assert await runtime.queue.xlen(STREAM) == 0


async def test_a_batch_that_fails_leaves_nothing(runtime: Runtime) -> None:
    """Exactly once: offset, runs and minutes are one transaction."""
    await add_entry(runtime.queue, "a")
    rename = "ALTER TABLE {} RENAME TO {}"
    await runtime.database.execute(text(rename.format("job_minutes", "elsewhere")))
    with pytest.raises(Exception, match="job_minutes"):
        await Recorder(runtime).catch_up()
    assert await runtime.database.execute(text("SELECT 1 FROM job_runs")) == []
    await runtime.database.execute(text(rename.format("elsewhere", "job_minutes")))
    assert await Recorder(runtime).catch_up() == 1
    assert await counted(runtime) == [(1, 0, 0, 0)]


async def test_old_minutes_are_forgotten(api: Installation) -> None:
    """With the runs that may be kept longest, those that failed: after 30 days."""
    runs = [a_run(str(days), ago=timedelta(days=days)) for days in (0, 29, 31)]
    async with api.runtime.unit_of_work() as uow:
        await minute_queries.add(uow.session, runs)
        await minute_queries.add(uow.session, [])
    await api.runtime.queue.enqueue(monitoring_jobs.clean())
    await api.work("maintenance")
    assert await counted(api.runtime) == [(1, 0, 0, 0)] * 2


async def test_a_series_has_every_step(runtime: Runtime) -> None:
    """Also those without runs; of all queues, or of one."""
    ends = {"a": (1, 1, 61), "b": (1, 4, 700)}
    runs = [
        a_run(f"{queue}{ago}", queue=queue)._replace(
            finished_at=(at := NOON - timedelta(minutes=ago)),
            started_at=at - timedelta(seconds=2),
            enqueued_at=at - timedelta(seconds=3),
        )
        for queue, agos in ends.items()
        for ago in agos
    ]
    async with runtime.unit_of_work() as uow:
        await minute_queries.add(uow.session, runs)
    async with runtime.database.session() as session:
        hour = await minutes.series(session, RANGES["1h"], NOON + timedelta(seconds=29))
        alone = await minutes.series(session, RANGES["1h"], NOON, "a")
        day = await minutes.series(session, RANGES["24h"], NOON + timedelta(minutes=8))
    assert len(hour.points) == 59, "of the minute under way not half is over"
    assert (hour.counts, alone.counts, day.counts) == ((4, 0, 0, 0), (2, 0, 0, 0), (6, 0, 0, 0))
    assert [(n, p.rate) for n, p in enumerate(hour.points) if any(p.counts)] == [(55, 1), (58, 3)]
    assert hour.points[-1].at == NOON - timedelta(minutes=1)
    assert hour.wait.p95 == pytest.approx(1, rel=0.42)
    assert hour.points[55].duration.p50 == pytest.approx(2, rel=0.42)
    assert (hour.points[0].wait.p50, hour.points[0].rate) == (None, 0)
    assert len(day.points) == 96
    assert day.points[-1].minutes == 8
    assert sum(sum(point.counts) for point in day.points) == 6


async def test_no_range_has_more_points_than_a_screen() -> None:
    assert [wanted.length // wanted.step for wanted in RANGES.values()] == [60, 72, 96]


async def test_a_stream_of_another_redis_is_counted_too(runtime: Runtime) -> None:
    """What a wiped Redis begins anew adds to the same minute."""
    one = Recorder(runtime)
    moment = to_ms(datetime.now(UTC).replace(second=1))
    await add_entry(runtime.queue, "a", ft=moment)
    await one.catch_up()
    await raw(runtime.queue, "FLUSHALL")
    await add_entry(runtime.queue, "b", ft=moment)
    await one.catch_up()
    assert await counted(runtime) == [(2, 0, 0, 0)]
