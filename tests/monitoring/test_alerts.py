"""Each alert opens on its real condition and resolves when that is gone."""

import asyncio
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.monitoring import alerting, history_queries, measuring
from service.monitoring.alerting import Watch
from service.queue import connect, purge
from service.runtime import Runtime
from service.schedules import ticking
from tests.monitoring import helpers
from tests.monitoring.helpers import (
    FUNCTIONS,
    alerts,
    measured,
    serving,
    until,
    valkey_socket,
    varied,
    watch,
)
from tests.servers.tcp_proxy import TcpProxy
from tests.support import Installation
from workers import periodic

pytestmark = pytest.mark.asyncio
KEY = "almanac:publishing"


async def look(api: Installation, watcher: Watch) -> dict[tuple[str, str], Any]:
    """Look once; return what is open."""
    await watcher.look()
    return await alerts(api)


async def run_jobs(api: Installation, *, good: int = 0, bad: int = 0) -> None:
    """Run so many jobs to their ends."""
    for number in range(good + bad):
        await api.runtime.queue.enqueue(measured(fail=number >= good))
    await api.work(functions=FUNCTIONS)


async def test_worker_down(api: Installation) -> None:
    """G069: a queue with jobs whose worker has stopped; over as soon as one serves it."""
    watcher = watch(api.runtime, worker_down=0)
    async with serving(api):
        await until(lambda: _serves(api))
        assert ("worker_down", "publishing") not in await look(api, watcher)
    opened = await look(api, watcher)
    assert opened["worker_down", "publishing"]["text"] == (
        "No worker serves publishing, where 0 jobs wait"
    )
    assert ("worker_down", "video") not in opened, "it has no jobs"
    async with serving(api):
        await until(lambda: _serves(api))
        assert ("worker_down", "publishing") not in await look(api, watcher)


async def _serves(api: Installation) -> bool:
    redis = await measuring.redis_measures(api.runtime.queue)
    assert redis is not None
    return any(queue.name == "publishing" and queue.workers for queue in redis.queues)


async def test_failures(api: Installation) -> None:
    """G070, V103: more than a tenth of what ended lately failed; too few to say are none."""
    watcher = watch(api.runtime, failures=0.1)
    assert await look(api, watcher) == {}
    await run_jobs(api, bad=2)
    assert await look(api, watcher) == {}, "two say nothing"
    await run_jobs(api, good=8)
    opened = (await look(api, watcher))["failures", "publishing"]
    assert opened["value"] == pytest.approx(0.2)
    assert opened["text"] == "2 of the last 10 jobs of publishing failed: 20%"
    await run_jobs(api, good=10)
    assert await look(api, watcher) == {}


async def test_queue_length(api: Installation) -> None:
    """G071: 1001 jobs and no worker; 1000 are none too many."""
    watcher = watch(api.runtime, queue_length=1000)
    await api.runtime.queue.enqueue_many([measured() for _ in range(1000)])
    assert await look(api, watcher) == {}
    await api.runtime.queue.enqueue(measured())
    opened = (await look(api, watcher))["queue_length", "publishing"]
    assert (opened["value"], opened["text"]) == (1001, "1001 jobs wait in publishing")
    await purge(api.runtime.queue, KEY)
    assert await look(api, watcher) == {}


async def test_slow_job(api: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """G072: a run took longer than the threshold, or does at this moment."""
    monkeypatch.setattr(alerting, "RECORDED", timedelta())
    watcher = watch(api.runtime, slow_job=0.1)
    await run_jobs(api, good=1)
    await api.record()
    assert await look(api, watcher) == {}
    await api.runtime.queue.enqueue(measured(seconds=0.2))
    await api.work(functions=FUNCTIONS)
    await api.record()
    opened = (await look(api, watcher))["slow_job", "tests.measured"]
    assert 0.2 <= opened["value"] < 10
    assert await look(api, watcher) == {}
    await api.runtime.queue.enqueue(measured(seconds=60))
    async with serving(api, job_completion_wait=0):
        await until(lambda: _is_open(api, watcher))
    assert await look(api, watcher) == {}


async def _is_open(api: Installation, watcher: Watch) -> bool:
    return bool(await look(api, watcher))


async def test_oldest_job(api: Installation) -> None:
    watcher = watch(api.runtime, oldest_job=0.1)
    await api.runtime.queue.enqueue(measured())
    await asyncio.sleep(0.15)
    assert list(await look(api, watcher)) == [("oldest_job", "publishing")]
    await api.work(functions=FUNCTIONS)
    assert await look(api, watcher) == {}


async def test_a_worker_that_is_alive_but_takes_no_jobs(api: Installation) -> None:
    """V066: it tells of itself as ever; only its claims hang."""
    watcher = watch(api.runtime, not_consuming=0.1)
    async with serving(api, job_completion_wait=0) as worker:
        await until(lambda: _serves(api))
        assert worker.turns is not None
        claim, hang = worker.turns.broker.claim, asyncio.Event()

        async def hung(*arguments: Any, **options: Any) -> Any:
            await hang.wait()
            return await claim(*arguments, **options)

        worker.turns.broker.claim = hung  # type: ignore[method-assign] # the fault
        await api.runtime.queue.enqueue(measured())
        await asyncio.sleep(0.15)
        opened = await look(api, watcher)
        assert (
            "could run jobs of publishing and does not"
            in (opened["not_consuming", "publishing"]["text"])
        )
        hang.set()
        await until(lambda: _resolves(api, watcher))


async def _resolves(api: Installation, watcher: Watch) -> bool:
    return await look(api, watcher) == {}


async def test_lease_losses(api: Installation) -> None:
    """A killed worker's job is seen to have lost its lease when another takes it."""
    watcher = watch(api.runtime, lease_losses=0)
    assert await look(api, watcher) == {}
    await api.runtime.queue.enqueue(measured())
    url = api.runtime.settings.redis_url
    assert url is not None
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        Path(__file__).with_name("dying_worker.py"),
        url.get_secret_value(),
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"running\n"
    process.kill()
    await process.wait()
    assert await look(api, watcher) == {}, "its lease has not ended"
    async with asyncio.timeout(30):
        await api.work(functions=FUNCTIONS)
    opened = (await look(api, watcher))["lease_losses", "publishing"]
    assert opened["value"] == 1
    watcher._window._grown.clear()  # as after five minutes
    assert await look(api, watcher) == {}


async def test_dead_jobs(api: Installation) -> None:
    """V103: they wait for a decision; it resolves when there is one."""
    watcher = watch(api.runtime, dead_jobs=1)
    await run_jobs(api, bad=1)
    assert await look(api, watcher) == {}, "the threshold must be passed"
    await run_jobs(api, bad=1)
    assert (await look(api, watcher))["dead_jobs", "publishing"]["value"] == 2
    assert (await api.post("/v1/dead/discard", {"all": True})).status_code == 200
    assert await look(api, watcher) == {}


async def test_schedules(api: Installation) -> None:
    """First nobody ticks and the tick is late; then somebody does, and it has been missed."""
    watcher = watch(api.runtime, schedule_late=60, schedule_missed=0)
    await periodic.mirror(api.runtime, api.runtime.settings)
    assert await look(api, watcher) == {}
    rule = "notifications.digest"
    late = "UPDATE schedules SET next_tick_at = now() - interval '90 seconds' WHERE name = :name"
    await api.sql(late, name=rule)
    assert (await look(api, watcher))["schedule_late", rule]["value"] == pytest.approx(90, abs=30)
    ((moment,),) = await api.sql("SELECT now()")
    await ticking.fire_due(api.runtime, moment, [rule])
    opened = await look(api, watcher)
    assert list(opened) == [("schedule_missed", rule)]
    assert opened["schedule_missed", rule]["text"] == (
        f"1 ticks of {rule} did not fire in the last hour"
    )
    await api.sql("UPDATE schedule_runs SET decided_at = now() - interval '2 hours'")
    assert await look(api, watcher) == {}


async def test_the_recorder(api: Installation) -> None:
    watcher = watch(api.runtime, recorder_behind=0.1)
    await run_jobs(api, good=1)
    await asyncio.sleep(0.15)
    assert list(await look(api, watcher)) == [("recorder_behind", "")]
    await api.record()
    assert await look(api, watcher) == {}


async def test_backups(api: Installation) -> None:
    """Off until backups are planned; then from the plan, or from the last good one."""
    watcher = watch(api.runtime, backup_age=26 * 3600)
    assert await look(api, watcher) == {}
    await periodic.mirror(api.runtime, api.runtime.settings)
    await api.sql(
        "UPDATE schedules SET job = 'backups.create', created_at = now() - interval '27 hours'"
        " WHERE name = 'monitoring.clean'"
    )
    opened = await look(api, watcher)
    assert opened["backup_age", ""]["text"] == "No backup has succeeded for 27.0 h"
    await run_jobs(api, good=1)
    await api.record()
    await api.sql("UPDATE job_runs SET name = 'backups.create'")
    assert await look(api, watcher) == {}


async def test_redis_away(api: Installation, runtime: Runtime) -> None:
    """What only Redis tells stays as it is meanwhile."""
    url = api.runtime.settings.redis_url
    assert url is not None
    with TcpProxy(valkey_socket(url.get_secret_value())) as proxy:
        async with connect(f"redis://127.0.0.1:{proxy.port}/0") as queue:
            behind = replace(api.runtime, queue=queue)
            watcher = watch(behind, redis_away=0, queue_length=0)
            await api.runtime.queue.enqueue(measured())
            assert list(await look(api, watcher)) == [("queue_length", "publishing")]
            proxy.refuse()
            await asyncio.sleep(0.01)
            assert set(await look(api, watcher)) == {
                ("queue_length", "publishing"),
                ("redis_away", ""),
            }
            proxy.heal()
            assert list(await look(api, watcher)) == [("queue_length", "publishing")]


async def test_health(api: Installation) -> None:
    """V050, V078: a check that fails, and a job that does not run, are both alerts."""
    watcher = watch(api.runtime, health=0, health_silent=660)
    assert await look(api, watcher) == {}, "no rule, no alert"
    await periodic.mirror(api.runtime, varied(api.runtime, periodic="all").settings)
    assert await look(api, watcher) == {}, "it is planned since now"
    await api.sql("UPDATE schedules SET created_at = now() - interval '12 minutes'")
    opened = await look(api, watcher)
    assert opened["health_silent", ""]["text"] == "The health job has not ended well for 12 minutes"
    file = api.runtime.settings.home / "file"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("no folder")
    broken = varied(api.runtime, home=file)
    async with api.runtime.unit_of_work() as uow:  # after midnight the last minutes were yesterday
        await history_queries.add_day(uow.session, datetime.now(UTC).date() - timedelta(days=1))
    await _check(api, broken)
    opened = await look(api, watcher)
    assert ("health_silent", "") not in opened
    assert "cannot write" in opened["health", "storage"]["text"]
    await _check(api, api.runtime)
    assert ("health", "storage") not in await look(api, watcher)
    await _check(api, broken)
    ((moment,),) = await api.sql("SELECT max(finished_at) FROM job_runs")
    assert ("health", "storage") in await look(api, watcher)
    await api.sql("UPDATE job_runs SET finished_at = :then", then=moment - timedelta(minutes=12))
    assert list(await look(api, watcher)) == [("health_silent", "")], "nobody knows any more"


async def _check(api: Installation, runtime: Runtime) -> None:
    """Run the health job and record its end."""
    await api.runtime.queue.enqueue_job("monitoring.health", _queue_name="almanac:maintenance")
    await api.work("maintenance", ctx=helpers.context(runtime))
    await api.record()
