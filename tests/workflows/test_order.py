"""Steps run in the order that their workflow says, with what the ones before returned."""

import asyncio
from typing import Any

import pytest

from service.errors import InvalidInput
from service.queue import RetryPolicy
from service.runtime import Runtime
from service.workflows import actions
from service.workflows.building import (
    chain,
    chord,
    given,
    group,
    output,
    previous,
    results,
    step,
    workflow,
)
from service.workflows.schemas import StepIn, WorkflowIn
from tests.workflows.bench import (
    Code,
    elsewhere,
    note,
    number,
    owner,
    shown,
    shown_step,
    start,
    states,
    total,
    work,
)
from workers.engine import Context

pytestmark = pytest.mark.asyncio


async def test_a_chain_is_seen_to_go_on(runtime: Runtime) -> None:
    """G081, V017, V021, V041, V099: one after the other, each gets what the one before returned.

    Of four steps progress is 0, 25, 50, 75, 100, and the step is named that comes next.
    """
    flow = chain(
        step("download", note(name="clip")),
        step("audio", note(name="sound", given=previous("path"))),
        step("words", note(name="words", given=previous("path"))),
        step("mood", note(name="mood", given=output("download", "path"))),
    )
    workflow_id = await start(runtime, flow.named("video"))
    seen: list[tuple[int, str, list[str]]] = []
    code = Code()
    for _ in range(4):
        before = await shown(runtime, workflow_id)
        seen.append((before.progress, before.state, before.current_steps))
        await work(runtime, code, max_burst_jobs=1)
    assert seen == [
        (0, "pending", ["download"]),
        (25, "running", ["audio"]),
        (50, "running", ["words"]),
        (75, "running", ["mood"]),
    ]
    after = await shown(runtime, workflow_id)
    assert (after.progress, after.state, after.current_steps) == (100, "succeeded", [])
    assert after.output == {"name": "mood", "path": "/mood", "given": "/clip"}
    assert code.runs == ["clip", "sound", "words", "mood"]
    assert (await shown_step(runtime, workflow_id, "audio")).result["given"] == "/clip"
    ends = [found.finished_at for found in after.steps]
    begins = [found.started_at for found in after.steps]
    assert all(e and b and e <= b for e, b in zip(ends, begins[1:], strict=False))


async def test_a_group_runs_at_the_same_time(runtime: Runtime) -> None:
    """V020: each waits inside until the other has begun too."""
    met = asyncio.Barrier(2)

    async def meet(ctx: Context, name: str) -> None:
        async with asyncio.timeout(20):
            await met.wait()

    code = Code(inside=meet)
    workflow_id = await start(runtime, group(note(name="words"), note(name="mood")).named("two"))
    await work(runtime, code)
    assert await states(runtime, workflow_id) == {"note-1": "succeeded", "note-2": "succeeded"}
    assert (await shown(runtime, workflow_id)).output is None


async def test_a_chord_calls_back_once_with_all_results(runtime: Runtime) -> None:
    """V019: group, chain and fan-in in one."""
    members = group(*(number(value=n) for n in range(50)))
    flow = chain(note(name="first"), chord(members, total(numbers=results())), note(name="last"))
    workflow_id = await start(runtime, flow.named("fan"))
    code = Code()
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    assert (found.state, found.progress) == ("succeeded", 100)
    assert code.runs.count("total") == 1
    assert (code.runs[0], code.runs[-1]) == ("first", "last")
    assert (await shown_step(runtime, workflow_id, "total-52")).result == sum(range(50))


async def test_any_graph_with_input_and_output(runtime: Runtime) -> None:
    """Design 4: a diamond; arguments come from the input and from parts of outputs."""
    definition = (
        workflow("diamond")
        .step("top", number(value=given("start", 0)))
        .step("left", number(value=5), after=["top"])
        .step("right", number(value=output("top")), after=["top"])
        .step("sum", total(numbers=[output("left"), output("right"), 1]), after=["right", "left"])
        .build({"start": [7]}, output={"sum": output("sum"), "of": given("start")})
    )
    workflow_id = await start(runtime, definition)
    await work(runtime, Code())
    found = await shown(runtime, workflow_id)
    assert (found.state, found.output) == ("succeeded", {"sum": 13, "of": [7]})


async def test_a_workflow_inside_another(runtime: Runtime) -> None:
    """A step may be a workflow: its input comes from outside, its output goes on."""
    inner = (
        workflow("inner")
        .step("half", number(value=given("value")))
        .step("rest", number(value=2), after=["half"])
        .step("sum", total(numbers=results()), after=["half", "rest"])
        .build({"value": previous()})
    )
    flow = chain(number(value=20), step("inside", inner), total(numbers=[previous(), 100]))
    workflow_id = await start(runtime, flow.named("outer"))
    code = Code()
    assert (await shown(runtime, workflow_id)).state == "pending"
    await work(runtime, code, max_burst_jobs=2)
    found = await shown(runtime, workflow_id)
    inside = found.steps[1]
    assert (inside.state, inside.progress, found.progress) == ("running", 33, 44)
    assert inside.workflow_id is not None
    within = await shown(runtime, inside.workflow_id)
    assert (within.parent_id, within.progress, within.current_steps) == (workflow_id, 33, ["rest"])
    await work(runtime, code)
    assert (await shown(runtime, workflow_id)).output == 122
    assert (await shown(runtime, inside.workflow_id)).output == 22


async def test_a_step_has_limits_of_its_own(runtime: Runtime) -> None:
    """Its time limit and retry policy outrank the declaration's, and only for this step."""

    async def hang(ctx: Context, name: str) -> None:
        if name == "slow":
            await asyncio.sleep(30)

    code = Code(failing={"often"}, inside=hang)
    flow = group(
        step("slow", note(name="slow"), timeout=0.1),
        step("often", note(name="often"), retry=RetryPolicy(3, delay=0)),
        step("once", note(name="once")),
    )
    workflow_id = await start(runtime, flow.named("limits"))
    await work(runtime, code)
    found = {s.key: (s.state, s.tries, s.error) for s in (await shown(runtime, workflow_id)).steps}
    assert found == {
        "slow": ("failed", 1, "TimeoutError: it ran longer than 0.1 s"),
        "often": ("failed", 3, "ValueError: bad luck with often"),
        "once": ("succeeded", 1, None),
    }


async def test_a_step_is_sent_where_it_says(runtime: Runtime) -> None:
    """V018: another queue than the declared one, and another lane."""
    flow = group(step("here", elsewhere(), queue="flows"), elsewhere().in_lane("high"))
    workflow_id = await start(runtime, flow.named("queues"))
    here, there = (await shown(runtime, workflow_id)).steps
    assert (here.queue, there.queue) == ("flows", "otherflows")
    assert await runtime.queue.zrange("almanac:flows", 0, -1) == [str(here.job_id).encode()]
    high = await runtime.queue.zrange("almanac:otherflows:high", 0, -1)
    assert high == [str(there.job_id).encode()]


async def test_any_character_goes_through(runtime: Runtime) -> None:
    """U+0000 and the like in input, arguments and results."""
    odd = "a\0b \U0001f600"
    flow = chain(note(name=given("odd")), note(name=previous("name"), given=odd))
    workflow_id = await start(runtime, flow.named("odd", {"odd": odd}))
    await work(runtime, Code())
    found = await shown(runtime, workflow_id)
    assert (found.input, found.output) == (
        {"odd": odd},
        {"name": odd, "path": f"/{odd}", "given": odd},
    )


async def test_a_rollback_starts_nothing(runtime: Runtime) -> None:
    """Principle 1: neither rows nor jobs."""
    owner_id = await owner(runtime)
    with pytest.raises(RuntimeError, match="no"):
        async with runtime.unit_of_work() as uow:
            await actions.start(uow, group(note(name="a")).named("never"), owner_id)
            raise RuntimeError("no")
    await nothing_is_there(runtime)


async def nothing_is_there(runtime: Runtime) -> None:
    async with runtime.unit_of_work() as uow:
        connection = await uow.session.connection()
        for table in ("workflows", "workflow_steps", "durable_jobs"):
            (count,) = (await connection.exec_driver_sql(f"SELECT count(*) FROM {table}")).one()
            assert (table, count) == (table, 0)
    assert not await runtime.queue.exists("almanac:flows")


async def test_a_wrong_definition_starts_nothing(runtime: Runtime) -> None:
    """All problems at once."""
    definition = WorkflowIn(
        name="bad",
        steps=[
            StepIn(key="a", job="flows.nothing", after=["b"]),
            StepIn(key="b", job="flows.number", arguments={"value": "x"}, after=["a"]),
        ],
    )
    with pytest.raises(InvalidInput) as refusal:
        await start(runtime, definition)
    problems = {p.field: p.message for p in refusal.value.problems}
    assert problems == {
        "steps": "these wait for each other: b → a → b",
        "steps[0].job": "there is no job 'flows.nothing'",
        "steps[1].arguments": "argument value: Expected `int`, got `str`",
    }
    await nothing_is_there(runtime)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (previous("name", 3), '{"$results": [0, "name", 3]} leads nowhere: there is no 3'),
        (previous("size"), '{"$results": [0, "size"]} leads nowhere: there is no \'size\''),
        (previous("name"), "argument value: Expected `int`, got `str`"),
    ],
)
async def test_an_output_that_does_not_fit_fails_the_step(
    runtime: Runtime, value: Any, why: str
) -> None:
    """What only the run can tell: the step fails with the reason, its job is never sent."""
    flow = chain(note(name="a"), step("bad", number(value=value)), note(name="z"))
    workflow_id = await start(runtime, flow.named("misfit"))
    code = Code()
    await work(runtime, code)
    found = await shown(runtime, workflow_id)
    assert [s.state for s in found.steps] == ["succeeded", "failed", "skipped"]
    assert (found.state, found.steps[1].error) == ("failed", why)
    assert code.runs == ["a"]
