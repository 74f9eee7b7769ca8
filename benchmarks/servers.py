"""Servers and processes of a benchmark's own."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from benchmarks.engine.systems import ROOT
from service.config import Settings
from service.db import migrate
from service.embedded import EmbeddedServers
from service.kit.process import dying_with_us

PORT = 18_765
URL = f"http://127.0.0.1:{PORT}"


@contextmanager
def own_servers() -> Iterator[Settings]:
    """Start PostgreSQL, migrated, and Valkey in a folder of their own; yield settings for them."""
    with tempfile.TemporaryDirectory() as name, EmbeddedServers(Path(name) / "home") as endpoints:
        asyncio.run(migrate.upgrade(endpoints.database_url))
        yield Settings(
            _env_file=None,
            environment="development",
            database_url=SecretStr(endpoints.database_url),
            redis_url=SecretStr(endpoints.redis_url),
            secret_key=SecretStr("a secret of benchmarks"),
            home=Path(name) / "home",
        )


@contextmanager
def api(settings: Settings) -> Iterator[int]:
    """Run an API process at `URL`; yield its id once it answers."""
    assert settings.database_url is not None
    assert settings.redis_url is not None
    assert settings.secret_key is not None
    environment = {
        **os.environ,
        "ALMANAC_ENV": "development",
        "ALMANAC_PORT": str(PORT),
        "ALMANAC_LOG_LEVEL": "WARNING",
        "ALMANAC_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "SECRET_KEY": settings.secret_key.get_secret_value(),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "api"],
        cwd=ROOT,
        env=environment,
        preexec_fn=dying_with_us(signal.SIGKILL),  # noqa: PLW1509 - system calls only
    )
    try:
        asyncio.run(_wait_ready())
        yield process.pid
    finally:
        process.terminate()
        process.wait(30)


async def _wait_ready() -> None:
    async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(30):
        while True:
            try:
                if (await http.get(f"{URL}/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((at / "schedstat").read_text().split()[0]) for at in threads) / 1e9


def report(found: dict[str, float], wanted: dict[str, float], *, as_json: bool) -> None:
    """Print what was measured, beside what some of it may come to at the most."""
    if as_json:
        print(json.dumps({name: round(value, 2) for name, value in found.items()}, indent=2))
        return
    table = Table("figure", "measured", "wanted")
    for name, value in found.items():
        table.add_row(name, f"{value:.2f}", f"<= {wanted[name]:g}" if name in wanted else "")
    Console().print(table)
