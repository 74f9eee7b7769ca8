"""GET /metrics: what Prometheus is told of queues, schedules, rows, requests and processes."""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from service.app import create_app
from service.config import Settings
from service.db.session import Database
from service.queue import cancel, connect, pause
from tests.monitoring.helpers import FUNCTIONS, Samples, measured, sample, samples, serving, until
from tests.support import Installation
from workers import periodic

pytestmark = pytest.mark.asyncio


async def scrape(api: Installation) -> Samples:
    """Return what Prometheus would get."""
    reply = await api.get("/metrics")
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].startswith("text/plain; version=")
    return samples(reply.text)


async def test_queues(api: Installation) -> None:
    """G068, T081, V052: each queue with what it holds; a counter rises by 1 per job."""
    before = await scrape(api)
    assert sample(before, "almanac_queue_ready_jobs", queue="publishing") == 0
    labels = {"queue": "publishing", "outcome": "succeeded"}
    assert sample(before, "almanac_queue_outcomes_total", **labels) is None
    client = api.runtime.queue
    queued = sample(before, "almanac_enqueued_jobs_total", queue="publishing") or 0
    await client.enqueue(measured())
    await client.enqueue(measured(fail=True))
    await client.enqueue(measured().deferred(until=datetime.now(UTC) + timedelta(hours=1)))
    await client.enqueue(measured().unique(60, "key").deferred(job_id="once"))
    await client.enqueue(measured().unique(60, "key"))
    await cancel(client, "once")
    waiting = await scrape(api)
    assert sample(waiting, "almanac_enqueued_jobs_total", queue="publishing") == queued + 4
    assert sample(waiting, "almanac_queue_ready_jobs", queue="publishing") == 2
    assert sample(waiting, "almanac_queue_deferred_jobs", queue="publishing") == 1
    oldest = sample(waiting, "almanac_queue_oldest_seconds", queue="publishing")
    assert oldest is not None
    assert 0 < oldest < 60
    assert sample(waiting, "almanac_queue_workers", queue="publishing") == 0
    await api.work(functions=FUNCTIONS, max_burst_jobs=3)
    after = await scrape(api)
    for outcome, number in (("succeeded", 1), ("retried", 1), ("failed", 1)):
        labels = {"queue": "publishing", "outcome": outcome}
        assert sample(after, "almanac_queue_outcomes_total", **labels) == number, outcome
    assert sample(after, "almanac_queue_ready_jobs", queue="publishing") == 0
    assert sample(after, "almanac_queue_dead_jobs", queue="publishing") == 1
    assert sample(after, "almanac_queue_paused", queue="publishing") == 0
    await pause(client, "almanac:publishing")
    assert sample(await scrape(api), "almanac_queue_paused", queue="publishing") == 1


async def test_workers_and_running_jobs(api: Installation) -> None:
    await api.runtime.queue.enqueue(measured(seconds=60))
    async with serving(api, job_completion_wait=0):

        async def seen() -> bool:
            found = await scrape(api)
            return (
                sample(found, "almanac_queue_workers", queue="publishing"),
                sample(found, "almanac_workers", state="running"),
                sample(found, "almanac_queue_running_jobs", queue="publishing"),
            ) == (1, 1, 1)

        await until(seen)
    found = await scrape(api)
    assert sample(found, "almanac_queue_workers", queue="publishing") == 0
    assert sample(found, "almanac_workers", state="running") == 0


async def test_rows(api: Installation) -> None:
    """Durable jobs, schedules, the recorder, the pool: what PostgreSQL tells."""
    async with api.runtime.unit_of_work() as uow:
        uow.enqueue(measured(), measured())
    await api.sql("UPDATE durable_jobs SET due_at = now() - interval '1 hour'")
    await periodic.mirror(api.runtime, api.runtime.settings)
    await api.runtime.queue.enqueue(measured())
    await api.work(functions=FUNCTIONS, max_burst_jobs=1)
    await asyncio.sleep(0.05)
    found = await scrape(api)
    assert sample(found, "almanac_up", server="postgresql") == 1
    assert sample(found, "almanac_up", server="redis") == 1
    open_jobs = sample(found, "almanac_durable_jobs", state="queued")
    assert sample(found, "almanac_durable_jobs_overdue") == open_jobs
    assert open_jobs in (1, 2)
    lag = sample(found, "almanac_recorder_lag_seconds")
    assert lag is not None
    assert lag > 0.04
    for name in periodic.NAMES:
        assert sample(found, "almanac_schedule_next_tick_timestamp_seconds", schedule=name)
        assert sample(found, "almanac_schedule_missed_ticks", schedule=name) == 0
    assert sample(found, "almanac_backup_last_success_timestamp_seconds") is None
    planned = sample(found, "almanac_health_timestamp_seconds")
    assert planned is not None
    assert abs(planned - time.time()) < 60
    assert sample(found, "almanac_database_connections", kind="transactions", state="busy") == 0
    await api.record()
    assert sample(await scrape(api), "almanac_recorder_lag_seconds") == 0


async def test_requests_and_process(api: Installation) -> None:
    """G077, N065, N069: requests by route, never by path; memory and CPU of the process."""
    before = await scrape(api)
    for job_id in ("a", "b"):
        await api.get(f"/v1/jobs/{job_id}")
    await api.get("/no/such/path")
    await api.request("BREW", "/livez")
    found = await scrape(api)

    def more(name: str, **labels: str) -> float:
        return (sample(found, name, **labels) or 0) - (sample(before, name, **labels) or 0)

    name, seconds = "almanac_http_requests_total", "almanac_http_request_duration_seconds_count"
    route = "/v1/jobs/{job_id}"
    assert more(name, method="GET", route=route, status="404") == 2
    assert more(seconds, method="GET", route=route) == 2
    assert more(name, method="GET", route="(none)", status="404") == 1
    assert more(name, method="OTHER", route="/livez", status="405") == 1
    assert sample(found, "process_resident_memory_bytes")
    assert sample(found, "process_cpu_seconds_total")


async def test_who_may_read(api: Installation, settings: Settings) -> None:
    """A key with jobs:read; nobody else, unless the setting opens it to whoever reaches it."""
    assert (await api.http.get("/metrics")).status_code == 401
    stranger = await api.new_key("posts:read")
    assert (await api.get("/metrics", key=stranger)).status_code == 403
    reader = await api.new_key("jobs:read", user="prometheus")
    assert (await api.get("/metrics", key=reader)).status_code == 200
    app = create_app(settings.model_copy(update={"metrics_open": True}))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://almanac.test") as http,
    ):
        reply = await http.get("/metrics")
        assert reply.status_code == 200
        assert sample(samples(reply.text), "almanac_up", server="redis") == 1
        nowhere = Database("postgresql+asyncpg://nobody@127.0.0.1:1/x", name="test")
        async with connect("redis://127.0.0.1:1") as queue:
            app.state.runtime = replace(app.state.runtime, database=nowhere, queue=queue)
            away = samples((await http.get("/metrics")).text)
    assert sample(away, "almanac_up", server="redis") == 0
    assert sample(away, "almanac_up", server="postgresql") == 0
    assert sample(away, "almanac_queue_ready_jobs", queue="publishing") is None


async def test_every_metric_says_what_it_is(api: Installation) -> None:
    text = (await api.get("/metrics")).text
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# HELP")}
    typed = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert helped == typed
    assert all(name.startswith(("almanac_", "process_")) for name in typed)
