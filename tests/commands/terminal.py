"""Runs commands of `almanac` in this process, on a test's servers."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.commands.terminal import err, out
from tests.e2e.processes import environment_of
from tests.support import Installation


class Terminal:
    """A terminal of 100 columns, with the settings of a test.

    Args:
        api: whose servers.
        patch: sets its environment.
    """

    def __init__(self, api: Installation, patch: pytest.MonkeyPatch) -> None:
        for name, value in environment_of(api.runtime.settings).items():
            patch.setenv(name, value)
        for console in (out, err):
            patch.setattr(console, "width", 100)

    async def run(self, *arguments: str, given: str = "") -> Result:
        """Run a command to its end; what it raises is part of the result."""
        return await asyncio.to_thread(CliRunner().invoke, app, arguments, input=given)

    async def shows(self, *arguments: str, code: int = 0) -> str:
        """Run a command that ends with this exit code; return what it printed."""
        done = await self.run(*arguments)
        assert done.exit_code == code, (done.output, done.exception)
        return done.stdout

    async def json(self, *arguments: str, code: int = 0) -> Any:
        """Run a command with --json and return what it printed."""
        return json.loads(await self.shows(*arguments, "--json", code=code))

    async def refused(self, *arguments: str) -> BaseException:
        """Run a command that is refused; return why. `main` makes one line of it, and exit 2."""
        done = await self.run(*arguments)
        assert isinstance(done.exception, Exception), done.output
        return done.exception


def columns(table: str) -> Mapping[str, list[str]]:
    """Return the rows of a printed table by their first cells."""
    rows = [line.split() for line in table.splitlines() if line.strip()]
    return {row[0]: row[1:] for row in rows}
