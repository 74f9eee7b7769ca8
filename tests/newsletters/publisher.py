"""What tests of newsletters say in one line."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from email.message import EmailMessage
from typing import Any, Self
from uuid import UUID

import httpx
from pydantic import SecretStr

from service.db import outbox
from service.monitoring import rows
from service.runtime import Runtime
from tests.servers.smtp import SmtpServer
from tests.support import Installation
from workers import emails
from workers.engine import LEDGER
from workers.engine.testing import Step, Steps
from workers.ledger import JobLedger

CONTENT = "# Hello %name%\n\nRead [this](https://example.com/a?b=1&c=2)."


@dataclass
class Publisher:
    """An installation, its mail server, and an issue on its way."""

    api: Installation
    smtp: SmtpServer

    @classmethod
    def mailing(cls, api: Installation, smtp: SmtpServer) -> Self:
        """Let an installation mail through a server."""
        publisher = cls(api, smtp)
        publisher.settle(smtp_url=SecretStr(smtp.url), mail_from="Almanac <news@example.org>")
        return publisher

    def settle(self, **settings: Any) -> None:
        """Change settings of the workers."""
        changed = self.runtime.settings.model_copy(update=settings)
        self.api.runtime = replace(self.runtime, settings=changed)

    @property
    def runtime(self) -> Runtime:
        """The installation's."""
        return self.api.runtime

    async def newsletter(self, **values: Any) -> Any:
        """Make a newsletter."""
        body = {"name": "Garden News", "topic": "Gardens", **values}
        return await self.ok(await self.api.post("/v1/newsletters", body), 201)

    async def issue(self, newsletter: Any, **values: Any) -> Any:
        """Write a draft."""
        body = {"subject": "Spring, %name%", "content": CONTENT, **values}
        path = f"/v1/newsletters/{newsletter['id']}/issues"
        return await self.ok(await self.api.post(path, body), 201)

    async def readers(self, newsletter: Any, count: int, **values: Any) -> list[str]:
        """Add readers who have confirmed, straight into the tables; return their addresses."""
        addresses = [f"reader{n}@example.com" for n in range(count)]
        await self.api.sql(
            "WITH people AS (INSERT INTO subscribers"
            " (id, owner_id, address, key, name, state, confirmed_at, tags)"
            " SELECT gen_random_uuid(), n.owner_id, a, a, 'Reader ' || split_part(a, '@', 1),"
            " 'active', now(), cast(:tags AS text[])"
            " FROM unnest(cast(:addresses AS text[])) a, newsletters n WHERE n.id = :id"
            " RETURNING id)"
            " INSERT INTO subscriptions (id, newsletter_id, subscriber_id, state, confirmed_at)"
            " SELECT gen_random_uuid(), :id, id, 'active', now() FROM people",
            id=UUID(newsletter["id"]),
            addresses=addresses,
            tags=values.get("tags", []),
        )
        return addresses

    async def sending(self, count: int, **values: Any) -> tuple[Any, list[str]]:
        """Begin to send an issue to so many readers; return it and their addresses."""
        newsletter = await self.newsletter(**values)
        addresses = await self.readers(newsletter, count)
        issue = await self.issue(newsletter)
        return await self.act(issue, "send"), addresses

    async def act(self, issue: Any, verb: str, body: object = None) -> Any:
        """Do something with an issue; return it."""
        return await self.ok(await self.api.post(f"/v1/issues/{issue['id']}/{verb}", body), 200)

    async def read(self, issue: Any) -> Any:
        """Return an issue as it is now."""
        return await self.ok(await self.api.get(f"/v1/issues/{issue['id']}"), 200)

    async def ok(self, reply: httpx.Response, status: int) -> Any:
        """Return the body of an answer of this status."""
        assert reply.status_code == status, reply.text
        return reply.json()

    async def run(self) -> list[Step]:
        """Run what is due."""
        async with self._steps() as steps:
            return await steps.all()

    async def pass_time(self, seconds: float) -> None:
        """Let what waits become due so much earlier, and claims end."""
        async with self._steps() as steps:
            await steps.advance(seconds)

    def _steps(self) -> Steps:
        async def advanced(by: timedelta) -> None:
            await self.api.sql(
                "UPDATE issue_deliveries SET next_run_at = next_run_at - cast(:by AS interval),"
                " claimed_until = claimed_until - cast(:by AS interval)",
                by=by,
            )
            await self.runtime.database.execute(outbox.advance(by))
            await rows.sweep(self.runtime, everything=True)

        ctx = {"runtime": self.runtime, LEDGER: JobLedger(self.runtime)}
        return Steps(
            emails.WorkerSettings,
            self.runtime.queue,
            advanced=advanced,
            ctx=ctx,
            on_startup=None,
            on_shutdown=None,
        )

    def got(self) -> Counter[str]:
        """Return how many mails each address got."""
        return Counter(to for mail in self.smtp.mails for to in mail.recipients)

    def mail_to(self, address: str) -> EmailMessage:
        """Return the one mail that an address got."""
        (found,) = [mail.message for mail in self.smtp.mails if address in mail.recipients]
        return found

    async def states(self, issue: Any) -> Counter[str]:
        """Return how many deliveries of an issue are in each state."""
        rows = await self.api.sql(
            "SELECT state FROM issue_deliveries WHERE issue_id = :id", id=UUID(issue["id"])
        )
        return Counter(row.state for row in rows)


def part(message: EmailMessage, kind: str) -> str:
    """Return the text or the HTML of a mail."""
    body = message.get_body((kind,))
    assert body is not None
    content: str = body.get_content()
    return content


def link(text: str, path: str) -> str:
    """Return the one address of a path in a text, from its path on."""
    found: Sequence[str] = re.findall(rf'http://almanac\.test({path}[^\s"<>)]*)', text)
    assert found, text
    return found[0]
