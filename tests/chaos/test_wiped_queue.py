"""Redis loses everything while posts wait and while some are being published."""

from pathlib import Path

import pytest

from tests.chaos.waiting import all_published, nothing_queued, tell, until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation, in_seconds

POSTS = 100
UNDER_WAY = 5
LATEST = 60
"""Seconds: the sweep runs every minute, and at once where somebody sees that Redis is empty."""
SPREAD = 20
"""Seconds over which the posts are due."""


@pytest.mark.asyncio
@pytest.mark.timeout(240)
async def test_a_wiped_queue_loses_no_post_and_doubles_none(
    api: Installation, tmp_path: Path
) -> None:
    """G017: FLUSHALL with 100 posts due within a minute; each arrives exactly once.

    Five are with their platform at that moment; they go to a webhook, which would show a double.
    """
    names = environment_of(api.runtime.settings)
    with (
        WebhookServer() as receiver,
        running([*ALMANAC, "worker", "publishing"], names, tmp_path) as worker,
        running([*ALMANAC, "worker", "maintenance"], names, tmp_path) as maintenance,
    ):
        for process in (worker, maintenance):
            process.wait_for("worker ready")
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook"})
        receiver.fail(Fault("/hook", delay=2, times=UNDER_WAY))
        for number in range(UNDER_WAY):
            await api.schedule([account], f"post {number}")
        for number in range(UNDER_WAY, POSTS):
            due = in_seconds(3 + SPREAD * number / POSTS)
            await api.schedule([account], f"post {number}", publish_at=due)
        await until(lambda: has_stamped(api, UNDER_WAY), 10)
        assert receiver.posts == []
        await api.runtime.queue.flushall()
        assert await api.queued() == []

        await until(lambda: all_published(api), SPREAD + LATEST + 15, lambda: worker.output)

        assert sorted(post["text"] for post in receiver.posts) == sorted(
            f"post {number}" for number in range(POSTS)
        )
        lateness = "SELECT max(published_at - due_at) AS most FROM deliveries"
        (row,) = await api.sql(lateness)
        tell(f"published at most {row.most.total_seconds():.1f} s late")
        assert row.most.total_seconds() <= LATEST
        assert await api.count("attempts") == POSTS
        await until(lambda: nothing_queued(api), 10)


async def has_stamped(api: Installation, number: int) -> bool:
    """Tell whether so many deliveries are with their platform."""
    found = await api.sql("SELECT 1 FROM deliveries WHERE commit_started_at IS NOT NULL")
    return len(found) == number
