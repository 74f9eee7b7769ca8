"""Eager mode: a unit of work runs its own jobs; and the ids that it tells before the commit."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import SecretStr

from service.access.models import User
from service.config import Settings
from service.db.outbox import DurableJob
from service.kit.clock import now
from service.monitoring import rows
from service.queue import Concurrency, RetryPolicy, inspect, job, queue_key
from service.runtime import Runtime
from service.workflows.building import chain, step
from tests.queue.leaks import leaked_keys
from tests.workflows.bench import start, states
from workers.engine import Context

pytestmark = pytest.mark.asyncio
HERE = "tests.db.test_eager"
KEY = queue_key("eager")
RUNS: list[str] = []


@job("tests.eager", queue="eager", coroutine=f"{HERE}.run_eager", retry=RetryPolicy(2, delay=60))
async def task(name: str, then: list[str]) -> str:
    """Return the name, and ask for jobs of the names in `then`."""
    raise NotImplementedError


@job("tests.eager_alone", queue="eager", coroutine=f"{HERE}.run_alone", concurrency=Concurrency(1))
async def alone(name: str) -> None:
    """Run when no other does."""
    raise NotImplementedError


async def run_eager(ctx: Context, name: str, then: list[str]) -> str:
    """Do what the name says."""
    RUNS.append(name)
    runtime: Runtime = ctx["runtime"]
    if name == "fails":
        raise ValueError("bad luck")
    async with runtime.unit_of_work() as uow:
        uow.enqueue(*(task(name=other, then=[]) for other in then))
    RUNS.append(f"{name} ends")
    return name


async def run_alone(ctx: Context, name: str) -> None:
    """Note the name."""
    RUNS.append(name)


@pytest.fixture
def eager(runtime: Runtime) -> Runtime:
    """A runtime of eager mode."""
    RUNS.clear()
    return replace(runtime, settings=runtime.settings.model_copy(update={"eager": True}))


async def row(runtime: Runtime, job_id: str) -> DurableJob:
    found = await rows.find(runtime, job_id)
    assert found is not None
    return found


async def test_jobs_run_after_the_commit_and_before_the_block_is_left(eager: Runtime) -> None:
    """N040: in order, without a worker; their rows and results tell of it."""
    async with eager.unit_of_work() as uow:
        first, _ = uow.enqueue(task(name="a", then=[]), task(name="b", then=[]))
        assert RUNS == []
    assert RUNS == ["a", "a ends", "b", "b ends"]
    ended = await row(eager, first)
    assert (ended.state, ended.path, ended.tries) == ("succeeded", "inline", 1)
    view = await inspect(eager.queue, first)
    assert view is not None
    assert (view.state, view.result) == ("succeeded", "a")
    assert not await eager.queue.exists(KEY)


async def test_what_jobs_ask_for_runs_after_them(eager: Runtime) -> None:
    """As with a worker: a job has ended before its own jobs begin."""
    async with eager.unit_of_work() as uow:
        uow.enqueue(task(name="a", then=["b", "c"]))
    assert RUNS == ["a", "a ends", "b", "b ends", "c", "c ends"]


async def test_a_rollback_runs_nothing(eager: Runtime) -> None:
    with pytest.raises(RuntimeError, match="no"):
        async with eager.unit_of_work() as uow:
            uow.enqueue(task(name="a", then=[]))
            raise RuntimeError("no")
    assert RUNS == []


async def test_a_workflow_is_over_when_its_start_returns(eager: Runtime) -> None:
    """Each step asks for the next one, and all of them run, without a worker."""
    chained = chain(*(step(name, task(name=name, then=[])) for name in ("a", "b", "c")))
    flow = await start(eager, chained.named("letters"))
    assert await states(eager, flow) == {"a": "succeeded", "b": "succeeded", "c": "succeeded"}
    assert RUNS == ["a", "a ends", "b", "b ends", "c", "c ends"]


async def test_an_id_runs_once(eager: Runtime) -> None:
    for name in ("a", "b"):
        async with eager.unit_of_work() as uow:
            assert uow.enqueue(task(name=name, then=[]).deferred(job_id="same")) == ["same"]
    assert RUNS == ["a", "a ends"]


async def test_what_cannot_run_now_goes_to_the_queue(eager: Runtime) -> None:
    """Due later, or refused by a lock in Redis if need be."""
    later = task(name="later", then=[]).deferred(until=now() + timedelta(minutes=5), job_id="later")
    async with eager.unit_of_work() as uow:
        ids = uow.enqueue(later, task(name="unique", then=[]).unique(60))
    assert RUNS == []
    assert sorted(await eager.queue.zrange(KEY, 0, -1)) == sorted(i.encode() for i in ids)


async def test_an_error_is_the_jobs_own(eager: Runtime) -> None:
    """The caller goes on; the job waits in its queue for the next try."""
    async with eager.unit_of_work() as uow:
        uow.enqueue(task(name="fails", then=[]).deferred(job_id="a"))
    failed = await row(eager, "a")
    assert (failed.state, failed.tries, failed.error) == ("retrying", 1, "ValueError: bad luck")
    view = await inspect(eager.queue, "a")
    assert view is not None
    assert view.run_at is not None
    assert timedelta(seconds=50) < view.run_at - now() < timedelta(seconds=70)


async def test_slots_of_limits_are_given_back(eager: Runtime) -> None:
    """A job that runs alone leaves its place to the next."""
    async with eager.unit_of_work() as uow:
        uow.enqueue(alone(name="a"), alone(name="b"))
    assert RUNS == ["a", "b"]
    assert await leaked_keys(eager.queue) == []


async def test_production_leaves_jobs_to_workers(runtime: Runtime) -> None:
    """N043: eager mode is refused; without it the job leaves the process that asks for it."""
    settings = Settings(
        _env_file=None,
        environment="production",
        eager=True,
        database_url=SecretStr("postgresql://x"),
        redis_url=SecretStr("redis://x"),
        secret_key=SecretStr("a secret that only tests use"),
    )
    assert settings.refusals() == [
        "ALMANAC_EAGER is on: requests would wait for the jobs they ask for"
    ]
    RUNS.clear()
    async with runtime.unit_of_work() as uow:
        uow.enqueue(task(name="a", then=[]))
    assert RUNS == []
    assert await runtime.queue.zcard(KEY) == 1


async def test_a_row_can_hold_the_id_of_its_job(runtime: Runtime) -> None:
    """K057, T079: known before the commit, and the same afterwards."""
    async with runtime.unit_of_work() as uow:
        ids = uow.enqueue(task(name="a", then=[]), task(name="b", then=[]).deferred(job_id="mine"))
        uow.session.add_all(User(name=job_id) for job_id in ids)
    assert ids[1] == "mine"
    assert len(ids[0]) == 32
    for job_id in ids:
        assert (await row(runtime, job_id)).state == "queued"
        assert await inspect(runtime.queue, job_id) is not None
