"""Mail servers, and an installation that mails through them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from service.emails.actions import NewMail, send
from service.runtime import Runtime
from tests.servers.sendgrid import SendGridServer
from tests.servers.smtp import SmtpServer
from tests.support import Installation
from workers import emails
from workers.engine import LEDGER
from workers.engine.testing import Step, Steps
from workers.ledger import JobLedger

HELLO = NewMail("welcome", "welcome:1", "ada@example.com", "Hello", "<p>Hi</p>", name="Ada")


@dataclass
class Post:
    """An installation, whose jobs of mails run one by one."""

    api: Installation
    runtime: Runtime

    async def send(self, mail: NewMail = HELLO) -> Any:
        """Ask for a mail; return its id."""
        async with self.runtime.unit_of_work() as uow:
            return await send(uow, mail)

    async def run(self) -> list[Step]:
        """Run what is due."""
        async with self._steps() as steps:
            return await steps.all()

    async def pass_time(self, seconds: float) -> None:
        """Let waiting jobs become due so much earlier, and claims end."""
        async with self._steps() as steps:
            await steps.advance(seconds)

    async def row(self, email_id: Any) -> Any:
        """Return a mail as it is now."""
        rows = await self.api.sql("SELECT * FROM emails WHERE id = :id", id=email_id)
        return rows[0]

    def varied(self, **settings: Any) -> "Post":
        """Return the same installation with other settings."""
        changed = self.runtime.settings.model_copy(update=settings)
        return Post(self.api, replace(self.runtime, settings=changed))

    def _steps(self) -> Steps:
        async def advanced(by: timedelta) -> None:
            await self.api.sql(
                "UPDATE durable_jobs SET due_at = due_at - cast(:by AS interval)", by=by
            )
            await self.api.sql(
                "UPDATE emails SET claimed_until = claimed_until - cast(:by AS interval)", by=by
            )

        ctx = {"runtime": self.runtime, LEDGER: JobLedger(self.runtime)}
        return Steps(
            emails.WorkerSettings,
            self.runtime.queue,
            advanced=advanced,
            ctx=ctx,
            on_startup=None,
            on_shutdown=None,
        )


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


@pytest_asyncio.fixture
async def post(api: Installation, smtp: SmtpServer) -> Post:
    """An installation that mails through `smtp`."""
    return Post(api, api.runtime).varied(
        smtp_url=SecretStr(smtp.url), mail_from="Almanac <almanac@example.org>"
    )


@pytest.fixture
def sendgrid() -> Iterator[SendGridServer]:
    """SendGrid's API."""
    with SendGridServer() as server:
        yield server


@pytest_asyncio.fixture
async def by_api(api: Installation, sendgrid: SendGridServer) -> Post:
    """An installation that mails through `sendgrid`."""
    return Post(api, api.runtime).varied(
        sendgrid_key=SecretStr(sendgrid.key),
        sendgrid_url=sendgrid.url,
        mail_from="Almanac <almanac@example.org>",
    )
