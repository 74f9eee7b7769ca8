"""A worker dies while it waits for a receiver's answer."""

from pathlib import Path

import pytest

from tests.chaos.waiting import until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.servers.receiver import Receiver, Reply
from tests.support import Installation
from tests.webhooks.helpers import deliveries, register, run_job, told

pytestmark = pytest.mark.asyncio


async def test_another_worker_sends_it_again_under_the_same_id(
    api: Installation, receiver: Receiver, tmp_path: Path
) -> None:
    """G082: nothing is lost by a SIGKILL, and the receiver can tell the repeat."""
    endpoint = await register(api, receiver)
    await run_job(api, told(number=1))
    receiver.replies.append(Reply(500, delay=60))
    command = [*ALMANAC, "worker", "webhooks"]
    names = environment_of(api.runtime.settings)

    async def received(count: int) -> bool:
        return len(receiver.received) == count

    with running(command, names, tmp_path) as first:
        await until(lambda: received(1), 60, lambda: first.output)
        first.process.kill()
    with running(command, names, tmp_path) as second:
        await until(lambda: received(2), 60, lambda: second.output)

        async def delivered() -> bool:
            return len(await deliveries(api, endpoint["id"], "delivered")) == 1

        await until(delivered, 30, lambda: second.output)
    assert receiver.received[0] == receiver.received[1]
    (delivery,) = await deliveries(api, endpoint["id"])
    assert [attempt["status"] for attempt in delivery["log"]] == [204]
