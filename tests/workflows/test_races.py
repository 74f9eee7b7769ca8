"""Steps end while others do, while somebody cancels, and in whatever order."""

import asyncio
from contextlib import suppress
from uuid import UUID

import pytest
from sqlalchemy import text

from service.errors import Conflict
from service.runtime import Runtime
from service.workflows import actions, steering
from service.workflows.building import chain, group, step
from tests.workflows.bench import ADMIN, Code, note, number, resume, shown, start, work

pytestmark = pytest.mark.asyncio


async def end(runtime: Runtime, job_id: str) -> None:
    """Let the job of a step have succeeded."""
    async with runtime.unit_of_work() as uow:
        await actions.hold(uow, [job_id])
        await actions.jobs_ended(uow, [actions.JobEnd(job_id, "succeeded")])


async def cancel(runtime: Runtime, workflow_id: UUID) -> None:
    """Cancel a workflow, unless it has ended."""
    with suppress(Conflict):
        await steering.cancel(runtime, ADMIN, workflow_id)


async def sent(runtime: Runtime, name: str) -> list[str]:
    """Return the ids of open durable jobs of a name."""
    statement = text("SELECT id FROM durable_jobs WHERE name = :name AND state = 'queued'")
    return [row.id for row in await runtime.database.execute(statement, {"name": name})]


async def test_the_last_two_end_at_once_and_again(runtime: Runtime) -> None:
    """Rule 18, M13, R28: in any order, at once and repeated, the callback is released once."""
    for _ in range(10):
        flow = chain(group(*(number(value=n) for n in range(6))), note(name="end"))
        workflow_id = await start(runtime, flow.named("race"))
        jobs = [str(s.job_id) for s in (await shown(runtime, workflow_id)).steps[:6]]
        await asyncio.gather(*(end(runtime, job_id) for job_id in [*jobs, *reversed(jobs)]))
        found = await shown(runtime, workflow_id)
        callback = found.steps[6]
        assert (found.progress, callback.state) == (85, "queued")
        assert await sent(runtime, "flows.note") == [callback.job_id]
        await steering.cancel(runtime, ADMIN, workflow_id)


async def test_a_late_end_of_an_earlier_attempt_changes_nothing(runtime: Runtime) -> None:
    """The guard knows the attempt."""
    workflow_id = await start(runtime, chain(note(name="a"), note(name="b")).named("late"))
    first = str((await shown(runtime, workflow_id)).steps[0].job_id)
    await work(runtime, Code(failing={"a"}))
    await resume(runtime, workflow_id)
    await end(runtime, first)
    found = await shown(runtime, workflow_id)
    assert [(s.state, s.attempt) for s in found.steps] == [("queued", 2), ("waiting", 1)]


async def test_nested_workflows_end_while_the_outer_one_is_cancelled(runtime: Runtime) -> None:
    """Ends go outwards, a cancel goes inwards: neither waits for the other for ever."""
    inner = chain(number(value=1)).named("inner")
    outcomes = set()
    for _ in range(8):
        members = group(*(step(f"in{n}", inner) for n in range(6)))
        workflow_id = await start(runtime, chain(members, note(name="end")).named("outer"))

        jobs = await sent(runtime, "flows.number")
        halves = [end(runtime, job_id) for job_id in jobs]
        await asyncio.gather(*halves[:3], cancel(runtime, workflow_id), *halves[3:])
        found = await shown(runtime, workflow_id)
        outcomes.add(found.state)
        assert not {s.state for s in found.steps} & {"waiting", "queued", "running"}
        left = "SELECT 1 FROM workflows WHERE remaining <> 0 OR state IN ('pending', 'running')"
        assert await runtime.database.execute(text(left)) == []
    assert outcomes == {"cancelled"}
