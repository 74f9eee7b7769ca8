"""`ctx` and the five hooks of a worker."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from arq import Retry

from tests.compat.bench import Bench
from tests.compat.test_clients import Ctx, add, named, sent

pytestmark = pytest.mark.asyncio


async def test_what_a_job_is_told(bench: Bench) -> None:
    """`ctx`: what the caller and on_startup put there, the pool, and the four facts of the job."""
    seen: list[Ctx] = []

    async def look(ctx: Ctx) -> None:
        seen.append(ctx)
        ctx["mine"] = "only this run's"
        if ctx["job_try"] == 1:
            raise Retry

    async def startup(ctx: Ctx) -> None:
        ctx["opened"] = "at startup"

    due = datetime.now(UTC) + timedelta(seconds=0.05)
    job = await sent(bench, "look", _job_id="told", _defer_until=due)
    info = await job.info()
    assert info is not None
    given = {"given": "by the caller"}
    worker = await bench.work([named(look)], ctx=given, on_startup=startup)
    assert worker.ctx["opened"] == "at startup"
    assert "mine" not in worker.ctx
    assert [ctx["job_try"] for ctx in seen] == [1, 2]
    for ctx in seen:
        assert (ctx["given"], ctx["opened"]) == ("by the caller", "at startup")
        assert ctx["redis"] is worker.pool
        assert (ctx["job_id"], ctx["enqueue_time"]) == ("told", info.enqueue_time)
    assert seen[0]["score"] == info.score


async def test_hooks_in_their_order(bench: Bench) -> None:
    """Startup, then for each run start, body, end, recorded; shutdown when it is closed."""
    order: list[str] = []

    def hook(name: str) -> Any:
        async def note(ctx: Ctx) -> None:
            order.append(f"{name} {ctx.get('job_try', '')}".strip())

        return note

    async def body(ctx: Ctx) -> None:
        order.append(f"body {ctx['job_try']}")
        if ctx["job_try"] == 1:
            raise Retry

    await sent(bench, "body")
    hooks = {
        name: hook(name) for name in ("on_startup", "on_shutdown", "on_job_start", "on_job_end")
    }
    worker = await bench.work([named(body)], **hooks)
    await worker.close()
    assert order == [
        "on_startup",
        *("on_job_start 1", "body 1", "on_job_end 1"),
        *("on_job_start 2", "body 2", "on_job_end 2"),
        "on_shutdown",
    ]


async def test_hooks_share_the_context_of_their_run(bench: Bench) -> None:
    """What on_job_start puts into `ctx` the job and on_job_end see, and no other run."""
    seen: list[tuple[str, int]] = []

    async def start(ctx: Ctx) -> None:
        ctx["number"] = int(ctx["job_id"])

    async def end(ctx: Ctx) -> None:
        seen.append((ctx["job_id"], ctx["number"]))

    async def number(ctx: Ctx) -> int:
        return int(ctx["number"])

    jobs = [await sent(bench, "number", _job_id=str(n)) for n in range(5)]
    await bench.work([named(number)], on_job_start=start, on_job_end=end)
    assert sorted(seen) == [(str(n), n) for n in range(5)]
    assert [await job.result() for job in jobs] == [0, 1, 2, 3, 4]


async def test_on_job_end_runs_before_the_result_is_there(bench: Bench) -> None:
    """So that it may still do what a waiting client relies on; also after a failure."""
    results: list[int] = []

    async def end(ctx: Ctx) -> None:
        results.append(await ctx["redis"].exists(f"arq:result:{ctx['job_id']}"))

    async def bad(_ctx: Ctx) -> None:
        raise ValueError

    await sent(bench, "add", 1)
    await sent(bench, "bad")
    await bench.work([add, named(bad)], on_job_end=end)
    assert results == [0, 0]


async def test_after_job_end_runs_when_the_result_is_there(bench: Bench) -> None:
    """With the result written, and before the worker is done."""
    results: list[int] = []

    async def after(ctx: Ctx) -> None:
        await asyncio.sleep(0.02)
        results.append(await ctx["redis"].exists(f"arq:result:{ctx['job_id']}"))

    for number in range(5):
        await sent(bench, "add", number)
    await bench.work([add], after_job_end=after)
    assert results == [1] * 5
