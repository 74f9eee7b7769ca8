"""Rate, concurrency and singleton limits as the engine keeps them."""

import asyncio
import time

import pytest

from service.queue import Concurrency, JobState, QueueClient, Rate, job, wait
from tests.engine.bench import HERE, QUEUE, send, serving, until, work
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio


@job("engine.scrape", queue=QUEUE, coroutine=f"{HERE}.scrape", rate=Rate(5, 1.0))
async def scrape() -> None:
    """Use something that is limited: five a second."""


@job(
    "engine.upload",
    queue=QUEUE,
    coroutine=f"{HERE}.upload",
    concurrency=Concurrency(1, key="account"),
)
async def upload(account: str) -> None:
    """Use an account, one at a time."""


@job(
    "engine.single",
    queue=QUEUE,
    coroutine=f"{HERE}.single",
    concurrency=Concurrency(1, busy="skip"),
)
async def single() -> str:
    """Run alone or not at all."""
    raise NotImplementedError


async def test_a_rate(client: QueueClient) -> None:
    """G065: of ten jobs at five a second, five start at once and five one by one after."""
    at: list[float] = []

    async def scraped(ctx: Context) -> None:
        at.append(time.monotonic())

    await client.enqueue_many([scrape() for _ in range(10)])
    worker = await work(client, run(scrape, scraped))
    assert len(at) == 10
    assert at[4] - at[0] < 0.19
    assert 0.95 < at[9] - at[0] < 2
    assert (worker.jobs_complete, worker.jobs_failed) == (10, 0)


async def test_one_at_a_time_per_key(client: QueueClient) -> None:
    """Two jobs of one account never overlap; those of another run beside them."""
    now: dict[str, int] = {"a": 0, "b": 0}
    most = {"a": 0, "b": 0, "both": 0}

    async def uploaded(ctx: Context, account: str) -> None:
        now[account] += 1
        most[account] = max(most[account], now[account])
        most["both"] = max(most["both"], sum(now.values()))
        await asyncio.sleep(0.05)
        now[account] -= 1

    await client.enqueue_many([upload(account) for account in "aabbaabb"])
    worker = await work(client, run(upload, uploaded))
    assert most == {"a": 1, "b": 1, "both": 2}
    assert (worker.jobs_complete, worker.jobs_failed) == (8, 0)


async def test_a_singleton_is_skipped_while_it_runs(client: QueueClient) -> None:
    """G085: started twice at once, the second skips and says so; later it runs again."""
    let_go = asyncio.Event()
    runs: list[str] = []

    async def alone(ctx: Context) -> str:
        runs.append(ctx["job_id"])
        await let_go.wait()
        return "ran"

    await send(client, single(), "1")
    async with serving(client, run(single, alone), job_completion_wait=5):
        await until(lambda: runs)
        await send(client, single(), "2")
        view = await wait(client, "2", 5)
        assert view is not None
        assert view.state is JobState.SUCCEEDED
        assert view.result == "skipped: 1 is running"
        let_go.set()
    assert runs == ["1"]
    await send(client, single(), "3")
    await work(client, run(single, alone))
    assert runs == ["1", "3"]
