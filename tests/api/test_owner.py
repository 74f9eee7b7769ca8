"""What an operator does to a job of a delivery is done to the delivery."""

import pytest

from service.access.caller import Caller, Scope
from service.kit.ids import uuid7
from service.operator import OPERATOR
from service.queue import (
    DeadFilter,
    Purged,
    Replayed,
    cancel,
    dead_jobs,
    inspect,
    purge,
    replay,
)
from tests.queue.examples import secret
from tests.queue.raw import raw
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio

QUEUE = "almanac:publishing"


async def delivery(api: Installation) -> tuple[str, int]:
    (row,) = await api.sql("SELECT state, version FROM deliveries")
    return row.state, row.version


async def die(api: Installation, job_id: str) -> None:
    """Leave the waiting job as the engine leaves one that is dead."""
    queue = api.runtime.queue
    payload = await queue.get(f"arq:job:{job_id}")
    await queue.delete(QUEUE, f"arq:job:{job_id}")
    await queue.zadd(f"{QUEUE}:dead", {job_id: 1})
    await raw(queue, "HSET", f"{QUEUE}:dead:jobs", job_id, payload)


async def test_a_purge_leaves_deliveries_unless_told_to_cancel_them(api: Installation) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(300))
    queue = api.runtime.queue
    assert await purge(queue, QUEUE) == Purged(removed=0, kept_owned=1, running_left=0)
    assert await delivery(api) == ("scheduled", 1)
    owners = api.runtime.owners(OPERATOR)
    purged = await purge(queue, QUEUE, cancel_owners=True, resolve=owners)
    assert purged == Purged(removed=1, kept_owned=0, running_left=0)
    assert await delivery(api) == ("cancelled", 2)
    assert (await api.read_post(post["id"]))["state"] == "cancelled"
    assert await api.queued() == []


async def test_cancelling_the_job_cancels_the_delivery(api: Installation) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(300))
    job_id = post["deliveries"][0]["job_id"]
    owners = api.runtime.owners
    stranger = Caller(uuid7(), "stranger", frozenset({Scope.JOBS_OPERATE}))
    assert await cancel(api.runtime.queue, job_id, resolve=owners(stranger)) is False
    assert await delivery(api) == ("scheduled", 1)
    assert await cancel(api.runtime.queue, job_id, resolve=owners(OPERATOR)) is True
    assert await delivery(api) == ("cancelled", 2)


@pytest.mark.parametrize("state", ["scheduled", "retrying", "failed", "held"])
async def test_a_replay_publishes_by_the_job_of_the_next_version(
    api: Installation, state: str
) -> None:
    """V049: a dead job of a delivery can be requeued, through its row."""
    post = await api.schedule([await api.connect()], publish_at=in_seconds(300))
    job_id = post["deliveries"][0]["job_id"]
    await die(api, job_id)
    await api.sql("UPDATE deliveries SET state = :state, attempts = 3", state=state)
    queue = api.runtime.queue
    replayed = await replay(queue, QUEUE, DeadFilter(), resolve=api.runtime.owners(OPERATOR))
    assert replayed == Replayed(replayed=1, left=0)
    assert await api.queued() == [job_id.removesuffix(":1") + ":2"]
    assert await dead_jobs(queue, QUEUE) == []
    assert (await delivery(api))[1] == 2
    await api.work()
    assert await delivery(api) == ("published", 2)


@pytest.mark.parametrize(
    ("state", "version", "stamped"),
    [
        ("published", 1, True),
        ("cancelled", 1, False),
        ("unconfirmed", 1, True),
        ("publishing", 1, True),
        ("retrying", 1, True),
        ("failed", 2, False),
    ],
)
async def test_a_replay_leaves_what_may_be_out(
    api: Installation, state: str, version: int, stamped: bool
) -> None:
    post = await api.schedule([await api.connect()], publish_at=in_seconds(300))
    await die(api, post["deliveries"][0]["job_id"])
    await api.sql(
        "UPDATE deliveries SET state = :state, version = :version,"
        " commit_started_at = CASE WHEN :stamped THEN now() END",
        state=state,
        version=version,
        stamped=stamped,
    )
    queue = api.runtime.queue
    replayed = await replay(queue, QUEUE, DeadFilter(), resolve=api.runtime.owners(OPERATOR))
    assert replayed == Replayed(replayed=0, left=1)
    assert await delivery(api) == (state, version)
    assert await api.queued() == []
    assert len(await dead_jobs(queue, QUEUE)) == 1


async def test_a_running_installation_can_encrypt(api: Installation) -> None:
    """V084: opening the runtime gives the process its key."""
    await api.runtime.queue.enqueue(secret(token="hunter2").deferred(job_id="one"))
    assert b"hunter2" not in await api.runtime.queue.get("arq:job:one")
    view = await inspect(api.runtime.queue, "one", unmask=True)
    assert view is not None
    assert view.kwargs == {"token": "hunter2"}
