"""Jobs that died: kept with everything, replayed or forgotten."""

import pytest

from service.queue import (
    DeadFilter,
    JobState,
    QueueClient,
    RetryPolicy,
    dead_jobs,
    discard,
    job,
    replay,
)
from tests.engine.bench import HERE, KEY, QUEUE, seen, send, work
from tests.queue.raw import raw
from workers.engine import Context, run

pytestmark = pytest.mark.asyncio


@job("engine.repair", queue=QUEUE, coroutine=f"{HERE}.repair", retry=RetryPolicy(tries=2, delay=0))
async def repair(part: str) -> str:
    """Fail until it is repaired."""
    raise NotImplementedError


class Machine:
    """A job that fails until somebody mends what it needs."""

    def __init__(self) -> None:
        self.broken = True
        self.tries: list[int] = []
        self.function = run(repair, self.repair)

    async def repair(self, ctx: Context, part: str) -> str:
        """Fail while broken."""
        self.tries.append(ctx["job_try"])
        if self.broken:
            raise ValueError(f"{part} is broken in try {ctx['job_try']}")
        return f"{part} works"


async def test_an_exhausted_job_is_kept(client: QueueClient) -> None:
    """V049: payload, headers and each try's error are there; the result says that it failed."""
    machine, job_id = Machine(), await send(client, repair("pump"))
    payload = await client.get(f"arq:job:{job_id}")
    worker = await work(client, machine.function)
    (dead,) = await dead_jobs(client, KEY)
    assert (dead.view.job_id, dead.view.function, dead.view.args, dead.view.kwargs) == (
        job_id,
        "engine.repair",
        (),
        {"part": "pump"},
    )
    assert dead.payload == payload
    assert [(each.type, each.message) for each in dead.attempts] == [
        ("ValueError", "pump is broken in try 1"),
        ("ValueError", "pump is broken in try 2"),
    ]
    assert 'raise ValueError(f"{part} is broken' in dead.attempts[0].traceback
    assert (await seen(client, job_id)).state is JobState.FAILED
    assert (worker.jobs_complete, worker.jobs_failed, worker.jobs_retried) == (0, 1, 1)
    assert await raw(client, "HGETALL", f"{KEY}:counts") == {b"dead": b"1", b"retried": b"1"}


async def test_replayed_it_runs_as_if_never_before(client: QueueClient) -> None:
    """V049: a dead job can be queued again; its tries begin anew."""
    machine, job_id = Machine(), await send(client, repair("pump"))
    await work(client, machine.function)
    machine.broken = False
    replayed = await replay(client, KEY, DeadFilter(ids=[job_id]))
    assert (replayed.replayed, replayed.left) == (1, 0)
    await work(client, machine.function)
    view = await seen(client, job_id)
    assert (view.state, view.result, view.tries) == (JobState.SUCCEEDED, "pump works", 1)
    assert machine.tries == [1, 2, 1]
    assert await dead_jobs(client, KEY) == []


async def test_a_running_worker_takes_a_replayed_job_at_once(client: QueueClient) -> None:
    """Replayed twice while it still fails, it is dead twice, with the errors of its last life."""
    machine, job_id = Machine(), await send(client, repair("pump"))
    for _ in range(2):
        await work(client, machine.function)
        (dead,) = await dead_jobs(client, KEY)
        assert len(dead.attempts) == 2
        await replay(client, KEY, DeadFilter(ids=[job_id]))
    machine.broken = False
    await work(client, machine.function)
    assert machine.tries == [1, 2, 1, 2, 1]


async def test_discarded_it_is_gone(client: QueueClient) -> None:
    """V049: nothing but the result stays of a discarded job."""
    machine, job_id = Machine(), await send(client, repair("pump"))
    await work(client, machine.function)
    assert await discard(client, KEY, DeadFilter(ids=[job_id])) == 1
    assert await dead_jobs(client, KEY) == []
    left = [key.decode() for key in await client.keys(f"*{job_id}*")]
    assert left == [f"arq:result:{job_id}"]
