"""POST /v1/jobs: people ask for a job, and what of it is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.lifting import Gym, audited, shown
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio
LIFT = {"name": "tests.lift", "arguments": {"weight": 5}}


async def test_a_job_is_asked_for_and_runs(api: Installation) -> None:
    """V014, V082, T071: the reply's id tells of it until its end; who asked is known."""
    key = await api.new_key("jobs:read", "jobs:operate", user="ann")
    reply = await api.post("/v1/jobs", {**LIFT, "lane": "high"}, key=key)
    assert reply.status_code == 202, reply.text
    sent = reply.json()
    assert sent == {
        "id": sent["id"],
        "name": "tests.lift",
        "queue": "publishing",
        "state": "queued",
        "run_at": None,
    }
    assert reply.headers["Location"] == f"/v1/jobs/{sent['id']}"
    waits = await shown(api, sent["id"])
    assert (waits["state"], waits["actor"]) == ("queued", "ann")
    gym = Gym()
    await gym.train(api)
    ended = (await api.get(reply.headers["Location"], key=key)).json()
    assert (ended["state"], ended["result"]["lifted"], gym.runs) == ("succeeded", 5, [5])
    assert await audited(api) == [("ann", "jobs.enqueue", sent["id"])]


async def test_a_job_for_later(api: Installation) -> None:
    """By an instant or a delay, under an id of one's own."""
    at = datetime(2031, 5, 1, 12, tzinfo=UTC)
    reply = await api.post("/v1/jobs", {**LIFT, "id": "mine", "run_at": at.isoformat()})
    assert (reply.status_code, reply.json()["state"]) == (202, "deferred")
    assert (await shown(api, "mine"))["run_at"] == "2031-05-01T12:00:00Z"
    began = datetime.now(UTC)
    reply = await api.post("/v1/jobs", {**LIFT, "delay": 60})
    run_at = datetime.fromisoformat((await shown(api, reply.json()["id"]))["run_at"])
    assert timedelta(seconds=59) < run_at - began < timedelta(seconds=90)


async def test_a_repeat_asks_once(api: Installation) -> None:
    """The Idempotency-Key: the same reply, one job."""
    headers = {"Idempotency-Key": "once"}
    replies = [await api.post("/v1/jobs", LIFT, headers=headers) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert await api.count("durable_jobs") == 1
    assert await api.count("audit_log") == 1


@pytest.mark.parametrize("ended", [False, True])
async def test_an_id_is_used_once(api: Installation, ended: bool) -> None:
    assert (await api.post("/v1/jobs", {**LIFT, "id": "mine"})).status_code == 202
    gym = Gym()
    if ended:
        await gym.train(api)
    reply = await api.post("/v1/jobs", {**LIFT, "id": "mine"})
    assert (reply.status_code, reply.json()["detail"]) == (
        409,
        "There is a job 'mine' already; an id is used once",
    )
    await gym.train(api)
    assert gym.runs == [5]
    assert await api.count("audit_log") == 1


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"arguments": {"weight": "x"}}, {"arguments.weight": "Expected `int`, got `str`"}),
        ({"arguments": {}}, {"arguments": "tests.lift: missing a required argument: 'weight'"}),
        (
            {"arguments": {"weight": 1, "name": 2}},
            {"arguments.name": "is unknown; tests.lift takes: weight, unit"},
        ),
        ({"name": "posts.publish"}, None),
        ({"name": "tests.nothing"}, None),
        ({"name": 7}, None),
        ({"lane": "express"}, None),
        ({"delay": -1}, None),
        ({"run_at": "2031-05-01T12:00:00"}, None),
        ({"id": "publish:1:1"}, None),
        ({"id": ""}, None),
        ({"queue": "media"}, None),
    ],
)
async def test_what_cannot_run_is_refused(
    api: Installation, change: dict[str, Any], found: dict[str, str] | None
) -> None:
    """N059: before anything is queued, with the field that is wrong."""
    reply = await api.post("/v1/jobs", {**LIFT, **change})
    assert reply.status_code == 422, reply.text
    assert problems(reply) == found if found else problems(reply).keys() == change.keys()
    assert await api.queued() == []
    assert await api.count("durable_jobs") + await api.count("audit_log") == 0


async def test_two_times_are_refused(api: Installation) -> None:
    times = {"delay": 1, "run_at": "2031-05-01T12:00:00Z"}
    assert (await api.post("/v1/jobs", {**LIFT, **times})).status_code == 422
    assert await api.count("durable_jobs") == 0


async def test_it_needs_the_scope(api: Installation) -> None:
    reader = await api.new_key("jobs:read")
    assert (await api.post("/v1/jobs", LIFT, key=reader)).status_code == 403
    assert await api.count("durable_jobs") == 0
