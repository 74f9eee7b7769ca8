"""Health: what probes are told, what the health job keeps, and workers that only seem well."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import typer
from arq.worker import get_kwargs

from service.commands.check import check_workers
from service.kit.crontab import Crontab
from service.monitoring import health
from service.queue import connect, pause, resume
from service.queue.consuming import unserved
from service.schedules import ticking
from tests.monitoring import helpers
from tests.monitoring.helpers import measured, serving, until
from tests.support import Installation
from workers import periodic, publishing
from workers.engine import Worker
from workers.engine.health import check_health
from workers.engine.identity import process_name

pytestmark = pytest.mark.asyncio
KEY = "almanac:publishing"


async def test_probes(api: Installation) -> None:
    """G077, T041: readyz tells of Redis, maintenance and scheduler, which do not decide."""
    assert (await api.http.get("/livez")).json() == {"status": "ok"}
    ready = await api.http.get("/readyz")
    assert ready.status_code == 200
    body = ready.json()
    assert (body["status"], body["database"], body["queue"]) == ("ok", "ok", "ok")
    assert (body["maintenance"], body["scheduler"]) == (False, None)
    info = await api.runtime.queue.info()
    assert body["redis"]["version"] == info["valkey_version"]
    assert body["redis"]["memory_mib"] > 0
    await ticking.look(api.runtime, "test", [])
    async with serving(api, "maintenance", functions=helpers.FUNCTIONS):

        async def told() -> bool:
            return bool((await api.http.get("/readyz")).json()["maintenance"])

        await until(told)
        assert (await api.http.get("/readyz")).json()["scheduler"] < 60


async def test_health_for_people(api: Installation) -> None:
    """V026: the real state of database, Redis, storage, workers and maintenance."""
    checks = await _checks(api)
    assert {name: check["ok"] for name, check in checks.items()} == {
        "database": True,
        "redis": True,
        "storage": True,
        "workers": False,
        "maintenance": False,
    }
    assert "no worker of publishing is alive" in checks["workers"]["detail"]
    assert "is writable" in checks["storage"]["detail"]
    await ticking.look(api.runtime, "test", [])
    for queue in ("publishing", "webhooks", "maintenance"):
        await pause(api.runtime.queue, f"almanac:{queue}")
    healed = await _checks(api)
    assert healed["maintenance"]["ok"]
    assert "publishing" not in healed["workers"]["detail"], "it is paused"
    assert (await api.http.get("/v1/health")).status_code == 401
    key = await api.new_key("posts:read")
    assert (await api.get("/v1/health", key=key)).status_code == 403


async def _checks(api: Installation) -> dict[str, Any]:
    reply = await api.get("/v1/health")
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["ok"] == all(check["ok"] for check in body["checks"])
    return {check["name"]: check for check in body["checks"]}


async def test_the_health_job(api: Installation) -> None:
    """V050, V078: true time, worker and checks, kept in the history."""
    before = datetime.now(UTC)
    await api.runtime.queue.enqueue_job(
        "monitoring.health", _queue_name="almanac:maintenance", _job_id="health"
    )
    await api.work("maintenance")
    await api.record()
    ((result, state),) = await api.sql("SELECT result, state FROM job_runs WHERE job_id = 'health'")
    assert state == "succeeded"
    assert before <= datetime.fromisoformat(result["at"]) <= datetime.now(UTC)
    assert result["worker"] == process_name()
    assert [check["name"] for check in result["checks"]] == [
        *("database", "redis", "storage", "workers", "maintenance"),
    ]
    assert result["ok"] is False, "no worker of publishing is alive"


async def test_the_health_job_runs_twelve_times_an_hour() -> None:
    """V078."""
    (rule,) = [rule for rule in periodic.RULES if rule.name == "monitoring.health"]
    line = Crontab(rule.line, "UTC")
    moment = start = datetime(2031, 3, 1, 12, tzinfo=UTC)
    ticks = []
    while (moment := line.after(moment)) <= start + timedelta(hours=1):
        ticks.append(moment)
    assert len(ticks) == 12


@contextmanager
def hanging(worker: Worker) -> Iterator[asyncio.Event]:
    """Let a worker's claims hang until the event is set."""
    assert worker.turns is not None
    claim, release = worker.turns.broker.claim, asyncio.Event()

    async def hung(*arguments: Any, **options: Any) -> Any:
        await release.wait()
        return await claim(*arguments, **options)

    worker.turns.broker.claim = hung  # type: ignore[method-assign] # the fault
    yield release
    release.set()


async def _due_for_long(api: Installation) -> None:
    """Send a job that has been due for two minutes."""
    await api.runtime.queue.enqueue(measured().deferred(job_id="a"))
    seconds, _ = await api.runtime.queue.time()
    await api.runtime.queue.zadd(KEY, {"a": (seconds - 120) * 1000})


async def test_alive_is_not_enough(api: Installation) -> None:
    """V066: a worker that tells of itself and takes no jobs is no healthy one."""
    client = api.runtime.queue
    here = socket.gethostname()
    assert await unserved(client, [KEY]) == ["no worker of publishing is alive"]
    async with serving(api, job_completion_wait=0) as worker:

        async def served() -> bool:
            return await unserved(client, [KEY], here) == []

        await until(served)
        assert await unserved(client, [KEY], "elsewhere") == ["no worker of publishing is alive"]
        with hanging(worker):
            await _due_for_long(api)
            (reason,) = await unserved(client, [KEY])
            assert reason.startswith(f"{process_name()} is alive but takes no jobs of publishing")
            await pause(client, KEY)
            assert await served()
            await resume(client, KEY)
            assert not await served()
        await until(served)


async def test_the_commands_say_so(api: Installation) -> None:
    """V066: `almanac worker --check` and `arq … --check`: 0 while jobs are taken, else 1."""
    url = api.runtime.settings.redis_url
    assert url is not None
    known_settings: Any = publishing.WorkerSettings
    settings = {
        **get_kwargs(known_settings),
        "redis_pool": lambda: connect(url.get_secret_value()),
    }
    known = type("Known", (), settings)

    async def codes() -> tuple[int, int]:
        return (
            await asyncio.to_thread(check_health, known),
            await asyncio.to_thread(_code, api),
        )

    assert await codes() == (1, 1)
    async with serving(api, job_completion_wait=0) as worker:

        async def healthy() -> bool:
            return await codes() == (0, 0)

        await until(healthy)
        with hanging(worker):
            await _due_for_long(api)
            assert await codes() == (1, 1)
        await until(healthy)


def _code(api: Installation) -> int:
    try:
        check_workers(api.runtime.settings, ["publishing"])
    except typer.Exit as ended:
        return ended.exit_code
    return 0


async def test_storage_that_cannot_be_written(api: Installation) -> None:
    file = api.runtime.settings.home / "file"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("no folder")
    settings = api.runtime.settings.model_copy(update={"home": file})
    found = await health.look(replace(api.runtime, settings=settings))
    checks = {check.name: check for check in found}
    assert not checks["storage"].ok
    assert checks["storage"].detail.startswith(f"cannot write {file}")
