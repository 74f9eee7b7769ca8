"""Passes over whole tables: stopped or killed at any step, they go on where they were."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy.ext.asyncio import AsyncSession

from service.community import cleaning, counting, counting_queries, jobs, passing
from service.queue import RetryPolicy
from tests.community_figures.helpers import DAY, NOON, Community, nobody_asks
from workers import community as community_worker
from workers.engine import run

pytestmark = pytest.mark.asyncio


class Killed(Exception):
    """The process was."""


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let six rows be looked at together, and three be changed."""
    monkeypatch.setattr(counting, "LOOK", 6)
    monkeypatch.setattr(counting, "CHANGE", 3)
    monkeypatch.setattr(cleaning, "LOOK", 6)
    monkeypatch.setattr(cleaning, "CHANGE", {"archive": 3, "delete": 3})


def killer(at: int) -> Callable[[float], None]:
    """Return what is told of progress and kills at the n-th batch."""
    told: list[float] = []

    def tell(part: float) -> None:
        told.append(part)
        if len(told) == at:
            raise Killed

    return tell


async def the_pass(community: Community) -> Any:
    (row,) = await community.api.sql("SELECT * FROM community_passes")
    return row


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("batch", [1, 2, 3, 4])
async def test_a_killed_run_goes_on_after_its_last_batch(community: Community, batch: int) -> None:
    """N008: what was done stays done, the rest is done by the next run, the counts are of both."""
    for _ in range(10):
        await community.post(None, 2 * DAY, likes_count=1)
    runtime = community.api.runtime
    with pytest.raises(Killed):
        await counting.update_scores(runtime, killer(batch))
    half = await the_pass(community)
    found = list((await community.column("feed_posts", "engagement_score")).values())
    assert found.count(Decimal("2.4")) == half.changed == min(3 * batch, 10)
    written = await community.column("feed_posts", "xmin::text")
    counted = await counting.update_scores(runtime, nobody_asks)
    assert (counted.seen, counted.changed) == (10, 10)
    whole = await the_pass(community)
    if half.finished_at is None:
        assert whole.started_at == half.started_at
    again = await community.column("feed_posts", "xmin::text")
    assert sum(again[row] == written[row] for row in written) == half.changed, "written once"


@pytest.mark.usefixtures("small_batches")
async def test_killed_inside_a_batch_nothing_of_it_stays(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N006: rows and the place of the pass are one transaction."""
    for _ in range(8):
        await community.post(None, 400 * DAY)
    delete = cleaning.ACTS["delete"]
    calls = 0

    async def dying(*arguments: Any) -> int:
        nonlocal calls
        calls += 1
        gone = await delete(*arguments)
        if calls == 2:
            raise Killed
        return gone

    async def clean() -> dict[str, int]:
        return await cleaning.clean_posts(
            community.api.runtime, nobody_asks, dry_run=False, mode="delete"
        )

    monkeypatch.setitem(cleaning.ACTS, "delete", dying)
    with pytest.raises(Killed):
        await clean()
    assert await community.api.count("feed_posts") == 5
    assert (await the_pass(community)).changed == 3
    assert await clean() == {"found": 8, "archived": 0, "deleted": 8}
    assert await community.api.count("feed_posts") == 0
    noted = await community.api.sql("SELECT detail FROM audit_log ORDER BY id")
    assert [row.detail["posts"] for row in noted] == [3, 3, 2]


@pytest.mark.usefixtures("small_batches")
async def test_progress_only_rises_to_its_end(community: Community) -> None:
    """N008: progress is shown, from the first batch to 1."""
    for _ in range(7):
        await community.post(None, likes_count=1)
    told: list[float] = []
    await counting.update_scores(community.api.runtime, told.append)
    assert told == [3 / 7, 6 / 7, 1, 1]


@pytest.mark.usefixtures("small_batches")
async def test_what_was_left_too_long_ago_begins_anew(community: Community) -> None:
    """N008: of a run that died the day before nothing is taken up again."""
    for _ in range(7):
        await community.post(None, DAY, likes_count=1)
    runtime = community.api.runtime
    with pytest.raises(Killed):
        await counting.update_scores(runtime, killer(2))
    with time_machine.travel(NOON + DAY + timedelta(hours=1), tick=True):
        assert passing.UNFINISHED_FOR < DAY
        counted = await counting.update_scores(runtime, nobody_asks)
    assert (counted.seen, counted.changed) == (7, 7)
    assert set((await community.column("feed_posts", "engagement_score")).values()) == {
        Decimal("2.4")
    }


@pytest.mark.usefixtures("small_batches")
async def test_two_runs_at_once_share_the_work(community: Community) -> None:
    """N008: each row is written once, and both come to the same figures."""
    for _ in range(20):
        await community.post(None, DAY, likes_count=1)
    runtime = community.api.runtime
    both = await asyncio.gather(*(counting.update_scores(runtime, nobody_asks) for _ in range(2)))
    assert {each.seen for each in both} == {20}
    assert set((await community.column("feed_posts", "engagement_score")).values()) == {
        Decimal("2.7")
    }


@pytest.mark.usefixtures("small_batches")
async def test_stopped_at_its_soft_limit_a_job_goes_on(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N002: the worker stops it; the next try begins where the first one was."""
    for number in range(9):
        await community.member(f"Member {number}", followers_count=5)
    api, right, turns = community.api, counting_queries.right_members, 0

    async def slow_once(session: AsyncSession, ids: Sequence[UUID]) -> int:
        nonlocal turns
        turns += 1
        if turns == 2:
            await asyncio.Event().wait()
        return await right(session, ids)

    monkeypatch.setattr(counting_queries, "right_members", slow_once)
    soon = replace(
        jobs.update_statistics, soft_timeout=0.5, retry=RetryPolicy(tries=2, delay=0, jitter=0)
    )
    async with api.runtime.unit_of_work() as uow:
        (job_id,) = uow.enqueue(jobs.update_statistics())
    await api.work("analytics", functions=[run(soon, community_worker.update_statistics)])
    job = (await api.get(f"/v1/jobs/{job_id}")).json()
    assert (job["state"], job["result"]) == ("succeeded", {"members": 9, "changed": 9})
    assert turns == 4, "three batches, one of them twice"
    assert set((await community.column("members", "followers_count")).values()) == {0}
