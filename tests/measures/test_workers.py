"""Several workers measure, and none what another one does; runs are jobs of their queue."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from service.kit.clock import now
from service.measures import jobs, measuring
from service.measures.claim_queries import DELIVERIES
from service.platforms.contract import Content, Reference
from tests.measures.helpers import (
    HOUR,
    NONE,
    Out,
    connected,
    make_due,
    plan,
    plan_of_account,
    publish,
    published,
    run,
    told,
)
from tests.platforms.rig import Rig
from tests.servers.bluesky import BlueskyServer
from tests.support import Installation
from workers.periodic import RULES

pytestmark = pytest.mark.asyncio


@pytest.fixture
def server(bluesky: Rig) -> BlueskyServer:
    """The emulator."""
    assert isinstance(bluesky.server, BlueskyServer)
    bluesky.server.numbers = {"likeCount": 7}
    return bluesky.server


async def posts(api: Installation, rig: Rig, count: int) -> list[Out]:
    """Return so many posts of one account that are out, all to be measured."""
    first = await publish(api, rig, Content("Hello"))
    (row,) = await api.sql("SELECT remote_id, details FROM deliveries")
    post = Reference(row.remote_id, row.details)
    at = now() - 2 * HOUR
    others = [await published(api, first.account, rig.name, post, at) for _ in range(count - 1)]
    return [first, *others]


async def test_several_workers_never_ask_for_the_same(
    api: Installation, bluesky: Rig, server: BlueskyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four runs at the same time: every post once, every answer stored once."""
    monkeypatch.setattr(measuring, "BATCH", 5)
    outs = await posts(api, bluesky, 30)
    counts = Counter[str]()
    for found in await asyncio.gather(*(run(api) for _ in range(4))):
        counts.update(found)
    assert counts == {"measured": 31, "failed": 0, "ended": 0, "left": 0}
    assert len([path for _, path in server.calls if "getPosts" in path]) == 30
    assert [await told(api, out) for out in outs] == [[{"likes": 7}]] * 30


async def test_what_a_dead_worker_had_claimed_is_measured_after_its_lease(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """And what it says when it comes back to life is not written."""
    (out,) = await posts(api, bluesky, 1)
    await run(api)
    await make_due(api, "delivery")
    dead = uuid4()
    values = {"token": dead, "lease": measuring.LEASE, "most": 10}
    (claimed,) = await api.runtime.database.execute(DELIVERIES.claim, values)
    assert claimed.id == out.delivery
    assert await run(api) == NONE, "it is claimed"
    assert timedelta(minutes=4) < (await plan(api, out)).delay <= measuring.LEASE
    await make_due(api, "delivery")
    assert await run(api) == {**NONE, "measured": 1}
    stored = await told(api, out)
    late = {"token": dead, "subject": out.delivery, "delay": HOUR}
    words = {"new_failures": 1, "new_error": "Late", "new_missing": None}
    for statement, more in (
        (DELIVERIES.keep, {"new_figures": {"likes": 0}}),
        (DELIVERIES.keep_nothing, {}),
        (DELIVERIES.put_off, words),
    ):
        assert list(await api.runtime.database.execute(statement, {**late, **more})) == []
    assert await told(api, out) == stored
    assert (await plan(api, out)).error is None


async def test_a_run_that_is_out_of_time_leaves_the_rest(
    api: Installation, bluesky: Rig, server: BlueskyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has claimed is given back at once."""
    monkeypatch.setattr(measuring, "LEASE", measuring.LONGEST)
    outs = await posts(api, bluesky, 3)
    monkeypatch.setattr(measuring, "BUDGET", 0.3)
    counts = await run(api)
    assert counts["measured"] == counts["failed"] == 0
    assert counts["left"] >= 4
    monkeypatch.undo()
    assert await run(api) == {**NONE, "measured": 4}
    assert [await told(api, out) for out in outs] == [[{"likes": 7}]] * 3


async def test_a_fault_of_ours_stops_nothing_else(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """One account whose credentials cannot be read; the other is measured."""
    (out,) = await posts(api, bluesky, 1)
    broken = await connected(api, bluesky, replace(bluesky.destination(), handle="broken"))
    await api.sql("UPDATE accounts SET session = '' WHERE id = :id", id=broken)
    assert await run(api) == {**NONE, "measured": 2, "failed": 1}
    assert await told(api, out) == [{"likes": 7}]
    row = await plan_of_account(api, broken)
    assert "CannotDecrypt" in row.error
    assert row.claim is None


async def test_runs_are_jobs_of_their_queue(
    api: Installation, bluesky: Rig, server: BlueskyServer
) -> None:
    """Every ten minutes, made up for after an outage; old figures go every night."""
    rules = {rule.job: rule for rule in RULES if rule.job.startswith("analytics.")}
    assert str(rules["analytics.measure"].cron) == "*/10 * * * *"
    assert {rule.misfire for rule in rules.values()} == {"once"}
    (out,) = await posts(api, bluesky, 1)
    await api.runtime.queue.enqueue(jobs.measure())
    worker = await api.work("analytics")
    assert (worker.jobs_complete, worker.jobs_failed) == (1, 0)
    assert await told(api, out) == [{"likes": 7}]
    await api.runtime.queue.enqueue(jobs.clean())
    assert (await api.work("analytics")).jobs_complete == 1
    assert await told(api, out) == [{"likes": 7}]


async def test_old_figures_are_deleted_in_batches(
    api: Installation, bluesky: Rig, server: BlueskyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """400 days and no longer, however many there are."""
    monkeypatch.setattr(measuring, "FORGOTTEN_AT_ONCE", 10)
    (out,) = await posts(api, bluesky, 1)
    await run(api)
    for kind, subject in (("delivery", out.delivery), ("account", out.account)):
        await api.sql(
            f"INSERT INTO {kind}_measures SELECT :id, now() - make_interval(days => age), "
            "'{\"likes\": 1}' FROM generate_series(390, 425) AS age",
            id=subject,
        )
    assert await measuring.forget(api.runtime) == 2 * 26
    assert await measuring.forget(api.runtime) == 0
    (row,) = await api.sql("SELECT max(now() - at) AS age, count(*) FROM delivery_measures")
    assert (row.age.days, row.count) == (399, 11)
