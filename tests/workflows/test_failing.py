"""A step fails, somebody cancels: what goes on, what does not, and what is undone."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from service.errors import Conflict, NotFound
from service.monitoring import rows
from service.runtime import Runtime
from service.workflows import actions, steering
from service.workflows.building import (
    Step,
    chain,
    group,
    output,
    step,
    workflow,
)
from tests.engine.bench import until
from tests.workflows.bench import (
    ADMIN,
    Code,
    make_worker,
    note,
    resume,
    revoke,
    shown,
    start,
    states,
    undo,
    work,
)
from workers.engine import Context

pytestmark = pytest.mark.asyncio


def undoable(key: str) -> Step:
    return step(key, note(name=key), undo=revoke(name=output(key, "name")))


async def undo_states(runtime: Runtime, workflow_id: UUID) -> dict[str, str | None]:
    steps = (await shown(runtime, workflow_id)).steps
    return {found.key: found.undo.state for found in steps if found.undo}


async def test_a_failed_step_is_resumed(runtime: Runtime) -> None:
    """V016: what depends on it is skipped, the rest goes on; resumed, nothing is repeated."""
    definition = (
        workflow("resumed")
        .step("a", note(name="a"))
        .step("bad", note(name="bad"), after=["a"])
        .step("after", note(name="after"), after=["bad"])
        .step("beside", note(name="beside"), after=["a"])
        .step("end", note(name="end"), after=["after", "beside"])
        .build()
    )
    workflow_id = await start(runtime, definition)
    code = Code(failing={"bad"})
    await work(runtime, code)
    assert await states(runtime, workflow_id) == {
        "a": "succeeded", "bad": "failed", "after": "skipped", "beside": "succeeded",
        "end": "skipped",
    }  # fmt: skip
    found = await shown(runtime, workflow_id)
    assert (found.state, found.progress) == ("failed", 40)
    assert found.error == "bad: ValueError: bad luck with bad"
    assert sorted(code.runs) == ["a", "bad", "beside"]

    code.failing.clear()
    await resume(runtime, workflow_id)
    with pytest.raises(Conflict, match="it is running"):
        await resume(runtime, workflow_id)
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    assert (found.state, found.progress, found.error) == ("succeeded", 100, None)
    assert [s.attempt for s in found.steps] == [1, 2, 1, 1, 1]
    assert sorted(code.runs) == ["a", "after", "bad", "bad", "beside", "end"]


async def test_completed_steps_are_undone_in_reverse(runtime: Runtime) -> None:
    """V022, V098: fail at step 3 of 4; only what completed is undone, the latest first."""
    flow = chain(*(undoable(key) for key in ("file", "upload", "post", "mail")))
    workflow_id = await start(runtime, flow.named("saga", undo_on_failure=True))
    code = Code(failing={"post"})
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    assert (found.state, found.error) == ("undone", "post: ValueError: bad luck with post")
    assert code.runs == ["file", "upload", "post", "undo upload", "undo file"]
    assert await undo_states(runtime, workflow_id) == {
        "file": "succeeded", "upload": "succeeded", "post": None, "mail": None,
    }  # fmt: skip
    with pytest.raises(Conflict, match="it is undone"):
        await resume(runtime, workflow_id)


async def test_what_waits_is_skipped_when_all_is_undone_anyway(runtime: Runtime) -> None:
    """Another branch begins nothing new after the failure."""
    flow = group(chain(note(name="bad")), chain(undoable("a"), undoable("b")))
    workflow_id = await start(runtime, flow.named("saga", undo_on_failure=True))
    code = Code(failing={"bad"})
    await work(runtime, code, max_jobs=1)
    assert code.runs[-1] == "undo a"
    assert "b" not in code.runs
    assert (await shown(runtime, workflow_id)).state == "undone"


async def test_undo_on_request_goes_on_after_a_failed_undo(runtime: Runtime) -> None:
    """Each undo has a record of its own; one that fails stops the others until asked again."""
    workflow_id = await start(runtime, chain(undoable("a"), undoable("b")).named("done"))
    with pytest.raises(Conflict, match="it is pending"):
        await undo(runtime, workflow_id)
    code = Code(failing={"undo a"})
    await work(runtime, code)
    assert (await shown(runtime, workflow_id)).state == "succeeded"
    await undo(runtime, workflow_id)
    assert (await shown(runtime, workflow_id)).state == "undoing"
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    why = "undo of a: ValueError: bad luck with undo a"
    assert (found.state, found.error) == ("failed", why)
    assert await undo_states(runtime, workflow_id) == {"a": "failed", "b": "succeeded"}
    with pytest.raises(Conflict, match="were undone already"):
        await resume(runtime, workflow_id)
    code.failing.clear()
    await undo(runtime, workflow_id)
    await work(runtime, code)
    assert (await shown(runtime, workflow_id)).state == "undone"
    assert code.runs == ["a", "b", "undo b", "undo a", "undo a"]
    with pytest.raises(Conflict, match="it is undone"):
        await undo(runtime, workflow_id)


async def test_nothing_to_undo_is_said(runtime: Runtime) -> None:
    workflow_id = await start(runtime, chain(note(name="a")).named("plain"))
    await work(runtime, Code())
    with pytest.raises(Conflict, match="None of its completed steps"):
        await undo(runtime, workflow_id)
    assert (await shown(runtime, workflow_id)).state == "succeeded"


async def test_waiting_steps_are_cancelled_at_once(runtime: Runtime) -> None:
    """Jobs in the queue leave it, and never start; the workflow ends here and now."""
    flow = chain(group(note(name="a"), note(name="b")), note(name="c"))
    workflow_id = await start(runtime, flow.named("cancelled"))
    await steering.cancel(runtime, ADMIN, workflow_id)
    found = await shown(runtime, workflow_id)
    assert (found.state, {s.state for s in found.steps}) == ("cancelled", {"cancelled"})
    assert not await runtime.queue.exists("almanac:flows")
    code = Code()
    await work(runtime, code)
    assert code.runs == []
    with pytest.raises(Conflict, match="it is cancelled"):
        await steering.cancel(runtime, ADMIN, workflow_id)
    await resume(runtime, workflow_id)
    await work(runtime, code)
    assert sorted(code.runs) == ["a", "b", "c"]
    assert (await shown(runtime, workflow_id)).state == "succeeded"


async def test_running_steps_are_stopped(runtime: Runtime) -> None:
    """The queue's cancel reaches the job; what completed is undone if the workflow says so."""
    begun = asyncio.Event()

    async def hang(ctx: Context, name: str) -> None:
        if name == "long":
            begun.set()
            await asyncio.sleep(60)

    code = Code(inside=hang)
    flow = chain(undoable("a"), note(name="long"), undoable("z"))
    workflow_id = await start(runtime, flow.named("stopped", undo_on_failure=True))
    working = asyncio.create_task(make_worker(runtime, code).async_run())
    await until(begun.is_set)
    await steering.cancel(runtime, ADMIN, workflow_id)
    found = await shown(runtime, workflow_id)
    assert (found.state, found.cancelling) == ("running", True)
    async with asyncio.timeout(30):
        await working
    assert code.runs == ["a", "long", "undo a"]
    assert (await shown(runtime, workflow_id)).state == "undone"
    assert list((await states(runtime, workflow_id)).values()) == [
        "succeeded", "cancelled", "cancelled",
    ]  # fmt: skip


async def test_a_failure_inside_is_resumed_inside(runtime: Runtime) -> None:
    """A nested workflow goes on where it stopped; only the outermost is acted on."""
    inner = chain(note(name="one"), note(name="two")).named("inner")
    workflow_id = await start(runtime, chain(step("in", inner), note(name="end")).named("outer"))
    code = Code(failing={"two"})
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    inside = found.steps[0].workflow_id
    assert inside is not None
    why = "note-2: ValueError: bad luck with two"
    assert (found.state, found.error, found.steps[0].error) == ("failed", f"in: {why}", why)
    with pytest.raises(Conflict, match=f"step of workflow {workflow_id}"):
        await resume(runtime, inside)
    code.failing.clear()
    await resume(runtime, workflow_id)
    await work(runtime, code)
    assert code.runs == ["one", "two", "two", "end"]
    assert {(await shown(runtime, i)).state for i in (workflow_id, inside)} == {"succeeded"}


async def test_undo_reaches_into_nested_workflows(runtime: Runtime) -> None:
    """Completed steps of a workflow inside are undone among the others, by their time."""
    inner = chain(undoable("in1"), undoable("in2")).named("inner")
    flow = chain(undoable("a"), step("in", inner), undoable("b"), note(name="bad"))
    workflow_id = await start(runtime, flow.named("outer", undo_on_failure=True))
    code = Code(failing={"bad"})
    await work(runtime, code)
    assert code.runs[5:] == ["undo b", "undo in2", "undo in1", "undo a"]
    found = await shown(runtime, workflow_id)
    inside = found.steps[1].workflow_id
    assert inside is not None
    assert {(await shown(runtime, i)).state for i in (workflow_id, inside)} == {"undone"}


async def test_cancel_reaches_into_nested_workflows(runtime: Runtime) -> None:
    inner = chain(note(name="one"), note(name="two")).named("inner")
    workflow_id = await start(runtime, chain(step("in", inner), note(name="end")).named("outer"))
    await steering.cancel(runtime, ADMIN, workflow_id)
    found = await shown(runtime, workflow_id)
    inside = found.steps[0].workflow_id
    assert inside is not None
    assert {(await shown(runtime, i)).state for i in (workflow_id, inside)} == {"cancelled"}
    code = Code()
    await work(runtime, code)
    assert code.runs == []


async def test_an_end_that_nobody_told_is_found(runtime: Runtime) -> None:
    """A step's job is cancelled by itself, past its workflow: the sweep hears of it."""
    flow = chain(group(note(name="a"), note(name="b")), note(name="c"))
    workflow_id = await start(runtime, flow.named("lost"))
    job_id = (await shown(runtime, workflow_id)).steps[0].job_id
    row = await rows.find(runtime, str(job_id))
    assert row is not None
    assert await rows.cancel(runtime, row)
    code = Code()
    await work(runtime, code)
    assert (await shown(runtime, workflow_id)).state == "running"
    assert await steering.sweep(runtime) == 1
    assert await steering.sweep(runtime) == 0
    found = await shown(runtime, workflow_id)
    assert [s.state for s in found.steps] == ["cancelled", "succeeded", "skipped"]
    assert (found.state, found.error) == ("failed", "note-1: did not succeed")


async def test_a_dead_job_of_a_step_is_not_replayed_past_its_workflow(runtime: Runtime) -> None:
    """Its effect would be outside of the workflow's books: resuming is the way."""
    workflow_id = await start(runtime, chain(note(name="a")).named("dead"))
    code = Code(failing={"a"})
    await work(runtime, code)
    row = await rows.find(runtime, str((await shown(runtime, workflow_id)).steps[0].job_id))
    assert row is not None
    assert not await rows.replay(runtime, row)
    await work(runtime, code)
    assert code.runs == ["a"]


async def test_old_runs_are_forgotten(runtime: Runtime) -> None:
    """With all that is inside them; what has not ended stays."""
    inner = chain(note(name="in")).named("inner")
    ended = await start(runtime, chain(step("in", inner)).named("ended"))
    code = Code()
    await work(runtime, code)
    running = await start(runtime, chain(step("in", inner)).named("running"))
    async with runtime.unit_of_work() as uow:
        assert await actions.forget(uow.session, timedelta(hours=1)) == 0
        assert await actions.forget(uow.session, timedelta(seconds=-1)) == 1
    with pytest.raises(NotFound):
        await shown(runtime, ended)
    assert (await shown(runtime, running)).state == "pending"
    counted = "SELECT (SELECT count(*) FROM workflows), (SELECT count(*) FROM workflow_steps)"
    assert tuple((await runtime.database.execute(text(counted)))[0]) == (2, 2)
