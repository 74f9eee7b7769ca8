"""Why a job is not running: each reason on a real queue, and the rule over what may be known."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.access.caller import Caller, Scope
from service.monitoring import lookup, waiting
from service.monitoring.dead_rules import LONGEST, pattern
from service.monitoring.waiting_rules import Facts, Holder, Line, Reason, reasons
from service.queue import Concurrency, JobCall, Rate, job
from tests.api.lifting import TWICE, Gym, durable, lift
from tests.monitoring.helpers import serving, until
from tests.support import Installation, in_seconds
from workers.engine import Context, run

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = "tests.monitoring.test_waiting"
ADMIN = Caller(uuid4(), "root", frozenset({Scope.ADMIN}))
ANN = Caller(uuid4(), "ann", frozenset({Scope.JOBS_READ}))


@job(
    "tests.narrow",
    queue="publishing",
    coroutine=f"{HERE}.pass_through",
    retry=TWICE,
    concurrency=Concurrency(1, key="gate"),
)
async def narrow(gate: str) -> None:
    """Pass through a gate, one at a time."""


@job("tests.slow_lift", queue="publishing", coroutine=f"{HERE}.pass_through", rate=Rate(1, 60))
async def slow(gate: str = "") -> None:
    """Start once a minute."""


class Gate:
    """The code of both: it waits until the gate opens."""

    def __init__(self) -> None:
        self.inside = asyncio.Event()
        self.open = asyncio.Event()

    async def pass_through(self, ctx: Context, gate: str = "") -> None:
        self.inside.set()
        await self.open.wait()


async def told(api: Installation, job_id: str, caller: Caller = ADMIN) -> list[Reason]:
    found = await lookup.find(api.runtime, caller, job_id)
    assert found is not None
    return await waiting.why(api.runtime, caller, found)


async def kinds(api: Installation, job_id: str) -> list[str]:
    return [reason.kind for reason in await told(api, job_id)]


@pytest.mark.asyncio
async def test_nobody_is_there_or_the_queue_is_paused(api: Installation) -> None:
    await durable(api, "waits")
    assert await kinds(api, "waits") == ["no_worker"]
    await api.post("/v1/queues/publishing/pause", None)
    assert await kinds(api, "waits") == ["paused", "no_worker"]
    (paused, _) = await told(api, "waits")
    assert paused.text == "The queue 'publishing' is paused. Resume it to let jobs start."


@pytest.mark.asyncio
async def test_a_worker_is_there_but_cannot_or_may_not(api: Installation) -> None:
    """None of its functions is this job's; then it was told to start nothing."""
    await api.post("/v1/queues/publishing/pause", None)
    await durable(api, "waits")
    async with serving(api):
        await until(lambda: _alive(api))
        assert await kinds(api, "waits") == ["paused", "unable"]
        (worker,) = (await api.get("/v1/workers")).json()["items"]
        reply = await api.post(f"/v1/workers/{worker['name']}/quiet", None)
        assert reply.status_code == 200, reply.text
        await until(lambda: _quiet(api))
        assert await kinds(api, "waits") == ["paused", "quiet"]


async def _alive(api: Installation) -> bool:
    items = (await api.get("/v1/workers")).json()["items"]
    return any(item["state"] == "running" for item in items)


async def _quiet(api: Installation) -> bool:
    items = (await api.get("/v1/workers")).json()["items"]
    return any(item["state"] == "quiet" for item in items)


@pytest.mark.asyncio
async def test_its_time_has_not_come(api: Installation) -> None:
    later = datetime.now(UTC) + timedelta(hours=2)
    await api.runtime.queue.enqueue(lift(weight=1).deferred(later, "later"))
    due = (await told(api, "later"))[-1]
    assert due.kind == "due"
    assert due.at is not None
    assert abs(due.at - later) < timedelta(seconds=1)


@pytest.mark.asyncio
async def test_others_are_before_it(api: Installation) -> None:
    """Those of the high lane too, although they came later."""
    for n in range(3):
        await durable(api, f"job-{n}")
    assert await kinds(api, "job-0") == ["no_worker"]
    assert (await told(api, "job-2"))[-1].text == "2 jobs are before it in the queue."
    await api.runtime.queue.enqueue(lift(weight=1).in_lane("high").deferred(job_id="urgent"))
    assert (await told(api, "job-2"))[-1].text == "3 jobs are before it in the queue."
    assert await kinds(api, "urgent") == ["no_worker"]


@pytest.mark.asyncio
async def test_a_limit_is_held_by_another(api: Installation) -> None:
    """Named with who holds it, but only to who may see that job."""
    gate = Gate()
    functions = [run(narrow, gate.pass_through)]
    async with serving(api, functions=functions):
        await _send(api, narrow("north"), "first", "bob")
        await gate.inside.wait()
        await _send(api, narrow("north"), "second", "")
        await _send(api, narrow("south"), "elsewhere", "")
        await until(lambda: _stands_in_line(api, "second"))
        (limit, again) = await told(api, "second")
        assert limit.text == (
            "Of jobs like it with the same gate only 1 may run at a time. The limit is held by"
        )
        assert (limit.jobs, again.kind) == (("first",), "again")
        (unnamed, _) = await told(api, "second", ANN)
        assert unnamed.jobs == ()
        (held,) = await told(api, "first")
        assert held.kind == "held"
        assert held.at is not None
        gate.open.set()


@pytest.mark.asyncio
async def test_a_rate_lets_it_start_later(api: Installation) -> None:
    gate = Gate()
    gate.open.set()
    async with serving(api, functions=[run(slow, gate.pass_through)]):
        await _send(api, slow(), "first", "")
        await gate.inside.wait()
        await _send(api, slow(), "second", "")
        await until(lambda: _stands_in_line(api, "second"))
        (limit, again) = await told(api, "second")
        assert limit.text == "Of jobs like it only 1 may start in 60 s."
        assert again.at is not None
        assert timedelta(seconds=30) < again.at - datetime.now(UTC) <= timedelta(seconds=61)


async def _send(api: Installation, call: JobCall, job_id: str, actor: str) -> None:
    headers: Mapping[str, str] = {"actor": actor} if actor else {}
    sent = JobCall(call.name, call.queue, kwargs=call.kwargs, job_id=job_id, headers=headers)
    await api.runtime.queue.enqueue(sent)


async def _stands_in_line(api: Installation, job_id: str) -> bool:
    return "limit" in await kinds(api, job_id)


@pytest.mark.asyncio
async def test_all_places_are_taken(api: Installation) -> None:
    gym = Gym(door=asyncio.Event())
    async with serving(api, functions=[run(lift, gym.lift)], max_jobs=1):
        await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="first"))
        await gym.inside.wait()
        await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="second"))
        await until(lambda: _busy(api))
        assert await kinds(api, "second") == ["busy"]
        assert (await told(api, "second"))[0].text == "The only place is taken by running jobs."
        assert await kinds(api, "first") == ["held"]
        assert gym.door is not None
        gym.door.set()


async def _busy(api: Installation) -> bool:
    items = (await api.get("/v1/workers")).json()["items"]
    return any(item["busy"] == 1 for item in items)


@pytest.mark.asyncio
async def test_it_runs_alone_after_crashes(api: Installation) -> None:
    await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="deadly"))
    await api.runtime.queue.hset("almanac:publishing:crashes", "deadly", "2")  # type: ignore[misc] # redis-py's
    found = {reason.kind: reason.text for reason in await told(api, "deadly")}
    assert found["alone"].startswith("Its worker died 2 times while it ran")


@pytest.mark.asyncio
async def test_its_worker_is_gone(api: Installation) -> None:
    """The lease is held by nobody who lives: who takes over, and when."""
    await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="left"))
    await api.runtime.queue.set("arq:in-progress:left", "nobody:1", px=20_000)
    (held,) = await told(api, "left")
    assert held.kind == "held"
    assert held.text.startswith("A process that tells nothing of itself runs it.")
    assert held.at is not None


@pytest.mark.asyncio
async def test_the_queue_lost_it(api: Installation) -> None:
    """A durable job waits for the next look; a delivery for the next sweep."""
    await durable(api, "lost")
    account = await api.connect()
    post = await api.schedule([account], publish_at=in_seconds(3600))
    delivery = post["deliveries"][0]["id"]
    await api.sql("UPDATE deliveries SET next_run_at = now() - interval '1 min'")
    await api.runtime.queue.flushdb()
    (_, absent) = await told(api, "lost")
    assert (absent.kind, absent.at is not None) == ("absent", True)
    (_, absent) = await told(api, f"publish:{delivery}:1")
    assert absent.text == "The queue does not have it yet. The next sweep sends it."


@pytest.mark.asyncio
async def test_it_fails_and_is_tried_again(api: Installation) -> None:
    await api.runtime.queue.enqueue(lift(weight=1).deferred(job_id="again"))
    await api.runtime.queue.set("arq:retry:again", 1)
    later = (datetime.now(UTC) + timedelta(minutes=5)).timestamp() * 1000
    await api.runtime.queue.zadd("almanac:publishing", {"again": later})
    assert (await kinds(api, "again"))[-1] == "retry"


@pytest.mark.asyncio
async def test_this_release_does_not_know_it(api: Installation) -> None:
    await api.runtime.queue.enqueue(JobCall("tests.gone", "publishing", job_id="gone"))
    assert "unknown" in await kinds(api, "gone")


@pytest.mark.asyncio
async def test_what_has_ended_waits_for_nothing(api: Installation) -> None:
    await durable(api, "done")
    await Gym().train(api)
    assert await told(api, "done") == []


@pytest.mark.asyncio
async def test_redis_does_not_answer(api: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    await durable(api, "waits")
    found = await lookup.find(api.runtime, ADMIN, "waits")
    assert found is not None

    async def away(*_: Any, **__: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(waiting, "inspect", away)
    assert [r.kind for r in await waiting.why(api.runtime, ADMIN, found)] == ["redis"]


LATER = NOON + timedelta(minutes=5)
READY = Facts("a.b", "q", NOON, workers=1, able=1, places=10)


@pytest.mark.parametrize(
    ("facts", "kind", "text"),
    [
        (READY, "soon", "Nothing holds it: a worker takes it within a moment."),
        (replace(READY, holder=Holder("host:1")), "held", "host:1 runs it."),
        (
            replace(READY, holder=Holder("host:1", LATER, NOON)),
            "lost",
            "host:1 runs it, but does not answer any more. Another worker takes it over",
        ),
        (replace(READY, workers=3, quiet=3, able=0), "quiet",
         "Each of the 3 workers of 'q' is quiet: it starts nothing new."),
        (replace(READY, workers=3, able=0), "unable", "No worker of 'q' can run 'a.b'."),
        (replace(READY, busy=10), "busy", "All 10 places are taken by running jobs."),
        (replace(READY, due_at=LATER, tries=2, last_error="x.Y"), "retry",
         "Try 2 failed with x.Y. It is tried again"),
        (replace(READY, due_at=LATER, tries=2), "retry", "It has run 2 times and goes on"),
        (replace(READY, queued=False), "absent",
         "The queue does not have it, and nobody will send it again."),
        (replace(READY, lines=[Line(3, None, None, 2)]), "limit",
         "Of jobs like it only 3 may run at a time; 2 jobs are before it in the line."),
    ],
)  # fmt: skip
def test_reasons_in_words(facts: Facts, kind: str, text: str) -> None:
    (reason,) = reasons(facts)
    assert (reason.kind, reason.text) == (kind, text)


@given(
    st.builds(
        Facts,
        name=st.just("a.b"),
        queue=st.just("q"),
        moment=st.just(NOON),
        due_at=st.sampled_from([None, NOON, LATER]),
        tries=st.integers(0, 3),
        last_error=st.sampled_from([None, "x.Y"]),
        look_at=st.sampled_from([None, LATER]),
        holder=st.sampled_from([None, Holder(None), Holder("h:1", LATER), Holder("h:1", None)]),
        lines=st.lists(st.sampled_from([Line(1, None, 60, 0), Line(1, "x", None, 1, ["j"])])),
    )
)
def test_there_is_always_a_reason(facts: Facts) -> None:
    """A sentence, or one that its instant or its jobs complete."""
    found = reasons(facts)
    assert found
    for reason in found:
        assert reason.text[0].isupper() or reason.text.startswith("h:1 ")
        assert reason.text.endswith(".") != bool(reason.at or reason.jobs) or reason.kind == "held"


@pytest.mark.parametrize(
    ("message", "common"),
    [
        ("post 8812 is gone", "post # is gone"),
        ("429: retry after 3.5 s", "429: retry after # s"),
        ("503 Service Unavailable", "503 Service Unavailable"),
        ("101 kg is too heavy\nand more", "# kg is too heavy"),
        ("https://x/api/v1/y did not answer", "https://x/api/v1/y did not answer"),
        ("no 0191b7a2-0000-7000-8000-000000000001 here", "no … here"),
        ("<object at 0x7f1234>", "<object at …>"),
        ("digest deadbeef0123 is wrong", "digest … is wrong"),
        ("", ""),
        ("x" * 1000, "x" * LONGEST),
    ],
)
def test_like_errors_have_a_pattern_in_common(message: str, common: str) -> None:
    assert pattern(message) == common


@given(st.text(max_size=1000))
def test_a_pattern_is_one_short_line_and_its_own_pattern(message: str) -> None:
    found = pattern(message)
    assert len(found) <= LONGEST
    assert len(found.splitlines()) <= 1
    assert pattern(found) == found
