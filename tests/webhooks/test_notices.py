"""Notices: a job that fails for good is one incident, in the list and by mail."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from pydantic import SecretStr

from service.notifications import mailing
from service.notifications.rules import QUIET
from service.providers.mail.failures import MailDelayed, MailRefused
from tests.servers.smtp import SmtpServer
from tests.support import Installation
from tests.webhooks.helpers import context, notices, run_job, told, varied

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


def mails_to(smtp: SmtpServer, **settings: Any) -> dict[str, Any]:
    """Return the settings under which incidents are mailed."""
    return {
        "smtp_url": SecretStr(smtp.url),
        "alert_mail": ("ops@example.org", "boss@example.org"),
        "mail_from": "Almanac <almanac@example.org>",
        **settings,
    }


async def work(api: Installation, **settings: Any) -> None:
    """Run what is due in the maintenance queue."""
    await api.work("maintenance", ctx=context(varied(api.runtime, **settings)))


@pytest.mark.parametrize("durable", [True, False])
async def test_a_final_failure_is_one_notice(api: Installation, durable: bool) -> None:
    """V048: two tries, one notice; a job that succeeds makes none."""
    await run_job(api, told(number=13).deferred(job_id="a"), told(number=1), durable=durable)
    (notice,) = await notices(api)
    assert (notice["kind"], notice["count"], notice["read_at"]) == ("job.failed", 1, None)
    assert notice["title"] == "tests.told failed: ValueError"
    assert notice["text"] == "Job a of tests.told failed for good. ValueError: bad luck"
    assert await api.queued("maintenance") == [], "no mail is asked for"


async def test_what_happens_again_is_counted_until_it_was_quiet_or_resolved(
    api: Installation,
) -> None:
    await run_job(api, told(number=13), told(number=13))
    await run_job(api, told(number=13))
    (lasting,) = await notices(api)
    assert lasting["count"] == 3
    await api.sql("UPDATE notices SET last_at = last_at - cast(:quiet AS interval)", quiet=QUIET)
    await run_job(api, told(number=13))
    assert [notice["count"] for notice in await notices(api)] == [1, 3]
    newest = (await notices(api))[0]
    resolved = await api.post(f"/v1/notifications/{newest['id']}/resolve", {})
    assert resolved.json()["resolved_at"] is not None
    await run_job(api, told(number=13))
    assert [notice["count"] for notice in await notices(api)] == [1, 1, 3]


async def test_reading(api: Installation) -> None:
    await run_job(api, told(number=13))
    (notice,) = await notices(api)
    reader = await api.new_key("jobs:read")
    path = f"/v1/notifications/{notice['id']}"
    assert (await api.post(f"{path}/resolve", {}, key=reader)).status_code == 403
    assert (await api.post(f"{path}/read", {}, key=reader)).json()["read_at"] is not None
    assert (await api.get("/v1/notifications?unread=true")).json()["items"] == []
    assert (await api.post("/v1/notifications/read", {})).json() == {"read": 0}
    await api.sql("UPDATE notices SET owner_id = (SELECT min(id::text)::uuid FROM users)")
    stranger = await api.new_key("jobs:read", "jobs:operate", user="stranger")
    assert (await api.post(f"{path}/read", {}, key=stranger)).status_code == 404
    assert (await api.post(f"{path}/resolve", {}, key=stranger)).status_code == 404


async def test_one_mail_per_incident(api: Installation, smtp: SmtpServer) -> None:
    """V048: one mail to everybody named, however often the job fails."""
    settings = mails_to(smtp)
    await run_job(api, told(number=13), told(number=13), **settings)
    await work(api, **settings)
    assert [(mail.sender, mail.recipients) for mail in smtp.mails] == [
        ("almanac@example.org", ("ops@example.org",)),
        ("almanac@example.org", ("boss@example.org",)),
    ]
    mail = smtp.mails[0]
    assert mail.message["Subject"] == "[Almanac] tests.told failed: ValueError"
    text = mail.message.get_content()
    assert "ValueError: bad luck" in text
    assert "http://almanac.test/notifications" in text
    (notice,) = await notices(api)
    assert notice["id"] in mail.message["Message-ID"]
    assert notice["mailed_at"] is not None
    await run_job(api, told(number=13), **settings)
    await mailing.mail_notice(varied(api.runtime, **settings), notice["id"])
    await work(api, **settings)
    assert len(smtp.mails) == 2


async def test_what_the_mail_server_says_decides(api: Installation, smtp: SmtpServer) -> None:
    """4xx and a broken connection mean later, 5xx never; one recipient of two is enough."""
    settings = mails_to(smtp)
    await run_job(api, told(number=13))
    (notice,) = await notices(api)
    runtime = varied(api.runtime, **settings)
    smtp.failures.extend(["451 busy"] * 2)
    with pytest.raises(MailDelayed, match="451 busy"):
        await mailing.mail_notice(runtime, notice["id"])
    smtp.failures.extend(["554 never"] * 2)
    with pytest.raises(MailRefused, match="554 never"):
        await mailing.mail_notice(runtime, notice["id"])
    smtp.refused = {"ops@example.org": "550 nobody", "boss@example.org": "450 later"}
    with pytest.raises(MailDelayed, match="450 later"):
        await mailing.mail_notice(runtime, notice["id"])
    smtp.refused = dict.fromkeys(smtp.refused, "550 nobody")
    with pytest.raises(MailRefused, match="550 nobody"):
        await mailing.mail_notice(runtime, notice["id"])
    assert smtp.mails == []
    nowhere = varied(api.runtime, **{**settings, "smtp_url": SecretStr("smtp://127.0.0.1:1")})
    with pytest.raises(MailDelayed):
        await mailing.mail_notice(nowhere, notice["id"])
    assert (await notices(api))[0]["mailed_at"] is None
    del smtp.refused["boss@example.org"]
    await mailing.mail_notice(runtime, notice["id"])
    assert [mail.recipients for mail in smtp.mails] == [("boss@example.org",)]


@pytest.mark.parametrize("frequency", ["daily", "off"])
async def test_the_digest(api: Installation, smtp: SmtpServer, frequency: str) -> None:
    """All of a day in one mail, and none of it again; or no mails at all."""
    settings = mails_to(smtp, alert_frequency=frequency)
    await run_job(api, told(number=13), **settings)
    await api.sql("UPDATE notices SET open = false")
    await run_job(api, told(number=13), told(number=13), **settings)
    assert await api.queued("maintenance") == []
    runtime = varied(api.runtime, **settings)
    expected = 2 if frequency == "daily" else 0
    assert await mailing.mail_digest(runtime) == expected
    assert await mailing.mail_digest(runtime) == 0
    assert len(smtp.mails) == 2 * (frequency == "daily"), "one to each"
    for mail in smtp.mails:
        assert mail.message["Subject"] == "[Almanac] 2 incidents"
        text = mail.message.get_content()
        assert text.index("seen 1: tests.told failed") < text.index("seen 2: tests.told failed")
