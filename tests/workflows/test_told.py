"""What running jobs tell of themselves: progress, log lines, when they will have ended."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text

from service.kit.clock import now
from service.kit.tasks import end
from service.kit.text import storable
from service.queue import RetryPolicy, live
from service.queue.codec import parse
from service.queue.headers import STEP
from service.queue.live import LiveEvent
from service.runtime import Runtime
from service.workflows.building import chain, step
from tests.workflows.bench import (
    Code,
    hidden,
    make_worker,
    note,
    shown,
    shown_step,
    start,
    states,
    work,
)
from workers import notes
from workers.engine import LEDGER, Context, Worker
from workers.notes import RunLog
from workers.progress import progress

pytestmark = pytest.mark.asyncio
log = logging.getLogger("tests.told")
TAKEN = """
    UPDATE workflow_steps SET released_at = finished_at - CAST(:taken AS interval)
    WHERE workflow_id = :id
"""


@asynccontextmanager
async def working(runtime: Runtime, code: Code) -> AsyncIterator[Worker]:
    """Run a worker that writes notes and keeps logs, as `workers.process.startup` has it."""
    worker = make_worker(runtime, code)
    ledger = worker.ctx[LEDGER]
    serving = asyncio.create_task(ledger.notes.serve())
    handler = RunLog(ledger.notes)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    running = asyncio.create_task(worker.async_run())
    try:
        yield worker
        async with asyncio.timeout(60):
            await running
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        await end(serving)


async def test_progress_is_seen_while_it_runs_and_never_falls(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V017, V041: percent and text of a running step count; a second try does not take back."""
    monkeypatch.setattr(notes, "EVERY", 0.01)
    seen, tries = asyncio.Event(), 0

    async def tell(ctx: Context, name: str) -> None:
        nonlocal tries
        tries += 1
        for done in (10, 80, 60) if tries == 1 else (20,):
            progress(ctx, done, 100, f"{done} of 100")
        await seen.wait()
        if tries == 1:
            raise ValueError("again")

    code = Code(inside=tell)
    slow = step("slow", note(name="slow"), retry=RetryPolicy(2, delay=0))
    workflow_id = await start(runtime, chain(slow).named("told"))
    async with working(runtime, code):
        async with asyncio.timeout(20):
            while (await shown(runtime, workflow_id)).progress < 80:  # noqa: ASYNC110 - as people do
                await asyncio.sleep(0.02)
        found = await shown(runtime, workflow_id)
        assert (found.state, found.steps[0].state) == ("running", "running")
        assert found.started_at is not None
        assert (found.steps[0].progress, found.steps[0].text) == (80, "60 of 100")
        seen.set()
        async with asyncio.timeout(20):
            while (found := await shown(runtime, workflow_id)).state == "running":
                assert found.progress >= 80
                await asyncio.sleep(0.01)
    assert (found.state, found.progress, tries) == ("succeeded", 100, 2)
    assert found.steps[0].text == "20 of 100"


async def test_whoever_watches_is_told_of_progress(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N025, V039: each new percentage of a running durable job is a live event."""
    monkeypatch.setattr(notes, "EVERY", 0.01)
    events: list[LiveEvent] = []
    ready = asyncio.Event()

    async def watch() -> None:
        async for page in live.pages(runtime.queue):
            ready.set()
            events.extend(event for event in page if event.event == "progress")

    async def tell(ctx: Context, name: str) -> None:
        for done in (40, 90):
            progress(ctx, done, 100, f"{done} of 100")
            async with asyncio.timeout(20):
                while done not in [event.percent for event in events]:  # noqa: ASYNC110 - no event
                    await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await ready.wait()
    await start(runtime, chain(note(name="slow")).named("told"))
    async with working(runtime, Code(inside=tell)):
        pass
    await end(watching)
    assert [(event.percent, event.text) for event in events] == [
        (40, "40 of 100"),
        (90, "90 of 100"),
    ]
    assert {(event.name, event.queue) for event in events} == {(note.name, note.queue)}


async def test_what_a_job_logs_is_kept_in_bounds(runtime: Runtime) -> None:
    """The last 200 lines of 500 characters, over all tries; what others log is not in it."""

    async def chat(ctx: Context, name: str) -> None:
        for line in range(150):
            log.info("%s %d %s", name, line, "x" * 600)

    code = Code(inside=chat, failing={"bad"})
    flaky = step("bad", note(name="bad"), retry=RetryPolicy(2, delay=0))
    workflow_id = await start(runtime, chain(note(name="ok"), flaky).named("logs"))
    async with working(runtime, code):
        log.info("not of any job")
    kept = (await shown_step(runtime, workflow_id, "note-1")).log
    assert len(kept) == 150
    assert kept[0][8:].startswith(" INFO ok 0 xxx")
    assert {len(line) for line in kept} == {500}
    both = (await shown_step(runtime, workflow_id, "bad")).log
    numbers = [int(line.split()[3]) for line in both]
    assert numbers == [*range(100, 150), *range(150)]


async def test_what_a_job_tells_without_a_row_is_dropped(runtime: Runtime) -> None:
    """It does not fail, and nothing is kept."""

    async def tell(ctx: Context, name: str) -> None:
        progress(ctx, 1, 2, "half")

    code = Code(inside=tell)
    await runtime.queue.enqueue(note(name="plain"))
    await work(runtime, code)
    assert code.runs == ["plain"]
    assert await runtime.database.execute(text("SELECT 1 FROM durable_jobs")) == []


async def test_any_text_can_be_told(runtime: Runtime) -> None:
    """U+0000 in progress, log and error keeps no step from its end; half characters neither."""
    odd = "a\0b"

    async def tell(ctx: Context, name: str) -> None:
        progress(ctx, 1, 2, odd)
        log.info(odd)
        raise ValueError(odd)

    workflow_id = await start(runtime, chain(step("a", note(name="a"))).named("odd"))
    async with working(runtime, Code(inside=tell)):
        pass
    found = await shown_step(runtime, workflow_id, "a")
    spelled = "a\\x00b"
    assert (found.state, found.error, found.text) == ("failed", f"ValueError: {spelled}", spelled)
    assert found.log[0].endswith(f"INFO {spelled}")
    assert storable("\ud800 \U0001f600") == "\\ud800 \U0001f600"


async def test_what_a_sensitive_job_logs_is_not_kept(runtime: Runtime) -> None:
    """Its lines could hold what its arguments hide."""

    async def chat(ctx: Context, name: str) -> None:
        log.info("about %s", name)

    async with runtime.unit_of_work() as uow:
        uow.enqueue(hidden(name="secret").deferred(job_id="a"), note(name="open"))
    async with working(runtime, Code(inside=chat)):
        pass
    logs = await runtime.database.execute(text("SELECT name, log FROM durable_jobs ORDER BY name"))
    assert logs[0] == ("flows.hidden", None)
    assert logs[1].log[0].endswith("INFO about open")


async def test_the_end_is_estimated_from_earlier_runs(runtime: Runtime) -> None:
    """The median of each step's time in runs of this name that succeeded; none without any."""
    definition = chain(note(name="a"), note(name="b")).named("estimated")
    for seconds in (10, 20, 600):
        workflow_id = await start(runtime, definition)
        await work(runtime, Code())
        await runtime.database.execute(
            text(TAKEN),
            {"taken": timedelta(seconds=seconds), "id": workflow_id},
        )
    workflow_id = await start(runtime, definition)
    estimate = (await shown(runtime, workflow_id)).estimated_finish
    assert estimate is not None
    assert 38 < (estimate - now()).total_seconds() <= 40
    await work(runtime, Code())
    assert (await shown(runtime, workflow_id)).estimated_finish is None
    workflow_id = await start(runtime, chain(note(name="a")).named("never seen"))
    assert (await shown(runtime, workflow_id)).estimated_finish is None


async def test_a_job_in_a_workflow_sends_others(runtime: Runtime) -> None:
    """What a step's job sends is a job of its own: not the step's row, not its limits."""

    async def send(ctx: Context, name: str) -> None:
        if name == "sender":
            await runtime.queue.enqueue(note(name="direct"))
            async with runtime.unit_of_work() as uow:
                uow.enqueue(note(name="durable"))

    code = Code(inside=send)
    sender = step("sender", note(name="sender"), timeout=20)
    workflow_id = await start(runtime, chain(sender).named("sends"))
    await work(runtime, code)
    assert sorted(code.runs) == ["direct", "durable", "sender"]
    assert await states(runtime, workflow_id) == {"sender": "succeeded"}
    rows = await runtime.database.execute(text("SELECT payload FROM durable_jobs"))
    assert sorted(STEP in parse(row.payload).headers for row in rows) == [False, True]
