"""What `almanac verify` looks at, one by one; the whole of it runs in tests/test_operations.py."""

import asyncio
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.config import Settings
from service.monitoring import jobs
from service.queue import connect, declaration, job, pause
from service.runtime import Runtime
from service.verifying import checks, code, parts, queues
from service.verifying.check import Wrong, look
from tests.api.test_workers import NAME, living
from tests.servers.smtp import SmtpServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio
KEY = "almanac:maintenance"


async def test_our_modules_and_jobs_fit() -> None:
    """K059, K061: this repository passes."""
    assert (await code.imports()).endswith(" modules")
    assert " declared jobs in 9 queues, each with its coroutine" in await code.jobs()


async def test_a_broken_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """K059, T067: named, with what to do."""
    package = tmp_path / "brokenpackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "works.py").write_text("import json\n")
    (package / "fails.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(Wrong, match=r"brokenpackage\.fails: No module named .*reinstall with"):
        await code.imports(["brokenpackage"])
    assert "brokenpackage.works" not in sys.modules, "the names are in order"


@pytest.fixture
def missing_job() -> Iterator[None]:
    """A declared job whose coroutine nobody wrote, and one that no worker runs."""

    @job("tests.missing", queue="maintenance", coroutine="workers.maintenance.nowhere")
    async def missing() -> None:
        """Nobody wrote it."""

    @job("tests.unserved", queue="webhooks", coroutine="workers.answering.ping")
    async def unserved() -> None:
        """No WorkerSettings has it."""

    yield
    known = declaration._declared
    del known["tests.missing"], known["tests.unserved"]


@pytest.mark.usefixtures("missing_job")
async def test_a_missing_job() -> None:
    """K061: each is named."""
    found = await look("jobs", code.jobs)
    assert not found.ok
    assert "tests.missing: module 'workers.maintenance' has no attribute 'nowhere'" in found.detail
    unserved = "tests.unserved: WorkerSettings of workers/webhooks.py does not run it"
    assert found.detail.endswith(unserved)


async def test_a_bad_schedule(settings: Settings) -> None:
    """N049: a cron line that cannot be is named; good ones tell their next run and zone."""
    bad = settings.model_copy(update={"schedules": {"posts.sweep": "61 * * * *"}})
    found = await look("schedules", lambda: code.rules(bad))
    assert not found.ok
    assert found.detail.startswith("ALMANAC_SCHEDULES: cron line '61 * * * *'")
    good = await code.rules(settings.model_copy(update={"timezone": "Asia/Riyadh"}))
    assert "monitoring.clean 20" in good
    assert good.count("Asia/Riyadh") == len(good.split(", "))


async def test_servers_are_described(runtime: Runtime) -> None:
    """K060, K062, K074, T041: version, role, schema, memory and policy, as they are."""
    found = await parts.database(runtime)
    assert found.startswith("PostgreSQL ")
    assert "role postgres (superuser, which is not needed), schema 0" in found
    assert "policy noeviction" in await parts.redis(runtime)
    await runtime.queue.config_set("maxmemory-policy", "allkeys-lru")
    try:
        evicting = await look("Redis", lambda: parts.redis(runtime))
    finally:
        await runtime.queue.config_set("maxmemory-policy", "noeviction")
    assert not evicting.ok
    assert "maxmemory-policy is allkeys-lru: Redis may drop jobs" in evicting.detail


async def test_an_older_schema(runtime: Runtime, api: Installation) -> None:
    """N047: which one it is, and what to run."""
    await api.sql("UPDATE alembic_version SET version_num = '0003'")
    found = await look("PostgreSQL", lambda: parts.database(runtime))
    assert not found.ok
    assert "schema is at 0003, this version needs 0" in found.detail
    assert found.detail.endswith("run almanac migrate")


async def test_without_workers(runtime: Runtime, api: Installation) -> None:
    """V064, N048, T066, K069, K070: each queue with jobs and nobody there, and what to start."""
    await api.runtime.queue.enqueue_job("monitoring.clean", _queue_name=KEY)
    found = await look("workers", lambda: parts.workers(runtime))
    assert not found.ok
    served = sorted({job.queue for job in code.own_jobs()})
    assert f"nobody serves {' and '.join(served)}: start almanac" in found.detail
    lonely = await look("queue", lambda: queues.round_trip(runtime, KEY))
    assert not lonely.ok
    assert lonely.detail.startswith("1 jobs are due since 0 s, and nobody serves it: ")
    assert lonely.detail.endswith("start almanac worker maintenance")
    assert len(await api.queued("maintenance")) == 1, "nothing was sent"
    never = await look("scheduler", lambda: parts.scheduler(runtime))
    assert (never.ok, never.detail.split(":")[0]) == (False, "never looked for ticks")


async def test_an_old_scheduler(runtime: Runtime, api: Installation) -> None:
    """N049: the age of its last sign of life, and the zone."""
    await api.sql("INSERT INTO tickers VALUES ('gone', now() - interval '10 minutes')")
    found = await look("scheduler", lambda: parts.scheduler(runtime))
    assert not found.ok
    assert found.detail.startswith("looked for ticks 600 s ago: start almanac worker maintenance")
    assert found.detail.endswith("default zone UTC")


async def test_a_round_trip(runtime: Runtime, api: Installation) -> None:
    """N035, V065, V068: a job goes through the queue of a worker that lives, and leaves nothing."""
    async with living(api):
        found = await queues.round_trip(runtime, KEY)
        assert found.startswith(f"{NAME} answered in ")
        assert found.endswith(" ms; 0 others wait")
        assert (await parts.maintenance(runtime)).startswith(f"{NAME}, seen ")
        await pause(runtime.queue, KEY)
        assert await queues.round_trip(runtime, KEY) == "paused, 0 jobs wait; no round trip"
    assert await api.queued("maintenance") == []


async def test_a_worker_that_takes_nothing(
    runtime: Runtime, api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V064: alive but stuck: the check fails, and the job does not stay behind."""
    monkeypatch.setattr(queues, "ROUND_TRIP", 0.3)
    async with living(api) as worker:
        async with asyncio.timeout(15):
            while jobs.ping.name not in worker.functions:  # noqa: ASYNC110 - it starts
                await asyncio.sleep(0.02)
        del worker.functions[jobs.ping.name]
        found = await look("queue", lambda: queues.round_trip(runtime, KEY))
    assert not found.ok
    assert found.detail.startswith("after 0.3 s the job is ")
    assert await api.queued("maintenance") == []


async def test_mail(runtime: Runtime) -> None:
    """A server that answers is greeted and left; no mail is sent."""

    def with_mail(url: str) -> Runtime:
        settings = runtime.settings.model_copy(update={"smtp_url": SecretStr(url)})
        return replace(runtime, settings=settings)

    async with SmtpServer() as server:
        found = await checks.LOOKS["mail"](with_mail(server.url))
        assert found == f"{server.url.removeprefix('smtp://')}, no TLS, no login"
        assert server.mails == []
        assert "MAIL" not in " ".join(server.verbs)
    gone = await look("mail", lambda: checks.LOOKS["mail"](with_mail("smtp://127.0.0.1:1")))
    assert not gone.ok
    assert gone.detail.startswith("127.0.0.1:1: ")


async def test_a_folder_that_cannot_be_written(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = runtime.settings.model_copy(update={"home": tmp_path / "file"})
    found = await look(
        "media", lambda: checks.LOOKS["media folder"](replace(runtime, settings=settings))
    )
    assert not found.ok


async def test_redis_away(runtime: Runtime) -> None:
    """K071: the checks that need it say so, and the others go on."""
    nowhere = connect("redis://127.0.0.1:1", retries=0)
    without = replace(runtime, queue=nowhere)
    found = {check.name: check for check in await parts.parts(without)}
    await nowhere.aclose()
    assert [name for name, check in found.items() if check.ok] == ["PostgreSQL"]
    assert "check that the server runs, host and port" in found["Redis"].detail
