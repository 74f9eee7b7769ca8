"""Snooze, cancel in every state, pause, resume and purge."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
import uvloop

from service.queue import (
    JobState,
    QueueClient,
    RetryPolicy,
    cancel,
    connect,
    job,
    pause,
    purge,
    resume,
    wait,
)
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, serving, until, work
from workers.engine import Context, run, snooze

pytestmark = pytest.mark.asyncio


@job("engine.act", queue=QUEUE, coroutine=f"{HERE}.act", retry=RetryPolicy(tries=2, delay=60))
async def act() -> str:
    """Do something."""
    raise NotImplementedError


class Act:
    """A job that says when it runs, and what it then does."""

    def __init__(
        self, *, naps: int = 0, nap_ms: int = 30, seconds: float = 0, fails: bool = False
    ) -> None:
        self.tries: list[int] = []
        self.ended: list[str] = []
        self._naps, self._seconds, self._fails = naps, seconds, fails
        self._nap = timedelta(milliseconds=nap_ms)
        self.function = run(act, self.act)

    async def act(self, ctx: Context) -> str:
        """Snooze, sleep, fail or end."""
        self.tries.append(ctx["job_try"])
        if len(self.tries) <= self._naps:
            raise snooze(self._nap)
        if self._fails:
            raise ValueError("no")
        try:
            await asyncio.sleep(self._seconds)
        except asyncio.CancelledError:
            self.ended.append("cancelled")
            raise
        return "done"


async def test_snoozing_uses_no_try(client: QueueClient) -> None:
    """A job with two tries may put itself off five times."""
    running, job_id = Act(naps=5), await send(client, act())
    worker = await work(client, running.function)
    assert running.tries == [1] * 6
    view = await seen(client, job_id)
    assert (view.state, view.tries) == (JobState.SUCCEEDED, 1)
    assert (worker.jobs_complete, worker.jobs_retried, worker.jobs_failed) == (1, 5, 0)


async def test_snoozing_for_no_time_on_uvloop(valkey_socket_url: str) -> None:
    """A timer that is due at once is another kind of handle there; the worker goes on."""
    running = Act(naps=40, nap_ms=0)

    async def serve() -> None:
        client = connect(valkey_socket_url)
        await client.flushall()
        for _ in range(3):
            await send(client, act())
        async with asyncio.timeout(20):
            await work(client, running.function)
        await client.aclose()

    await asyncio.to_thread(uvloop.run, serve())
    assert len(running.tries) == 43


@pytest.mark.parametrize("delay", [0, 3600])
async def test_cancelled_before_it_runs(client: QueueClient, delay: int) -> None:
    """Queued or deferred, it never starts."""
    at = datetime.now(UTC) + timedelta(seconds=delay) if delay else None
    running, job_id = Act(), await send(client, act().deferred(until=at))
    assert await cancel(client, job_id)
    await work(client, running.function)
    assert running.tries == []
    assert (await seen(client, job_id)).state is JobState.CANCELLED
    assert not await cancel(client, job_id)


async def test_cancelled_while_it_runs(client: QueueClient) -> None:
    """It is interrupted at once, and not run again."""
    running, job_id = Act(seconds=30), await send(client, act())
    async with serving(client, running.function):
        await until(lambda: running.tries)
        began = time.monotonic()
        assert await cancel(client, job_id)
        view = await wait(client, job_id, 5)
        assert time.monotonic() - began < 5
    assert view is not None
    assert view.state is JobState.CANCELLED
    assert (running.tries, running.ended) == ([1], ["cancelled"])


async def test_cancelled_between_two_tries(client: QueueClient) -> None:
    """One that waits for its next try ends as cancelled."""
    running, job_id = Act(fails=True), await send(client, act())
    await work(client, running.function, max_burst_jobs=1)
    assert (await seen(client, job_id)).state is JobState.RETRYING
    assert await cancel(client, job_id)
    assert (await seen(client, job_id)).state is JobState.CANCELLED
    await work(client, running.function)
    assert running.tries == [1]


async def test_cancelled_after_its_end(client: QueueClient) -> None:
    """What has ended stays as it ended."""
    running, job_id = Act(), await send(client, act())
    await work(client, running.function)
    assert not await cancel(client, job_id)
    assert (await seen(client, job_id)).state is JobState.SUCCEEDED


async def test_cancelled_while_it_waits_for_a_slot(client: QueueClient) -> None:
    """A job claimed ahead and cancelled then is not started."""
    first = Act(seconds=0.4)
    await send(client, act(), "1")
    async with serving(client, first.function, max_jobs=1, prefetch=1) as worker:
        await until(lambda: first.tries)
        await send(client, act(), "2")
        await until(lambda: worker.turns is not None and "2" in worker.turns.runs)
        assert await cancel(client, "2")
        view = await wait(client, "2", 5)
        assert view is not None
        assert view.state is JobState.CANCELLED
    assert first.tries == [1]


async def test_a_paused_queue_starts_nothing(client: QueueClient) -> None:
    """What runs goes on; after resume the rest starts at once."""
    running = Act(seconds=0.2)
    await send(client, act(), "1")
    async with serving(client, running.function, max_jobs=1):
        await until(lambda: running.tries)
        await pause(client, KEY)
        await send(client, act(), "2")
        view = await wait(client, "1", 5)
        assert view is not None
        assert view.state is JobState.SUCCEEDED
        await asyncio.sleep(0.3)
        assert (await seen(client, "2")).state is JobState.QUEUED
        began = time.monotonic()
        await resume(client, KEY)
        view = await wait(client, "2", 5)
        assert time.monotonic() - began < 5
    assert view is not None
    assert view.state is JobState.SUCCEEDED
    assert running.tries == [1, 1]


async def test_purge_leaves_what_runs(client: QueueClient) -> None:
    """Waiting jobs are gone, the running one ends as it would have."""
    running = Act(seconds=0.3)
    await send(client, act(), "1")
    async with serving(client, running.function, max_jobs=1):
        await until(lambda: running.tries)
        await client.enqueue_many([act() for _ in range(20)])
        purged = await purge(client, KEY)
        assert (purged.removed, purged.running_left, purged.kept_owned) == (20, 1, 0)
        view = await wait(client, "1", 5)
    assert view is not None
    assert view.state is JobState.SUCCEEDED
    assert running.tries == [1]
    assert await client.zcard(KEY) == 0
