"""What a worker tells of itself, and what it is told."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
import pytest_asyncio

from service.queue import JobState, QueueClient, control, job, presence, wait
from service.queue.backlog import living
from service.queue.listing import active
from service.queue.presence import WORKERS, Address, RunningJob, WorkerView
from tests.engine.bench import HERE, KEY, QUEUE, make_worker, seen, send, serving, until, work
from workers.engine import Context, Worker, run

pytestmark = pytest.mark.asyncio
T = TypeVar("T")
NAME = f"{socket.gethostname()}:{os.getpid()}"


@job("engine.steered", queue=QUEUE, coroutine=f"{HERE}.hold")
async def hold() -> None:
    """Run until told."""
    raise NotImplementedError


class Held:
    """Jobs that run until the test lets go of them."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.go = asyncio.Event()
        self.function = run(hold, self.hold)

    async def hold(self, ctx: Context) -> None:
        """Wait."""
        self.begun.append(ctx["job_id"])
        await self.go.wait()


@pytest_asyncio.fixture
async def held() -> AsyncIterator[Held]:
    """Jobs that end with the test."""
    held = Held()
    yield held
    held.go.set()


async def shown(client: QueueClient, name: str = NAME) -> WorkerView:
    """Return the only worker of this process, once it has told of itself."""
    (view,) = await eventually(lambda: presence.worker(client, name))
    return view


async def eventually(look: Callable[[], Awaitable[T]]) -> T:
    """Look until there is something, and return it."""
    async with asyncio.timeout(15):
        while not (found := await look()):  # noqa: ASYNC110 - what is looked for is no event
            await asyncio.sleep(0.02)
    return found


async def running_jobs(client: QueueClient) -> list[RunningJob]:
    """Return what the worker says that it runs."""
    return (await shown(client)).running


async def nothing_runs(client: QueueClient) -> bool:
    """Whether it says that it runs nothing."""
    return not await running_jobs(client)


async def told(client: QueueClient, command: control.Command) -> tuple[str, int] | None:
    """Tell the worker of this process; return what it says and how much it runs."""
    answer = await control.tell(client, NAME, command, by="a test")
    return None if answer is None else (answer.said, answer.busy)


async def test_a_worker_is_seen_while_it_runs(client: QueueClient, held: Held) -> None:
    """G054, N024, T033, T034, T035, V043: who it is, what it can run, what it has done."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    async with serving(client, held.function, max_jobs=7) as worker:
        view = await shown(client)
        assert (view.host, view.pid, view.queue) == (socket.gethostname(), os.getpid(), QUEUE)
        assert (view.state, view.open, view.most) == ("running", 7, 7)
        assert (view.lease, view.leases_lost, view.lease_s) == ("held", 0, 10.0)
        assert view.functions == ["engine.steered"]
        assert before < view.started_at <= view.seen_at < datetime.now(UTC) + timedelta(seconds=1)
        assert view.memory_mib > 1
        assert len(view.load_average) == 3
        assert worker.turns is not None
        assert view.incarnation == worker.turns.incarnation
        assert await living(client) == {KEY: 1}
    assert await presence.workers(client) == []
    assert await living(client) == {}
    assert await client.exists(Address(KEY, NAME).status, WORKERS) == 0


async def test_what_it_runs_is_named(client: QueueClient, held: Held) -> None:
    """G039, N022, T031, V089: with name, start and try, once it has run for a second."""
    async with serving(client, held.function):
        await send(client, hold(), "a")
        await until(lambda: held.begun)
        before = datetime.now(UTC)
        (listed,) = await active(client, [KEY], 10)
        assert (listed.worker, listed.view.tries) == (NAME, 1)
        assert listed.view.started_at is not None
        assert abs(listed.view.started_at - before) < timedelta(seconds=5)
        (running,) = await eventually(lambda: running_jobs(client))
        (listed,) = await active(client, [KEY], 10)
        assert listed.view.started_at == running.started_at
        view = await shown(client)
        assert (running.id, running.name, running.tries) == ("a", "engine.steered", 1)
        assert timedelta(seconds=1) <= view.seen_at - running.started_at < timedelta(seconds=15)
        assert view.busy == 1
        held.go.set()
        await eventually(lambda: nothing_runs(client))
        view = await shown(client)
        assert (view.busy, view.done, view.failed) == (0, 1, 0)


async def test_one_with_nothing_new_only_says_that_it_lives(
    client: QueueClient, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And tells all again when Redis has lost it."""
    monkeypatch.setattr(presence, "EVERY", 0.1)
    async with serving(client, held.function):
        view = await shown(client)
        status = await client.get(Address(KEY, NAME).status)

        async def seen_again() -> bool:
            return (await shown(client)).seen_at > view.seen_at

        await eventually(seen_again)
        assert await client.get(Address(KEY, NAME).status) == status
        await client.flushdb()
        assert (await shown(client)).incarnation == view.incarnation


async def test_a_dead_worker_is_offline_within_a_minute(client: QueueClient, held: Held) -> None:
    """V051: it stays in the list for a day, and is told nothing."""
    async with serving(client, held.function):
        view = await shown(client)
        status = await client.get(Address(KEY, NAME).status)
    address = Address(KEY, "gone:1")
    gone = status.replace(NAME.encode(), b"gone:1")
    await client.set(address.status, gone)
    await client.zadd(WORKERS, {address.status: view.seen_at.timestamp() * 1000})

    async def state_after(seconds: float) -> list[str]:
        found = await presence.workers(client, now=view.seen_at + timedelta(seconds=seconds))
        return [each.state for each in found]

    assert await state_after(39) == ["running"]
    assert await state_after(41) == ["offline"]
    assert await state_after(86_399) == ["offline"]
    assert await state_after(86_401) == []
    later = view.seen_at + timedelta(seconds=41)
    assert await presence.alive(client, now=later) == []


async def test_pings_are_answered_at_once(client: QueueClient, held: Held) -> None:
    """N050: by each living worker; unknown ones are told nothing."""
    assert await told(client, "ping") is None
    async with serving(client, held.function):
        await shown(client)
        assert await told(client, "ping") == ("pong", 0)
        await send(client, hold())
        await until(lambda: held.begun)
        assert await told(client, "ping") == ("pong", 1)
        assert await control.tell(client, "nobody:1", "ping", by="a test") is None
        held.go.set()
    assert [key async for key in client.scan_iter(match="*:control:*")] == []


async def test_a_quiet_worker_claims_nothing(client: QueueClient, held: Held) -> None:
    """What runs goes on; what was claimed ahead is given back; resume undoes it."""
    async with serving(client, held.function, max_jobs=1, prefetch=2) as worker:
        await shown(client)
        for job_id in ("1", "2", "3"):
            await send(client, hold(), job_id)
        await until(lambda: worker.turns is not None and len(worker.turns.runs) == 3)
        assert await told(client, "quiet") is not None
        assert (await shown(client)).state == "quiet"
        await until(lambda: worker.turns is not None and len(worker.turns.runs) == 1)
        first = held.begun[0]
        held.go.set()
        view = await wait(client, first, 10)
        assert view is not None
        assert view.state is JobState.SUCCEEDED
        await asyncio.sleep(0.3)
        assert held.begun == [first]
        assert sorted(await client.zrange(KEY, 0, -1)) == sorted(
            job_id.encode() for job_id in {"1", "2", "3"} - {first}
        )
        assert await told(client, "resume") is not None
        assert (await shown(client)).state == "running"
        for job_id in {"1", "2", "3"} - {first}:
            view = await wait(client, job_id, 10)
            assert view is not None
            assert view.state is JobState.SUCCEEDED
            assert view.tries == 1


async def test_shutdown_lets_running_jobs_end(client: QueueClient, held: Held) -> None:
    """N052, G055: from afar, as SIGTERM does it; what waits is the next worker's."""
    worker = make_worker(client, held.function, burst=False, job_completion_wait=30)
    task = asyncio.create_task(worker.async_run())
    await shown(client)
    await send(client, hold(), "a")
    await until(lambda: held.begun)
    assert await told(client, "shutdown") == ("stopping", 1)
    await send(client, hold(), "b")
    assert await told(client, "resume") == ("stopping", 1)
    assert await told(client, "shutdown") == ("stopping", 1)  # no second signal
    assert not task.done()
    held.go.set()
    async with asyncio.timeout(15):
        await task
    assert (await seen(client, "a")).state is JobState.SUCCEEDED
    assert (await seen(client, "b")).state is JobState.QUEUED
    assert held.begun == ["a"]
    assert await told(client, "ping") is None
    await work(client, held.function)
    assert (await seen(client, "b")).state is JobState.SUCCEEDED


async def test_what_nobody_waits_for_is_not_obeyed(client: QueueClient, held: Held) -> None:
    """A command that is read too late, or is none, changes nothing."""
    address = Address(KEY, NAME)
    async with serving(client, held.function) as worker:
        await shown(client)
        late = b'{"command":"shutdown","by":"x","reply":"late","until_ms":1}'
        unknown = b'{"command":"import os","by":"x","reply":"late","until_ms":9999999999999}'
        async with client.pipeline(transaction=False) as pipe:
            pipe.rpush(address.control, late, unknown, b"\x80", b"[]")
            await pipe.execute()
        await eventually(lambda: _absent(client, address.control))
        assert await told(client, "ping") == ("pong", 0)
        assert not worker.stopping
        assert await client.exists("late") == 0


async def test_a_worker_without_pushes_listens_too(client: QueueClient, held: Held) -> None:
    """Where the server refuses tracking, it looks once a second."""
    async with serving(client, held.function) as worker:
        await shown(client)
        assert worker.turns is not None
        worker.turns.broker.tracking = False
        worker.turns.listener = lambda _: None
        assert await told(client, "ping") == ("pong", 0)


async def test_several_queues_of_a_process_are_told_together(client: QueueClient) -> None:
    """T035: one name, a worker for each queue; each obeys, and all have to answer."""
    held = Held()
    keys = [KEY, "almanac:other"]
    made = [make_worker(client, held.function, burst=False, queue_name=key) for key in keys]
    tasks = [asyncio.create_task(worker.async_run()) for worker in made]
    try:
        await eventually(lambda: _seen(client, len(keys)))
        assert [view.queue for view in await presence.workers(client)] == [QUEUE, "other"]
        assert await told(client, "quiet") == ("quiet", 0)
        assert [view.state for view in await presence.workers(client)] == ["quiet", "quiet"]
    finally:
        _stop(made)
        await asyncio.gather(*tasks)


async def _absent(client: QueueClient, key: str) -> bool:
    return not await client.exists(key)


async def _seen(client: QueueClient, count: int) -> bool:
    return len(await presence.workers(client)) == count


def _stop(workers: list[Worker]) -> None:
    for worker in workers:
        worker.handle_sig(signal.SIGTERM)
