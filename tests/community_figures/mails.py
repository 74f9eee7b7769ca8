"""Jobs that mail, run with a mail server of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import replace
from email.message import EmailMessage
from typing import Any

from pydantic import SecretStr

from service.community import jobs
from tests.community_figures.helpers import Community
from tests.servers.smtp import SmtpServer
from workers.engine import LEDGER
from workers.ledger import JobLedger


async def mail_server() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


def context(community: Community, smtp: SmtpServer) -> dict[Any, Any]:
    """Return the context of a worker that mails to this server."""
    runtime = community.api.runtime
    settings = runtime.settings.model_copy(update={"smtp_url": SecretStr(smtp.url)})
    mailing = replace(runtime, settings=settings)
    return {"runtime": mailing, LEDGER: JobLedger(mailing)}


async def run_job(
    community: Community, name: str, smtp: SmtpServer, result: object, **arguments: Any
) -> Any:
    """Run a job of the emails queue, and the mails it asks for; check its result."""
    async with community.api.runtime.unit_of_work() as uow:
        (job_id,) = uow.enqueue(getattr(jobs, name)(**arguments))
    await community.api.work("emails", ctx=context(community, smtp))
    job = (await community.api.get(f"/v1/jobs/{job_id}")).json()
    assert job["result"] == result, job
    return job


def body(mail: EmailMessage, form: str) -> str:
    """Return the plain text or the HTML of a mail."""
    part = mail.get_body((form,))
    assert part is not None
    return str(part.get_content())
