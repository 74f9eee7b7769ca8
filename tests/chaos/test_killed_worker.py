"""A worker dies at every step of publishing; another one goes on, and nothing goes out twice.

One installation serves all cases, because a case is mostly waiting: until arq lets go of the dead
worker's jobs (41 s, the longest job's limit + 10 s), and until the claim on the row ends.
"""

import asyncio
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.networks import Networks, networks
from tests.chaos.waiting import tell, until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.support import Installation

KILLER = str(Path(__file__).with_name("killer.py"))
STEPS = ("before CLAIM", "after CLAIM", "after STAMP", "before RECORD", "after RECORD")
"""In the order of publishing; the platform is called between `after STAMP` and `before RECORD`."""
LOST = "before RECORD of a lost answer"
ALIVE = "a lost answer to a worker that lives on"
RECOVERY = timedelta(seconds=45)
ENDED = {"published", "unconfirmed", "failed", "held"}


@dataclass(frozen=True, slots=True)
class Case:
    """One post to several platforms, and when its worker was killed."""

    step: str
    post_id: str
    killed_at: datetime | None


def outcomes(step: str, platform: str) -> list[str]:
    """Return how the attempts of a delivery must end, the last one being its state."""
    if step == ALIVE:
        return ["waiting", "unconfirmed"] if platform == "webhook" else ["retrying", "published"]
    # A webhook cannot be asked and knows no repeat: once stamped, only its own answer settles it.
    if platform == "webhook" and step in {"after STAMP", "before RECORD", LOST}:
        return ["unconfirmed"]
    return ["published"]


def calls(step: str, platform: str) -> int:
    """Return how many posts the platform must have: one, or none where it was never called."""
    return 0 if (step, platform) == ("after STAMP", "webhook") else 1


async def killed(
    api: Installation, folder: Path, step: str, accounts: Mapping[str, str], text: str
) -> Case:
    """Post to these accounts by a worker that dies when all deliveries have come to the step."""
    post = await api.schedule(list(accounts.values()), text)
    command = [sys.executable, KILLER, *step.split()[:2], *post["schedule_ids"]]
    with running(command, environment_of(api.runtime.settings), folder) as worker:
        code = await asyncio.to_thread(worker.process.wait, 30)
        assert code == -signal.SIGKILL, worker.output
    return Case(text, post["id"], datetime.now(UTC))


async def kill_workers(api: Installation, net: Networks, folder: Path) -> list[Case]:
    """Kill one worker after the other, each at its step, with a post to every platform."""
    accounts = await net.connect(api)
    cases = [await killed(api, folder, step, accounts, step) for step in STEPS]
    lossy = await net.connect_lossy(api)
    net.lose_next_answers()
    cases.append(await killed(api, folder, "before RECORD", lossy, LOST))
    net.lose_next_answers()
    post = await api.schedule(list(lossy.values()), ALIVE)
    return [*cases, Case(ALIVE, post["id"], None)]


async def settled(api: Installation) -> bool:
    """Tell whether every delivery has ended and the queue is empty."""
    states = await api.sql("SELECT DISTINCT state FROM deliveries")
    return {row.state for row in states} <= ENDED and await api.queued() == []


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_a_killed_worker_neither_loses_nor_doubles_a_post(
    api: Installation, tmp_path: Path, subtests: pytest.Subtests
) -> None:
    """G001, V003, V008: one post on each platform whatever step of it a SIGKILL hits.

    Where the platform cannot tell, the delivery is unconfirmed and was sent at most once.
    """
    with networks() as net:
        cases = await kill_workers(api, net, tmp_path)
        worker = [*ALMANAC, "worker", "publishing"]
        names = environment_of(api.runtime.settings, ALMANAC_PUBLISH_RETRY_BASE="PT1S")
        with running(worker, names, tmp_path) as process:
            await until(lambda: settled(api), 90, lambda: process.output)
            texts = await net.texts(api)
        for case in cases:
            post = await api.read_post(case.post_id)
            for delivery in post["deliveries"]:
                platform = delivery["platform"]
                with subtests.test(step=case.step, platform=platform):
                    assert texts[platform].count(case.step) == calls(case.step, platform)
                    check_delivery(case, delivery, post["attempts"][delivery["id"]])
    assert {name: proxy.lost for name, proxy in net.proxies.items()} == dict.fromkeys(
        net.proxies, 2
    )
    assert await api.runtime.queue.keys("arq:*publish:*") == []


def check_delivery(case: Case, delivery: dict[str, Any], attempts: list[dict[str, Any]]) -> None:
    """Check the rows of a delivery, and how long after the kill it was settled."""
    expected = outcomes(case.step, delivery["platform"])
    assert [attempt["outcome"] for attempt in attempts] == expected
    assert [attempt["number"] for attempt in attempts] == list(range(1, len(expected) + 1))
    assert delivery["state"] == expected[-1]
    assert (delivery["published_at"] is not None) == (expected[-1] == "published")
    if case.killed_at is None:
        return
    taken = datetime.fromisoformat(attempts[-1]["finished_at"]) - case.killed_at
    tell(f"{case.step}, {delivery['platform']}: {taken.total_seconds():.1f} s after the kill")
    if case.step == "after RECORD":
        assert taken < timedelta(0)
        return
    assert timedelta(0) < taken <= RECOVERY
