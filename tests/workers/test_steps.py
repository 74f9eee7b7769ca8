"""The kit for tests of jobs: one run at a time, on a real queue, without sleeping."""

import inspect
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from arq.cron import cron

from service.kit.clock import now
from service.queue import QueueClient, RetryPolicy, dead_jobs, job, pause, queue_key, resume
from service.runtime import Runtime
from tests.queue.leaks import leaked_keys
from workers.engine import Context, run, snooze
from workers.engine.testing import Step, Steps, TooManyJobs
from workers.testing import steps

pytestmark = pytest.mark.asyncio
DOCS = Path(__file__).parents[2] / "docs" / "testing.md"
KEY = queue_key("steps")
HOUR = timedelta(hours=1)


@job("tests.step", queue="steps", coroutine="tests.workers.step", retry=RetryPolicy(2, delay=60))
async def task(name: str) -> str:
    """Do what the name says."""
    raise NotImplementedError


async def step(ctx: Context, name: str) -> str:
    """Do what the name says."""
    client: QueueClient = ctx["redis"]
    if name == "fails":
        raise ValueError("bad luck")
    if name == "snoozes" and ctx["score"] > 10:
        raise snooze(HOUR)
    if name == "sends":
        await client.enqueue(task(name="sent"))
    if name == "for ever":
        await client.enqueue(task(name="for ever"))
    return name


async def plain(ctx: Context, number: int) -> int:
    """A function as arq has them."""
    return number + int(ctx["more"])


class WorkerSettings:
    """The queue of these tests, with settings that steps have no use for."""

    functions = (run(task, step), plain)
    cron_jobs = (cron(plain, second=set(range(60))),)
    queue_name = KEY
    max_jobs = 7
    max_burst_jobs = 3
    health_check_interval = 10

    @staticmethod
    async def on_startup(ctx: Context) -> None:
        """Open something."""
        ctx["more"] = 1

    @staticmethod
    async def on_shutdown(ctx: Context) -> None:
        """Close it."""
        ctx["more"] = 0


def names(found: Sequence[Step]) -> list[str]:
    return [str(step.result) for step in found]


@pytest.fixture
def client(runtime: Runtime) -> QueueClient:
    return runtime.queue


async def test_one_job_at_a_time(client: QueueClient) -> None:
    """The next by lane and time; what is not due is left; nothing is left behind."""
    calls = task(name="low").in_lane("low"), task(name="normal"), task(name="high").in_lane("high")
    await client.enqueue_many(calls)
    async with Steps(WorkerSettings, client) as queue:
        first = await queue.one()
        assert first is not None
        assert (first.name, first.outcome, first.result) == ("tests.step", "succeeded", "high")
        assert (first.tries, first.error, first.run_at) == (1, None, None)
        assert await client.zcard(KEY) == 2
        assert names(await queue.all()) == ["normal", "low"]
        assert await queue.one() is None
        assert await queue.all() == []
    assert await leaked_keys(client) == []
    assert [key async for key in client.scan_iter(match="*:health:*")] == []


async def test_errors_and_dead_jobs(client: QueueClient) -> None:
    """A try that failed says when the next is; after the last the job is dead."""
    await client.enqueue(task(name="fails").deferred(job_id="a"))
    async with Steps(WorkerSettings, client) as queue:
        (retried,) = await queue.all()
        assert (retried.job_id, retried.outcome, retried.tries) == ("a", "retried", 1)
        assert str(retried.error) == "bad luck"
        assert retried.run_at is not None
        await queue.advance(seconds=70)
        (dead,) = await queue.all()
        assert (dead.outcome, dead.tries, dead.run_at) == ("dead", 2, None)
    assert [found.view.job_id for found in await dead_jobs(client, KEY)] == ["a"]


async def test_jobs_that_send_jobs(client: QueueClient) -> None:
    await client.enqueue(task(name="sends"))
    async with Steps(WorkerSettings, client) as queue:
        assert names(await queue.all()) == ["sends", "sent"]


async def test_jobs_without_end(client: QueueClient) -> None:
    await client.enqueue(task(name="for ever"))
    async with Steps(WorkerSettings, client) as queue:
        with pytest.raises(TooManyJobs, match=r"more than 5 runs, the last of tests\.step"):
            await queue.all(at_most=5)


async def test_time_passes_when_told(client: QueueClient) -> None:
    """Hours from now, in all lanes."""
    in_two_hours = now() + 2 * HOUR
    for call in (task(name="a"), task(name="b").in_lane("high"), task(name="c").in_lane("low")):
        await client.enqueue(call.deferred(until=in_two_hours))
    async with Steps(WorkerSettings, client) as queue:
        await queue.advance(seconds=7000)
        assert await queue.all() == []
        await queue.advance(seconds=200)
        assert names(await queue.all()) == ["b", "a", "c"]


async def test_a_paused_queue_has_nothing_due(client: QueueClient) -> None:
    await client.enqueue(task(name="a"))
    async with Steps(WorkerSettings, client) as queue:
        await pause(client, KEY)
        assert await queue.one() is None
        await resume(client, KEY)
        assert names(await queue.all()) == ["a"]


async def test_functions_and_hooks_of_arq(client: QueueClient) -> None:
    """`on_startup` fills the context once; periodic jobs do not tick."""
    await client.enqueue_job("plain", 4, _queue_name=KEY)
    async with Steps(WorkerSettings, client) as queue:
        assert [found.result for found in await queue.all()] == [5]
    assert queue.ctx["more"] == 0


async def test_durable_jobs_and_their_rows(runtime: Runtime) -> None:
    """A retry waits in the row as well; both move, and rows beyond the horizon are sent."""
    settings = {"functions": [run(task, step)], "queue_name": KEY}
    async with runtime.unit_of_work() as uow:
        uow.enqueue(task(name="fails"), task(name="snoozes"))
    async with steps(settings, runtime) as queue:
        assert {found.outcome for found in await queue.all()} == {"retried", "snoozed"}
        assert await queue.all() == []
        await queue.advance(seconds=80)
        (failed,) = await queue.all()
        assert (failed.outcome, failed.tries) == ("failed", 2), "the row keeps it"
        await queue.advance(seconds=3600)
        (snoozed,) = await queue.all()
        assert (snoozed.outcome, snoozed.tries) == ("snoozed", 1)


async def test_the_examples_of_the_documentation(runtime: Runtime) -> None:
    """Every example with a test in docs/testing.md passes as it stands there."""
    fixtures = {"runtime": runtime, "client": runtime.queue}
    ran = []
    for example in re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL):
        if "async def test_" not in example:
            continue
        module: dict[str, Any] = {}
        exec(compile(example, str(DOCS), "exec"), module)
        for name, test in module.items():
            if name.startswith("test_"):
                await runtime.queue.flushdb()
                await test(**{each: fixtures[each] for each in inspect.signature(test).parameters})
                ran.append(name)
    assert ran == [
        "test_a_mail_is_tried_again_after_a_minute",
        "test_a_sweep_runs_at_its_time",
    ]
