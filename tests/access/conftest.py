"""The command line on the servers of a test."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner, Result

from service.cli import app
from service.config import Settings

Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run `almanac` with these arguments, and with `input=` what somebody pipes into it."""
    for name, value in (
        ("DATABASE_URL", settings.database_url),
        ("REDIS_URL", settings.redis_url),
        ("SECRET_KEY", settings.secret_key),
    ):
        assert isinstance(value, SecretStr)
        monkeypatch.setenv(name, value.get_secret_value())
    monkeypatch.setenv("ALMANAC_ENV", "development")
    monkeypatch.setenv("ALMANAC_HOME", str(settings.home))
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments: str, input: str | None = None) -> Result:  # noqa: A002 - as click
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments, input=input))

    return run
