"""Our ticks beside those that workers enqueue by arq's rules: the ids are the same."""

from datetime import timedelta

import pytest
from arq import cron
from arq.worker import Worker as StockWorker
from sqlalchemy import text

from service.monitoring import rows as swept
from service.queue import Rule
from service.queue.codec import deserialize, serialize
from service.runtime import Runtime
from service.schedules import actions, ticking
from tests.schedules.test_ticking import NOON, rows, ticked
from workers.engine import LEDGER, TICKED, Context, Worker, cron_jobs, run
from workers.ledger import JobLedger

pytestmark = pytest.mark.asyncio
RULE = Rule("tests.ticked", queue="ticked")
QUEUE = "almanac:ticked"


class Fleet:
    """A stock arq worker and ours on one queue, both with the rule, and how often its job ran."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.runs: list[str] = []

    async def note(self, ctx: Context, word: str = "tick") -> None:
        """Note that it ran."""
        self.runs.append(ctx["job_id"])

    async def stock_ticks(self) -> None:
        """Enqueue the tick of noon as arq's worker does."""
        functions = [run(ticked, self.note)]
        worker = StockWorker(
            functions=functions, cron_jobs=cron_jobs([RULE], functions), queue_name=QUEUE,
            redis_pool=self.runtime.queue, burst=True, handle_signals=False,
            job_serializer=serialize, job_deserializer=deserialize,
        )  # fmt: skip
        for job in worker.cron_jobs:
            job.next_run = NOON
        await worker.run_cron(NOON, 0.5)

    async def we_tick(self) -> int:
        """Fire the tick of noon by its row."""
        async with self.runtime.unit_of_work() as uow:
            await actions.mirror(uow.session, [RULE], "UTC", 1)
        await self.runtime.database.execute(
            text("UPDATE schedules SET next_tick_at = :noon"), {"noon": NOON}
        )
        return await ticking.fire_due(self.runtime, NOON, [RULE.name])

    async def work(self) -> None:
        """Run what is queued, whatever its time, by our worker."""
        if ids := await self.runtime.queue.zrange(QUEUE, 0, -1):
            await self.runtime.queue.zadd(QUEUE, dict.fromkeys(ids, 2))
        functions = [run(ticked, self.note)]
        worker = Worker(
            functions=functions, cron_jobs=cron_jobs([RULE], functions), queue_name=QUEUE,
            redis_pool=self.runtime.queue, burst=True, handle_signals=False,
            ctx={LEDGER: JobLedger(self.runtime), TICKED: {"cron:tests.ticked"}},
        )  # fmt: skip
        await worker.async_run()


TICK = f"cron:tests.ticked:{int(NOON.timestamp() * 1000)}"


async def test_arq_comes_second(runtime: Runtime) -> None:
    """Rule 17: a stock scheduler finds our tick taken, before the run and after it."""
    fleet = Fleet(runtime)
    assert await fleet.we_tick() == 1
    await fleet.stock_ticks()
    await fleet.work()
    await fleet.stock_ticks()
    await fleet.work()
    assert fleet.runs == [TICK]


async def test_arq_comes_first(runtime: Runtime) -> None:
    """Rule 17: its job stands for our tick, and the row is closed by its result."""
    fleet = Fleet(runtime)
    await fleet.stock_ticks()
    assert await fleet.we_tick() == 1
    await fleet.work()
    assert fleet.runs == [TICK]
    await swept.sweep(runtime, everything=True, horizon=timedelta(days=9999))
    assert await rows(runtime, "SELECT id, state FROM durable_jobs") == [(TICK, "succeeded")]
    await fleet.work()
    assert fleet.runs == [TICK]


@pytest.mark.parametrize("ticked_elsewhere", [True, False])
async def test_a_worker_leaves_ticks_to_the_ticker(
    runtime: Runtime, *, ticked_elsewhere: bool
) -> None:
    """Where somebody fires them by rows, our worker enqueues none; its own cron jobs it does."""
    fleet = Fleet(runtime)
    ours = cron(fleet.note, name="cron:ours", hour=3, run_at_startup=True)
    mine = cron(fleet.note, name="cron:mine", hour=3, run_at_startup=True)
    names = frozenset({"cron:ours"}) if ticked_elsewhere else frozenset()
    worker = Worker(
        cron_jobs=[ours, mine], queue_name=QUEUE, redis_pool=runtime.queue, burst=True,
        handle_signals=False, ctx={TICKED: names},
    )  # fmt: skip
    await worker.async_run()
    ran = sorted(job_id.rsplit(":", 1)[0] for job_id in fleet.runs)
    assert ran == (["cron:mine"] if ticked_elsewhere else ["cron:mine", "cron:ours"])
