"""Whose jobs one sees: somebody else's do not exist."""

from typing import Any

import pytest

from service.queue import JobCall
from tests.api.lifting import Gym, audited, durable, lift
from tests.support import Installation

pytestmark = pytest.mark.asyncio
MINE = {"ann": ["hers", "nobody's", "timed"], "bob": ["his", "nobody's", "timed"]}
ALL = ["hers", "his", "nobody's", "timed"]
ACTORS = {"hers": "ann", "his": "bob", "nobody's": "", "timed": "schedule:nightly"}


async def keys(api: Installation) -> dict[str, str]:
    """Return the key of an operator each, none of them an admin."""
    return {
        user: await api.new_key("jobs:read", "jobs:operate", user=user) for user in ("ann", "bob")
    }


async def send(api: Installation, kind: str, weight: int) -> None:
    """Send a job of each actor, durable or not."""
    for job_id, actor in ACTORS.items():
        headers = {"actor": actor} if actor else {}
        if kind == "durable":
            await durable(api, job_id, weight, **headers)
        else:
            call = lift(weight=weight)
            await api.runtime.queue.enqueue(
                JobCall(call.name, call.queue, kwargs=call.kwargs, job_id=job_id, headers=headers)
            )


async def ids(api: Installation, path: str, key: str | None = None) -> list[str]:
    reply = await api.get(path, key=key)
    assert reply.status_code == 200, reply.text
    return sorted({item["id"] for item in reply.json()["items"]})


@pytest.mark.parametrize("kind", ["durable", "plain"])
async def test_jobs_that_wait(api: Installation, kind: str) -> None:
    """V081: A can neither read, list nor cancel B's; nothing happens to it."""
    await send(api, kind, 1)
    for user, key in (await keys(api)).items():
        assert await ids(api, "/v1/jobs?state=queued", key) == MINE[user]
        for job_id in ALL:
            wanted = 200 if job_id in MINE[user] else 404
            assert (await api.get(f"/v1/jobs/{job_id}", key=key)).status_code == wanted
            assert (await api.get(f"/v1/jobs/{job_id}/status", key=key)).status_code == wanted
    assert await ids(api, "/v1/jobs?state=queued") == ALL
    ann = (await keys(api))["ann"]
    assert (await api.post("/v1/jobs/his/cancel", None, key=ann)).status_code == 404
    reply = await api.post("/v1/jobs/cancel", {"name": "tests.lift"}, key=ann)
    assert reply.json() == {"cancelled": 3, "left": 0, "more": False}
    gym = Gym()
    await gym.train(api)
    assert gym.runs == [1], "his alone"
    assert ("ann", "jobs.cancel", "his") in await audited(api), "the attempt is on record"


@pytest.mark.parametrize("forgotten", [False, True])
@pytest.mark.parametrize("kind", ["durable", "plain"])
async def test_jobs_that_ended(api: Installation, kind: str, forgotten: bool) -> None:
    """V081: the same by their history, whether Redis knows them still or not."""
    await send(api, kind, 1)
    await Gym().train(api)
    if forgotten:
        await api.runtime.queue.flushdb()
        await api.sql("DELETE FROM durable_jobs")
    for user, key in (await keys(api)).items():
        assert await ids(api, "/v1/jobs", key) == MINE[user]
        assert await ids(api, "/v1/jobs?actor=bob", key) == (["his"] if user == "bob" else [])
        for job_id in ALL:
            reply = await api.get(f"/v1/jobs/{job_id}", key=key)
            assert reply.status_code == (200 if job_id in MINE[user] else 404)
    assert await ids(api, "/v1/jobs") == ALL


@pytest.mark.parametrize("verb", ["replay", "discard", "retry"])
@pytest.mark.parametrize("kind", ["durable", "plain"])
async def test_dead_jobs(api: Installation, kind: str, verb: str) -> None:
    """V081, V049: A replays and discards all but B's."""
    await send(api, kind, 101)
    gym = Gym()
    await gym.train(api)
    gym.runs.clear()
    found = await keys(api)
    for user, key in found.items():
        assert await ids(api, "/v1/dead", key) == MINE[user]
    if verb == "retry":
        assert (await api.post("/v1/jobs/his/retry", None, key=found["ann"])).status_code == 404
        for job_id in MINE["ann"]:
            reply = await api.post(f"/v1/jobs/{job_id}/retry", None, key=found["ann"])
            assert (reply.status_code, reply.json()) == (202, {"id": job_id, "retrying": True})
    else:
        body: dict[str, Any] = {"ids": ALL}
        reply = await api.post(f"/v1/dead/{verb}", body, key=found["ann"])
        assert reply.json()["replayed" if verb == "replay" else "discarded"] == 3
    assert await ids(api, "/v1/dead") == ["his"]
    await gym.train(api)
    assert len(gym.runs) == (0 if verb == "discard" else 3 * 2)


async def test_a_purge_cancels_no_row_of_another(api: Installation) -> None:
    """V081: a whole queue is purged, with the rows behind it, except somebody else's."""
    await send(api, "durable", 1)
    ann = (await keys(api))["ann"]
    body = {"confirm": "publishing", "cancel_owners": True}
    reply = await api.post("/v1/queues/publishing/purge", body, key=ann)
    assert reply.status_code == 200, reply.text
    states = {row.id: row.state for row in await api.sql("SELECT id, state FROM durable_jobs")}
    assert states == dict.fromkeys(MINE["ann"], "cancelled") | {"his": "queued"}
    assert await api.queued() == ["his"]


async def test_jobs_of_a_row_are_its_owners(api: Installation) -> None:
    """A delivery's job, sent by the sweep or not, is listed to the post's owner at most."""
    key = await api.new_key("posts:write", "settings:write", "jobs:read", user="ann")
    account = await api.connect(key=key)
    reply = await api.post("/v1/posts", {"text": "Hi", "accounts": [account]}, key=key)
    job_id = reply.json()["deliveries"][0]["job_id"]
    stranger = await api.new_key("jobs:read", user="bob")
    assert await ids(api, "/v1/jobs?state=queued", stranger) == []
    assert (await api.get(f"/v1/jobs/{job_id}", key=stranger)).status_code == 404
    assert await ids(api, "/v1/jobs?state=queued", key) == [job_id]
    assert await ids(api, "/v1/jobs?state=queued") == [job_id]
