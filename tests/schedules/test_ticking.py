"""Ticks on a real PostgreSQL: one firing each, whoever ticks, whatever dies."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from sqlalchemy import text

from service.access.caller import Caller, Scope
from service.access.models import User
from service.queue import connect, job
from service.runtime import Runtime
from service.schedules import actions, ticking
from service.schedules.models import Schedule
from service.schedules.schemas import ScheduleIn
from workers.engine import LEDGER, Context, Worker, run
from workers.ledger import JobLedger

pytestmark = pytest.mark.asyncio
NOON = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
TICKERS = 50


@job("tests.ticked", queue="ticked", coroutine="tests.schedules.test_ticking.note")
async def ticked(word: str = "tick") -> None:
    """Note that it ran."""


@pytest_asyncio.fixture
async def owner(runtime: Runtime) -> AsyncIterator[Caller]:
    """Somebody who makes schedules."""
    user = User(name="somebody")
    async with runtime.unit_of_work() as uow:
        uow.session.add(user)
        await uow.session.flush()
    yield Caller(user.id, user.name, frozenset({Scope.JOBS_OPERATE}))


async def schedule(
    runtime: Runtime, owner: Caller, cron: str = "* * * * *", **values: Any
) -> Schedule:
    """Make a schedule whose next tick is at noon."""
    body = ScheduleIn.model_validate({"name": "a", "job": "tests.ticked", "cron": cron, **values})
    async with runtime.unit_of_work() as uow:
        made = await actions.create(uow.session, owner, body, "UTC")
        made.next_tick_at = NOON
        await uow.session.flush()
    return made


async def rows(runtime: Runtime, statement: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in await runtime.database.execute(text(statement))]


async def job_ids(runtime: Runtime) -> list[str]:
    """Return the ids of all durable jobs."""
    return [row[0] for row in await rows(runtime, "SELECT id FROM durable_jobs ORDER BY id")]


def tick_id(made: Schedule, tick: datetime) -> str:
    return f"cron:{made.id}:{int(tick.timestamp() * 1000)}"


async def test_a_tick_becomes_a_durable_job(runtime: Runtime, owner: Caller) -> None:
    """N021, T018, V036, V079: with its arguments, its id, its actor, and both rows told of it."""
    made = await schedule(runtime, owner, arguments={"word": "tock"})
    assert await ticking.fire_due(runtime, NOON - timedelta(milliseconds=1), ()) == 0
    assert await job_ids(runtime) == []
    assert await ticking.fire_due(runtime, NOON, ()) == 1
    assert await job_ids(runtime) == [tick_id(made, NOON)]
    assert await rows(runtime, "SELECT name, actor, state FROM durable_jobs") == [
        ("tests.ticked", "schedule:a", "queued")
    ]
    assert await rows(runtime, "SELECT tick, state, job_id FROM schedule_runs") == [
        (NOON, "fired", tick_id(made, NOON))
    ]
    told = "SELECT next_tick_at, last_tick_at, last_job_id, run_count FROM schedules"
    assert await rows(runtime, told) == [(NOON + MINUTE, NOON, tick_id(made, NOON), 1)]
    words: list[str] = []

    async def note(ctx: Context, word: str = "tick") -> None:
        words.append(word)

    worker = Worker(
        functions=[run(ticked, note)], queue_name="almanac:ticked", redis_pool=runtime.queue,
        burst=True, handle_signals=False, ctx={LEDGER: JobLedger(runtime)},
    )  # fmt: skip
    await worker.async_run()
    assert words == ["tock"]
    assert await ticking.fire_due(runtime, NOON, ()) == 0


async def test_fifty_tickers_at_one_instant(runtime: Runtime, owner: Caller) -> None:
    """R22, G027, T062, K003: doubled 0, missed 0."""
    made = [await schedule(runtime, owner, name=f"number {n}", overlap="allow") for n in range(3)]
    for tick in (NOON, NOON + MINUTE):
        barrier = asyncio.Barrier(TICKERS)

        async def tick_together(moment: datetime = tick, barrier: asyncio.Barrier = barrier) -> int:
            await barrier.wait()
            return await ticking.fire_due(runtime, moment, ())

        fired = await asyncio.gather(*(tick_together() for _ in range(TICKERS)))
        assert sum(fired) == len(made)
    wanted = sorted(tick_id(m, tick) for m in made for tick in (NOON, NOON + MINUTE))
    assert await job_ids(runtime) == wanted
    assert sorted(await queued(runtime)) == wanted


async def queued(runtime: Runtime) -> list[str]:
    """Return the ids in the queue."""
    return [job_id.decode() for job_id in await runtime.queue.zrange("almanac:ticked", 0, -1)]


async def test_a_tick_without_redis(runtime: Runtime, owner: Caller) -> None:
    """Design §4: it fires, and its job waits as a row."""
    made = await schedule(runtime, owner)
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    assert await ticking.fire_due(replace(runtime, queue=nowhere), NOON, ()) == 1
    await nowhere.aclose()
    assert await job_ids(runtime) == [tick_id(made, NOON)]
    assert await queued(runtime) == []


@pytest.mark.parametrize(
    ("misfire", "fires"),
    [("skip", []), ("once", [NOON + 2 * timedelta(hours=1)]),
     ("all", [NOON + n * timedelta(hours=1) for n in range(3)])],
)  # fmt: skip
async def test_back_after_three_hours(
    runtime: Runtime, owner: Caller, misfire: str, fires: list[datetime]
) -> None:
    """R21: the policy's runs, each once, and nothing more at the next look."""
    made = await schedule(runtime, owner, "0 * * * *", misfire=misfire, grace=86_400)
    back = NOON + timedelta(hours=2, minutes=30)
    for _ in range(2):
        await ticking.fire_due(runtime, back, ())
    assert await job_ids(runtime) == [tick_id(made, tick) for tick in fires]
    states = await rows(runtime, "SELECT state, count(*) FROM schedule_runs GROUP BY 1 ORDER BY 1")
    missed = [] if misfire == "all" else [("missed", 1)]
    assert states == ([("fired", len(fires))] if fires else []) + missed


async def test_a_job_that_has_not_ended_is_not_overlapped(runtime: Runtime, owner: Caller) -> None:
    """T027: its tick passes and the row says why; after its end the next one fires."""
    made = await schedule(runtime, owner)
    await ticking.fire_due(runtime, NOON, ())
    await ticking.fire_due(runtime, NOON + MINUTE, ())
    assert await job_ids(runtime) == [tick_id(made, NOON)]
    (passed,) = await rows(
        runtime, "SELECT tick, state, reason FROM schedule_runs WHERE state <> 'fired'"
    )
    assert passed[:2] == (NOON + MINUTE, "overlapped")
    assert passed[2].startswith("the job of an earlier tick has not ended")
    await runtime.database.execute(text("UPDATE durable_jobs SET state = 'succeeded'"))
    await ticking.fire_due(runtime, NOON + 2 * MINUTE, ())
    assert await job_ids(runtime) == [tick_id(made, NOON), tick_id(made, NOON + 2 * MINUTE)]


async def test_a_paused_schedule_fires_nothing(runtime: Runtime, owner: Caller) -> None:
    made = await schedule(runtime, owner, paused=True)
    assert await ticking.fire_due(runtime, NOON, ()) == 0
    assert await job_ids(runtime) == []
    assert await rows(runtime, "SELECT tick, state FROM schedule_runs") == [(NOON, "paused")]
    async with runtime.unit_of_work() as uow:
        await actions.resume(uow.session, owner, made.id)
    assert await ticking.fire_due(runtime, NOON + MINUTE, ()) == 1


async def test_a_job_that_this_code_does_not_know_is_left_to_others(
    runtime: Runtime, owner: Caller
) -> None:
    """During a release: an old worker neither fires nor loses the ticks of a new job."""
    await schedule(runtime, owner)
    await runtime.database.execute(text("UPDATE schedules SET job = 'tests.of_tomorrow'"))
    assert await ticking.fire_due(runtime, NOON, ()) == 0
    assert await rows(runtime, "SELECT next_tick_at FROM schedules") == [(NOON,)]


async def test_arguments_that_no_longer_fit_are_reported(runtime: Runtime, owner: Caller) -> None:
    """The job's signature has changed: no job, and the row says why."""
    await schedule(runtime, owner)
    await runtime.database.execute(text("""UPDATE schedules SET arguments = '{"old": 1}'"""))
    assert await ticking.fire_due(runtime, NOON, ()) == 0
    assert await rows(runtime, "SELECT state, reason FROM schedule_runs") == [
        ("refused", "old: is unknown; tests.ticked takes: word")
    ]
    assert await job_ids(runtime) == []


async def test_jitter_starts_jobs_later_and_leaves_their_ids(
    runtime: Runtime, owner: Caller
) -> None:
    made = await schedule(runtime, owner, jitter=600)
    await ticking.fire_due(runtime, NOON, ())
    ((job_id, due),) = await rows(runtime, "SELECT id, due_at FROM durable_jobs")
    assert job_id == tick_id(made, NOON)
    assert NOON <= due <= NOON + timedelta(seconds=600)


async def test_old_runs_are_forgotten(runtime: Runtime, owner: Caller) -> None:
    """The table does not grow for ever."""
    await schedule(runtime, owner, overlap="allow")
    await ticking.fire_due(runtime, NOON, ())
    later = NOON + runtime.settings.history_retention + timedelta(hours=1)
    await ticking.fire_due(runtime, later, ())
    (oldest,) = await rows(runtime, "SELECT min(tick) FROM schedule_runs")
    assert oldest[0] > NOON


async def test_a_look_by_postgresqls_clock(runtime: Runtime, owner: Caller) -> None:
    """What is due fires at once, and the next look is at the next tick or within seconds."""
    made = await schedule(runtime, owner, "0 0 1 1 *")
    await runtime.database.execute(
        text("UPDATE schedules SET next_tick_at = now() - interval '1 s'")
    )
    pause = await ticking.look(runtime, "tests", ())
    assert 0 <= pause <= ticking.LOOK
    assert len(await job_ids(runtime)) == 1
    ((age, last),) = await rows(
        runtime, "SELECT now() - beat_at, (SELECT last_job_id FROM schedules) FROM tickers"
    )
    assert age < MINUTE
    assert last.startswith(f"cron:{made.id}:")
