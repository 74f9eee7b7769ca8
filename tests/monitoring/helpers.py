"""What tests of metrics, alerts and health say in one line."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from prometheus_client.parser import text_string_to_metric_families

from service.config import AlertSetting
from service.monitoring.alert_rules import DATABASE_AWAY, KINDS
from service.monitoring.alerting import Watch
from service.queue import Concurrency, RetryPolicy, job
from service.runtime import Runtime
from tests.support import Installation
from workers.engine import LEDGER, Context, Worker, run
from workers.ledger import JobLedger

HERE = "tests.monitoring.helpers"
NAMES = [kind.name for kind in (*KINDS, DATABASE_AWAY)]
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


@job(
    "tests.measured",
    queue="publishing",
    coroutine=f"{HERE}.measure_it",
    retry=RetryPolicy(2, delay=0),
)
async def measured(seconds: float = 0, fail: bool = False) -> None:
    """Take a while, then fail or not."""


@job(
    "tests.single",
    queue="publishing",
    coroutine=f"{HERE}.run_alone",
    concurrency=Concurrency(1),
)
async def single() -> None:
    """Run beside no other."""


async def measure_it(ctx: Context, seconds: float = 0, fail: bool = False) -> None:
    await asyncio.sleep(seconds)
    if fail:
        raise ValueError("bad luck")


async def run_alone(ctx: Context) -> None:
    await asyncio.sleep(0.05)


FUNCTIONS = [run(measured, measure_it), run(single, run_alone)]


def samples(text: str) -> Samples:
    """Return every sample of Prometheus's text format by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def sample(found: Samples, name: str, **labels: str) -> float | None:
    """Return one sample; None if there is none."""
    return found.get((name, frozenset(labels.items())))


def varied(runtime: Runtime, **settings: Any) -> Runtime:
    """Return the same runtime with other settings."""
    return replace(runtime, settings=runtime.settings.model_copy(update=settings))


def context(runtime: Runtime, **more: Any) -> dict[Any, Any]:
    """Return the context of a worker."""
    return {"runtime": runtime, LEDGER: JobLedger(runtime), **more}


def alerting(runtime: Runtime, *, resolve_after: float = 0, **wanted: float) -> Runtime:
    """Return a runtime that wants these alerts only, by their thresholds, without delay."""
    alerts: dict[str, AlertSetting | None] = dict.fromkeys(NAMES)
    for name, above in wanted.items():
        alerts[name] = AlertSetting.model_validate({"above": above, "for": 0})
    return varied(runtime, alerts=alerts, alert_resolve_after=timedelta(seconds=resolve_after))


def watch(runtime: Runtime, **wanted: float) -> Watch:
    """Return what looks for these alerts only."""
    return Watch(alerting(runtime, **wanted))


async def alerts(api: Installation, query: str = "?open=true") -> dict[tuple[str, str], Any]:
    """Return alerts by rule and subject, by default those that are open."""
    reply = await api.get(f"/v1/alerts{query}")
    assert reply.status_code == 200, reply.text
    return {(alert["rule"], alert["subject"]): alert for alert in reply.json()["items"]}


@asynccontextmanager
async def serving(
    api: Installation, queue: str = "publishing", **more: Any
) -> AsyncIterator[Worker]:
    """Run a worker of a queue meanwhile, then stop it as SIGTERM does."""
    worker = api.worker(queue, **{"burst": False, "functions": FUNCTIONS, **more})
    task = asyncio.create_task(worker.async_run())
    try:
        yield worker
    finally:
        worker.handle_sig(signal.SIGTERM)
        async with asyncio.timeout(20):
            await task
        await api.runtime.queue.delete(worker.health_check_key)


async def until(holds: Callable[[], Awaitable[object]], within: float = 20) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + within
    while not await holds():
        assert time.monotonic() < deadline, "it does not come to hold"
        await asyncio.sleep(0.05)


def postgres_socket(url: str) -> Path:
    """Return the socket of an embedded PostgreSQL, from its URL."""
    query = parse_qs(urlsplit(url).query)
    return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"


def valkey_socket(url: str) -> Path:
    """Return the socket of an embedded Valkey, from its URL."""
    return Path(unquote(urlsplit(url).path))
