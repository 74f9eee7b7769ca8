"""Schedules over HTTP and on the command line: made, changed, paused, run, refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from service.cli import app
from service.commands.terminal import out
from service.errors import AlmanacError, NotFound
from service.schedules import ticking
from tests.e2e.processes import environment_of
from tests.support import Installation, problems
from workers import periodic

pytestmark = pytest.mark.asyncio
BODY = {"name": "at night", "job": "posts.sweep", "cron": "*/15 0-5 * * *"}


@pytest_asyncio.fixture(autouse=True)
async def code_rules(api: Installation) -> AsyncIterator[None]:
    """The rules of the code are there, as in every installation whose workers ran once."""
    await periodic.mirror(api.runtime, api.runtime.settings.model_copy(update={"periodic": "all"}))
    yield


async def made(api: Installation, **values: Any) -> Any:
    """Make a schedule and return it."""
    key = values.pop("key", None)
    reply = await api.post("/v1/schedules", BODY | values, key=key)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def static_id(api: Installation, name: str = "monitoring.clean") -> str:
    (row,) = await api.sql("SELECT id FROM schedules WHERE name = :name", name=name)
    return str(row.id)


async def test_making_one(api: Installation) -> None:
    """V079: one request, and it is listed with its line, its zone and its next run."""
    shown = await made(api, zone="Europe/Paris", misfire="once")
    assert (shown["cron"], shown["zone"], shown["queue"]) == (
        "*/15 0-5 * * *", "Europe/Paris", "publishing",
    )  # fmt: skip
    assert (shown["static"], shown["paused"], shown["version"]) == (False, False, 1)
    assert datetime.fromisoformat(shown["next_tick_at"]) > datetime.now(UTC)
    assert (await api.get(f"/v1/schedules/{shown['id']}")).json() == {**shown, "runs": []}


async def test_the_list_shows_every_periodic_job(api: Installation) -> None:
    """G008, N049: line, zone, last and next run of each; how long ago anybody ticked."""
    mine = await made(api)
    listed = (await api.get("/v1/schedules")).json()
    assert {item["name"] for item in listed["items"]} == {
        "at night", *(rule.name for rule in periodic.RULES)
    }  # fmt: skip
    assert listed["items"][0] == mine
    assert (listed["ticker_age"], listed["timezone"]) == (None, "UTC")
    await ticking.look(api.runtime, "tests", periodic.NAMES)
    assert 0 <= (await api.get("/v1/schedules")).json()["ticker_age"] < 30
    pages = (await api.get("/v1/schedules?limit=1")).json()
    assert pages["items"] == [mine]
    rest = (await api.get(f"/v1/schedules?cursor={pages['next_cursor']}")).json()
    assert len(rest["items"]) == len(periodic.RULES)


async def test_a_repeat_makes_no_second_one(api: Installation) -> None:
    headers = {"Idempotency-Key": "once"}
    replies = [await api.post("/v1/schedules", BODY, headers=headers) for _ in range(2)]
    assert replies[0].json() == replies[1].json()
    assert await api.count("schedules WHERE owner_id IS NOT NULL") == 1


async def test_bad_input_is_refused_with_all_reasons(api: Installation) -> None:
    """Every problem at once, by field; no row, no job."""
    await made(api)
    body = {"name": "at night", "job": "posts.sweep", "cron": "61 * * * *", "zone": "Nowhere",
            "arguments": {"speed": 3}}  # fmt: skip
    reply = await api.post("/v1/schedules", body)
    assert reply.status_code == 422
    assert problems(reply) == {
        "name": "is that of another of your schedules",
        "cron": "cron line '61 * * * *': minute is not understood, or there is no such date",
        "zone": "zone 'Nowhere' is unknown: give an IANA name, as Asia/Riyadh",
        "arguments.speed": "is unknown; posts.sweep takes: nothing",
    }
    assert await api.count("schedules WHERE owner_id IS NOT NULL") == 1
    assert await api.count("durable_jobs") == 0


@pytest.mark.parametrize(
    ("values", "field", "why"),
    [
        ({"cron": "0 0 30 2 *"}, "cron", "there is no such date"),
        ({"cron": "* * *"}, "cron", "is not five fields"),
        ({"job": "posts.sweeep"}, "job", "is unknown; known: "),
        ({"job": "posts.publish"}, "job", "arguments"),
        ({"job": "posts.publish", "arguments": {"delivery_id": str(uuid4()), "version": 1}},
         "job", "cannot be scheduled: it belongs to rows of its own"),
        ({"job": "posts.publish_batch", "arguments": {"batch_id": "seven"}},
         "arguments.batch_id", "Invalid UUID"),
        ({"misfire": "maybe"}, "misfire", "'skip', 'once' or 'all'"),
        ({"overlap": "queue"}, "overlap", "'skip' or 'allow'"),
        ({"grace": 0}, "grace", "greater than 0"),
        ({"grace": 1e9}, "grace", "less than or equal to 604800"),
        ({"jitter": -1}, "jitter", "greater than or equal to 0"),
        ({"name": ""}, "name", "at least 1 character"),
        ({"colour": "red"}, "colour", "is unknown here"),
    ],
)  # fmt: skip
async def test_what_is_refused(
    api: Installation, values: dict[str, Any], field: str, why: str
) -> None:
    reply = await api.post("/v1/schedules", BODY | values)
    assert reply.status_code == 422, reply.text
    assert why in problems(reply).get(field, str(problems(reply)))
    assert await api.count("schedules WHERE owner_id IS NOT NULL") == 0


async def test_changing_one(api: Installation) -> None:
    """Only what is given changes; the next run is computed anew."""
    shown = await made(api)
    path = f"/v1/schedules/{shown['id']}"
    changed = (await api.request("PATCH", path, json={"cron": "0 12 * * *", "zone": "UTC"})).json()
    assert changed["next_tick_at"][11:16] == "12:00"
    assert (changed["name"], changed["version"]) == ("at night", 2)
    refused = await api.request("PATCH", path, json={"cron": "0 12 * *", "name": "other"})
    assert refused.status_code == 422
    assert (await api.get(path)).json() == {**changed, "runs": []}
    renamed = await api.request("PATCH", path, json={"name": "at night"})
    assert renamed.status_code == 200, "its own name is free"


async def test_pausing_and_resuming(api: Installation) -> None:
    """Rules of the code too; nothing that passed meanwhile is made up for."""
    path = f"/v1/schedules/{await static_id(api)}"
    assert (await api.post(f"{path}/pause", {})).json()["paused"] is True
    await api.sql("UPDATE schedules SET next_tick_at = now() - interval '3 hours', misfire = 'all'")
    resumed = (await api.post(f"{path}/resume", {})).json()
    assert resumed["paused"] is False
    assert datetime.fromisoformat(resumed["next_tick_at"]) > datetime.now(UTC)


async def test_running_one_now(api: Installation) -> None:
    """N021: whatever the time, also when paused; not beside its own last run."""
    path = f"/v1/schedules/{await static_id(api)}"
    await api.post(f"{path}/pause", {})
    reply = await api.post(f"{path}/run", {})
    assert reply.status_code == 202, reply.text
    job_id = reply.json()["job_id"]
    again = await api.post(f"{path}/run", {})
    assert (again.status_code, job_id in again.json()["detail"]) == (409, True)
    await api.work("maintenance")
    assert (await api.get(f"/v1/jobs/{job_id}")).json()["state"] == "succeeded"
    shown = (await api.get(path)).json()
    assert shown["run_count"] == 1
    (run,) = shown["runs"]
    assert (run["state"], run["job_id"], run["reason"]) == ("fired", job_id, "by hand")
    assert (await api.post(f"{path}/run", {})).status_code == 202


async def test_deleting_one(api: Installation) -> None:
    shown = await made(api)
    path = f"/v1/schedules/{shown['id']}"
    await api.post(f"{path}/run", {})
    assert (await api.request("DELETE", path)).status_code == 204
    assert (await api.get(path)).status_code == 404
    assert await api.count("schedule_runs") == 0
    assert await api.count("durable_jobs") == 1, "what was sent stays"


async def test_the_code_alone_changes_its_rules(api: Installation) -> None:
    path = f"/v1/schedules/{await static_id(api)}"
    for method in ("DELETE", "PATCH"):
        reply = await api.request(method, path, json={"cron": "* * * * *"})
        assert reply.status_code == 409
        assert "is part of the code" in reply.json()["detail"]
    assert (await api.get(path)).json()["cron"] == "0 2 * * *"


async def test_what_is_somebody_elses(api: Installation) -> None:
    """Others' schedules answer 404 without admin; the code's are everybody's to see."""
    mine = await made(api, key=await api.new_key("jobs:operate", "jobs:read", user="me"))
    other = await api.new_key("jobs:operate", "jobs:read", user="other")
    path = f"/v1/schedules/{mine['id']}"
    for method, sub in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/pause"),
                        ("POST", "/resume"), ("POST", "/run")):  # fmt: skip
        reply = await api.request(method, path + sub, key=other, json={})
        assert reply.status_code == 404, (method, sub)
    listed = (await api.get("/v1/schedules", key=other)).json()["items"]
    assert all(item["static"] for item in listed)
    assert len(listed) == len(periodic.RULES)
    assert (await api.get(path)).status_code == 200, "admin"
    await made(api, key=other)
    reader = await api.new_key("jobs:read", user="me")
    assert (await api.post("/v1/schedules", BODY, key=reader)).status_code == 403
    assert await api.count("durable_jobs") == 0


async def cli(api: Installation, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    """Run a command on the test's servers; return what it printed."""
    for name, value in environment_of(api.runtime.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(out, "width", 200)
    done = await asyncio.to_thread(CliRunner().invoke, app, ["schedules", *arguments])
    if isinstance(done.exception, AlmanacError):
        raise done.exception
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


async def test_the_command_line(api: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """G008, N049: the list names job, line, zone and runs; pause, resume and run by name."""
    assert "never, no worker runs" in await cli(api, monkeypatch, "list")
    await ticking.look(api.runtime, "tests", periodic.NAMES)
    await cli(api, monkeypatch, "pause", "posts.sweep")
    listed = json.loads(await cli(api, monkeypatch, "list", "--json"))
    assert [item["name"] for item in listed["items"]] == sorted(r.name for r in periodic.RULES)
    assert {item["name"] for item in listed["items"] if item["paused"]} == {"posts.sweep"}
    assert listed["ticker_age"] >= 0
    await cli(api, monkeypatch, "resume", "posts.sweep")
    ran = json.loads(await cli(api, monkeypatch, "run", "monitoring.clean", "--json"))
    (row,) = await api.sql("SELECT id FROM durable_jobs WHERE name = 'monitoring.clean'")
    assert row.id == ran["job_id"]
    table = await cli(api, monkeypatch, "list")
    for word in ("monitoring.clean", "0 2 * * *", "02:00 +0000", "s ago; default zone UTC"):
        assert word in table
    with pytest.raises(NotFound, match="There is no schedule 'nonsense'"):
        await cli(api, monkeypatch, "pause", "nonsense")


async def test_the_next_run_is_shown_in_the_zone_of_the_rule(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G036, K013: 02:00 in Riyadh is shown as 02:00, and is 23:00 UTC."""
    shown = await made(api, cron="0 2 * * *", zone="Asia/Riyadh")
    assert shown["next_tick_at"][11:16] == "23:00"
    table = await cli(api, monkeypatch, "list")
    assert "02:00 +0300" in table


async def test_an_old_heartbeat(api: Installation) -> None:
    """N049: a ticker that has been away for long is seen."""
    await api.sql("INSERT INTO tickers VALUES ('gone', now() - interval '1 hour')")
    age = (await api.get("/v1/schedules")).json()["ticker_age"]
    assert 3590 < age < 3900
