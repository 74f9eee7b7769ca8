"""Metrics of a worker process: each run is counted once, and told of by a thread."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from service.queue import JobCall
from tests.monitoring.helpers import (
    FUNCTIONS,
    Samples,
    context,
    measured,
    sample,
    samples,
    serving,
    single,
    until,
)
from tests.support import Installation
from workers import metrics
from workers.engine import METER

pytestmark = pytest.mark.asyncio
LABELS = {"queue": "publishing", "job_name": "tests.measured"}


def told(registry: CollectorRegistry) -> Samples:
    """Return what a registry has."""
    return samples(generate_latest(registry).decode())


async def run_jobs(api: Installation, meter: metrics.JobMetrics, *calls: JobCall) -> None:
    """Run jobs to their ends with a meter."""
    for call in calls:
        await api.runtime.queue.enqueue(call)
    ctx = context(api.runtime, **{METER: meter})
    await api.work(functions=FUNCTIONS, ctx=ctx)


async def test_each_run_counts_once(api: Installation) -> None:
    """G068, G072, V039, V053: outcomes, duration and wait by queue and job rise by 1 per run."""
    registry = CollectorRegistry()
    meter = metrics.JobMetrics(registry)
    await run_jobs(api, meter, measured(seconds=0.02))
    first = told(registry)
    assert sample(first, "almanac_jobs_total", **LABELS, outcome="succeeded") == 1
    assert sample(first, "almanac_jobs_total", **LABELS, outcome="failed") == 0
    assert sample(first, "almanac_job_duration_seconds_count", **LABELS) == 1
    assert sample(first, "almanac_job_wait_seconds_count", **LABELS) == 1
    took = sample(first, "almanac_job_duration_seconds_sum", **LABELS)
    assert took is not None
    assert 0.015 < took < 10
    assert sample(first, "almanac_job_duration_seconds_bucket", **LABELS, le="0.01") == 0
    await run_jobs(api, meter, measured(), measured(fail=True))
    after = told(registry)
    for outcome, number in (("succeeded", 2), ("retried", 1), ("failed", 1), ("dead", 0)):
        assert sample(after, "almanac_jobs_total", **LABELS, outcome=outcome) == number, outcome
    assert sample(after, "almanac_job_duration_seconds_count", **LABELS) == 4


async def test_what_a_limit_puts_off_is_counted(api: Installation) -> None:
    registry = CollectorRegistry()
    await run_jobs(api, metrics.JobMetrics(registry), single(), single())
    labels = {"queue": "publishing", "job_name": "tests.single"}
    found = told(registry)
    hit = sample(found, "almanac_job_limits_hit_total", **labels)
    assert hit
    assert sample(found, "almanac_jobs_total", **labels, outcome="snoozed") == hit
    assert sample(found, "almanac_job_duration_seconds_count", **labels) == 2


async def test_a_name_that_this_worker_lacks_is_no_label(api: Installation) -> None:
    """What clients send must not make metrics without end."""
    registry = CollectorRegistry()
    meter = metrics.JobMetrics(registry)
    client = api.runtime.queue
    await client.enqueue_job("made.up", _queue_name="almanac:publishing", _job_id="a")
    async with serving(api, ctx=context(api.runtime, **{METER: meter})):
        labels = {"queue": "publishing", "job_name": "(unknown)", "outcome": "released"}

        async def counted() -> bool:
            return bool(sample(told(registry), "almanac_jobs_total", **labels))

        await until(counted)
    assert all(("job_name", "made.up") not in labels for _, labels in told(registry))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_the_page_of_a_process(api: Installation) -> None:
    """N069: one page for all queues of a process; memory, CPU, slots, loop lag, round trips."""
    port = free_port()
    with (
        metrics.served("127.0.0.1", port) as meter,
        metrics.served("127.0.0.1", port) as again,
    ):
        assert meter is again
        await api.runtime.queue.enqueue(measured(seconds=30))
        ctx = context(api.runtime, **{METER: meter})
        async with serving(api, ctx=ctx, job_completion_wait=0) as worker:

            async def runs() -> bool:
                return bool(worker.turns and worker.turns.runs)

            await until(runs)
            with ThreadPoolExecutor() as pool:
                asked = pool.submit(httpx.get, f"http://127.0.0.1:{port}/metrics")
                text = asked.result(timeout=30).text  # the event loop stands still meanwhile
        found = samples(text)
        assert sample(found, "almanac_worker_running_jobs", queue="publishing") == 1
        slots = sample(found, "almanac_worker_slots", queue="publishing")
        assert slots == worker.max_jobs
        assert sample(found, "almanac_worker_redis_round_trips_total", queue="publishing")
        assert sample(found, "almanac_worker_lease_losses_total", queue="publishing") == 0
        assert sample(found, "almanac_worker_loop_lag_seconds", queue="publishing") is not None
        assert sample(found, "process_resident_memory_bytes")
        assert sample(found, "process_cpu_seconds_total")
    with pytest.raises(OSError, match=r"refused|reset"), socket.socket() as probe:
        probe.connect(("127.0.0.1", port))


async def test_a_second_process_takes_the_next_port() -> None:
    taken = free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        other.listen()
        with metrics.served("127.0.0.1", taken):
            async with httpx.AsyncClient() as http:
                for port in range(taken + 1, taken + metrics.MOST_PORTS):
                    try:
                        reply = await http.get(f"http://127.0.0.1:{port}/metrics")
                    except httpx.HTTPError:
                        continue
                    if "almanac_worker_info" in reply.text:
                        return
    pytest.fail("it listens nowhere")


async def test_a_page_that_cannot_be_served_is_an_error() -> None:
    with pytest.raises(OSError), metrics.served("192.0.2.1", free_port()):  # noqa: PT011 - the system's
        pass
    assert not asyncio.all_tasks() - {asyncio.current_task()}
