"""The welcome: one mail to every new member, whatever is repeated."""

import asyncio
from uuid import uuid4

import pytest
import pytest_asyncio

from service.community import mail_actions
from tests.community_figures.helpers import NOON, Community
from tests.community_figures.mails import body, context, mail_server, run_job
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio
smtp = pytest_asyncio.fixture(mail_server)


async def test_registering_mails_one_welcome(community: Community, smtp: SmtpServer) -> None:
    """N003: exactly one mail with the member's name; a second run sends none."""
    api = community.api
    reply = await api.post(
        "/v1/members",
        {"email": "zoe@example.com", "username": "zoe", "display_name": "Zoë <script>"},
    )
    assert reply.status_code == 201, reply.text
    await api.work("emails", ctx=context(community, smtp))
    (mail,) = smtp.mails
    assert mail.recipients == ("zoe@example.com",)
    assert mail.message["Subject"] == "Welcome, Zoë <script>"
    assert "Zoë <script>" in body(mail.message, "plain")
    assert "Zoë &lt;script&gt;" in body(mail.message, "html")
    member = reply.json()["id"]
    await run_job(community, "welcome", smtp, False, member_id=member)
    assert len(smtp.mails) == 1


async def test_an_unknown_member_fails_for_good(community: Community, smtp: SmtpServer) -> None:
    """N003: the job is dead after its first run; nothing is mailed."""
    job = await run_job(community, "welcome", smtp, None, member_id=uuid4())
    assert (job["state"], job["error"]["type"]) == ("failed", "service.errors.NotFound")
    assert await community.api.queued("emails") == [], "it is not tried again"
    assert smtp.mails == []
    assert await community.api.count("emails") == 0


async def test_who_was_deactivated_meanwhile_gets_none(
    community: Community, smtp: SmtpServer
) -> None:
    """N003: nothing is mailed to who neither acts nor gets mail."""
    member = await community.member("Ada", is_active=False)
    await run_job(community, "welcome", smtp, False, member_id=member)
    assert smtp.mails == []


async def test_jobs_that_run_at_once_write_one_mail(community: Community) -> None:
    """N003: the member's row decides, not whether a job has run."""
    member, runtime = await community.member("Ada"), community.api.runtime

    async def welcome() -> bool:
        async with runtime.unit_of_work() as uow:
            return await mail_actions.welcome(uow, member, "Bakers")

    assert sorted(await asyncio.gather(*(welcome() for _ in range(5)))) == [False] * 4 + [True]
    assert await community.api.count("emails") == 1


async def test_killed_before_its_commit_it_is_written_by_the_next_run(
    community: Community, smtp: SmtpServer
) -> None:
    """N003: the mail and the mark are one transaction."""
    member, runtime = await community.member("Ada"), community.api.runtime
    with pytest.raises(KeyboardInterrupt):
        async with runtime.unit_of_work() as uow:
            assert await mail_actions.welcome(uow, member, "Bakers")
            raise KeyboardInterrupt
    assert await community.api.count("emails") == 0
    await run_job(community, "welcome", smtp, True, member_id=member)
    assert [mail.recipients for mail in smtp.mails] == [("ada@example.com",)]
    (welcomed,) = (await community.column("members", "welcomed_at")).values()
    assert welcomed >= NOON


async def test_sending_it_is_a_job_of_its_own(community: Community) -> None:
    """N003, N063: the welcome writes the mail down; that job tries again what is refused."""
    member = await community.member("Ada")
    async with community.api.runtime.unit_of_work() as uow:
        await mail_actions.welcome(uow, member, "Bakers")
    (email,) = await community.api.sql("SELECT id, key, kind FROM emails")
    assert (email.key, email.kind) == (f"welcome:{member}", "welcome")
    assert any(str(email.id) in job for job in await community.api.queued("emails"))
