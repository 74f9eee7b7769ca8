"""A maintenance process as it is started: it looks, tells, and serves its metrics."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from service.queue import purge
from tests.monitoring.helpers import alerts, measured, sample, samples, until, valkey_socket
from tests.monitoring.test_worker_metrics import free_port
from tests.servers.smtp import SmtpServer
from tests.servers.tcp_proxy import TcpProxy
from tests.support import Installation

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def maintenance(api: Installation, **settings: str) -> AsyncIterator[Process]:
    """Run `almanac worker maintenance` meanwhile."""
    given = api.runtime.settings
    assert given.database_url is not None
    assert given.redis_url is not None
    assert given.secret_key is not None
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {
        "ALMANAC_ENV": "development",
        "ALMANAC_HOME": str(given.home),
        "DATABASE_URL": given.database_url.get_secret_value(),
        "REDIS_URL": given.redis_url.get_secret_value(),
        "SECRET_KEY": given.secret_key.get_secret_value(),
        **kept,
        **settings,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service.cli", "worker", "maintenance"),
        env=environment,
        stderr=PIPE,
        stdin=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        async with asyncio.timeout(60):
            await process.communicate()


async def test_it_looks_and_tells(api: Installation) -> None:
    """G068, G071, N069: an alert opens and resolves by itself, and the process shows metrics."""
    port = free_port()
    await api.runtime.queue.enqueue_many([measured() for _ in range(6)])
    async with maintenance(
        api,
        ALMANAC_ALERTS='{"queue_length": {"above": 5, "for": 0}}',
        ALMANAC_ALERT_INTERVAL="PT0.2S",
        ALMANAC_ALERT_RESOLVE_AFTER="PT0S",
        ALMANAC_METRICS_PORT=str(port),
    ):

        async def opened() -> bool:
            return ("queue_length", "publishing") in await alerts(api)

        async def resolved() -> bool:
            return not await opened()

        async def measures() -> bool:
            async with httpx.AsyncClient() as http:
                text = (await http.get(f"http://127.0.0.1:{port}/metrics")).text
            name = "almanac_worker_redis_round_trips_total"
            return bool(sample(samples(text), name, queue="maintenance"))

        await until(opened, within=60)
        await until(measures, within=60)
        await purge(api.runtime.queue, "almanac:publishing")
        await until(resolved, within=60)


async def test_that_redis_is_away_is_mailed_meanwhile(api: Installation) -> None:
    """V048: the job that mails runs in the maintenance process, for no worker can have it."""
    url = api.runtime.settings.redis_url
    assert url is not None
    async with SmtpServer() as smtp:
        with TcpProxy(valkey_socket(url.get_secret_value())) as proxy:
            async with maintenance(
                api,
                REDIS_URL=f"redis://127.0.0.1:{proxy.port}/0",
                SMTP_URL=smtp.url,
                ALMANAC_ALERT_MAIL="ops@example.org",
                ALMANAC_ALERTS='{"redis_away": {"above": 0.5}, "worker_down": null}',
                ALMANAC_ALERT_INTERVAL="PT0.2S",
                ALMANAC_ALERT_RESOLVE_AFTER="PT0S",
            ):

                async def ticks() -> bool:
                    return (await api.http.get("/readyz")).json()["maintenance"] is True

                async def mailed() -> list[str]:
                    return [mail.message["Subject"] for mail in smtp.mails]

                async def resolved() -> bool:
                    return "[Almanac] Resolved: Redis does not answer" in await mailed()

                await until(ticks, within=60)
                proxy.refuse()
                await until(mailed, within=60)
                assert await mailed() == ["[Almanac] Redis does not answer"]
                proxy.heal()
                await until(resolved, within=60)


async def test_a_name_that_no_alert_has_stops_the_start(api: Installation) -> None:
    async with maintenance(api, ALMANAC_ALERTS='{"long_queue": null}') as process:
        async with asyncio.timeout(60):
            _, told = await process.communicate()
    assert process.returncode != 0
    assert "ALMANAC_ALERTS: there is no alert 'long_queue'" in told.decode()
