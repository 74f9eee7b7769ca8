"""A mail is sent once, in its own job; what failed is tried again, what is refused is not."""

import asyncio
import logging
from datetime import timedelta
from uuid import uuid4

import pytest

from service.emails import sending
from service.emails.actions import NewMail, record_bounce, send_many, suppress, unsuppress
from service.emails.jobs import MailUnconfirmed, send_call
from service.emails.models import MailState, SuppressionReason
from service.emails.queries import Pace, reserve
from service.errors import ConfigurationError, InvalidInput
from service.kit.clock import now
from service.providers.mail.contract import Unclear
from service.providers.mail.failures import MailDelayed, MailRefused
from service.providers.mail.smtp import Connection
from tests.emails.conftest import Post
from tests.servers.sendgrid import Faulty, SendGridServer
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio


async def test_a_mail_is_sent(post: Post, smtp: SmtpServer) -> None:
    """N063: one mail, one job; text is made of its HTML."""
    email_id = await post.send()
    (step,) = await post.run()
    assert (step.name, step.result, step.tries) == ("emails.send", "sent", 1)
    (mail,) = smtp.mails
    assert (mail.sender, mail.recipients) == ("almanac@example.org", ("ada@example.com",))
    assert mail.message["Message-ID"] == f"<{email_id}@example.org>"
    text, html = mail.message.iter_parts()
    assert (text.get_content().strip(), html.get_content().strip()) == ("Hi", "<p>Hi</p>")
    row = await post.row(email_id)
    assert (row.state, row.attempts, row.error, row.token) == ("sent", 1, None, None)
    assert (row.provider, row.provider_id) == ("smtp", "it is ours now")
    assert row.sent_at is not None


async def test_a_key_is_sent_once(post: Post, smtp: SmtpServer) -> None:
    """T083: whoever asks twice, and whatever job runs twice, makes one mail."""
    email_id = await post.send()
    assert await post.send() is None
    await post.run()
    async with post.runtime.unit_of_work() as uow:
        uow.enqueue(send_call(email_id, 9))
    (again,) = await post.run()
    assert again.result == "sent"
    assert len(smtp.mails) == 1


async def test_many_are_one_statement(post: Post, smtp: SmtpServer) -> None:
    """One that cannot be sent holds up no other, and is written down as refused."""
    mails = [NewMail("digest", f"d:{n}", f"r{n}@example.com", "S", text="T") for n in range(20)]
    mails.append(NewMail("digest", "d:bad", "nobody", "S\nBcc: x", text="T"))
    async with post.runtime.unit_of_work() as uow:
        assert await send_many(uow, mails) == 21
    async with post.runtime.unit_of_work() as uow:
        assert await send_many(uow, mails) == 0
        assert await send_many(uow, []) == 0
    assert len(await post.run()) == 20
    assert {mail.recipients[0] for mail in smtp.mails} == {f"r{n}@example.com" for n in range(20)}
    (bad,) = await post.api.sql("SELECT state, error FROM emails WHERE key = 'd:bad'")
    assert bad.state == "refused"
    assert bad.error.startswith("to is no mail address")
    assert "subject must be one line" in bad.error


async def test_two_failures_then_success(by_api: Post, sendgrid: SendGridServer) -> None:
    """T002, T025, N064: 500 twice, delivered at the third attempt, after 30 and 60 s."""
    sendgrid.faults.extend([Faulty(500), Faulty(500)])
    email_id = await by_api.send()
    waits = []
    for _ in range(2):
        began = now()
        (step,) = await by_api.run()
        assert isinstance(step.error, MailDelayed)
        assert step.run_at is not None
        waits.append(round((step.run_at - began).total_seconds()))
        assert (await by_api.row(email_id)).state == "retrying"
        assert await by_api.run() == [], "not before"
        await by_api.pass_time(waits[-1] + 1)
    assert waits == [30, 60]
    (third,) = await by_api.run()
    assert (third.result, third.tries) == ("sent", 3)
    (mail,) = sendgrid.mails
    assert (mail.to, mail.subject, mail.html) == ("ada@example.com", "Hello", "<p>Hi</p>")
    assert mail.arguments == {"delivery_id": str(email_id)}
    assert (await by_api.row(email_id)).attempts == 3


async def test_after_six_attempts_it_has_failed(post: Post, smtp: SmtpServer) -> None:
    """Five retries; then the row says so, and why."""
    smtp.judge = lambda _: "451 later"
    email_id = await post.send()
    waits = []
    for _ in range(5):
        began = now()
        (step,) = await post.run()
        assert step.run_at is not None
        waits.append(round((step.run_at - began).total_seconds()))
        await post.pass_time(waits[-1] + 1)
    assert waits == [30, 60, 120, 240, 480]
    (last,) = await post.run()
    assert last.run_at is None
    row = await post.row(email_id)
    assert (row.state, row.attempts, row.error) == ("failed", 6, "451 later")


async def test_what_the_provider_asks_to_wait_is_waited(
    by_api: Post, sendgrid: SendGridServer
) -> None:
    reset = int(now().timestamp()) + 300
    sendgrid.faults.append(Faulty(429, {"X-RateLimit-Reset": str(reset)}))
    await by_api.send()
    (step,) = await by_api.run()
    assert step.run_at is not None
    assert abs(step.run_at.timestamp() - reset) < 3


async def test_a_refusal_is_for_good(post: Post, smtp: SmtpServer) -> None:
    """An address that does not exist is suppressed at once; its next mail is not even tried."""
    smtp.refused = {"ada@example.com": "550 5.1.1 nobody called ada@example.com"}
    email_id = await post.send()
    (step,) = await post.run()
    assert isinstance(step.error, MailRefused)
    assert step.run_at is None
    row = await post.row(email_id)
    assert (row.state, row.error) == ("refused", "550 5.1.1 nobody called ada@example.com")
    smtp.refused = {}
    second = await post.send(NewMail("x", "x", "ADA@example.com", "Again", text="T"))
    (step,) = await post.run()
    assert step.result == "suppressed"
    assert (await post.row(second)).state == "suppressed"
    assert smtp.mails == []


async def test_three_soft_bounces_within_thirty_days(post: Post) -> None:
    """A refusal that is about the mail counts; older ones do not; unsuppressing forgets them."""
    moment = now()

    async def bounce(days_ago: float) -> bool:
        async with post.runtime.unit_of_work() as uow:
            at = moment - timedelta(days=days_ago)
            return await record_bounce(
                uow.session, "ada@example.com", hard=False, source="smtp", at=at, reason="552 full"
            )

    assert [await bounce(days) for days in (45, 20, 10)] == [False, False, False]
    assert await bounce(0) is True
    async with post.runtime.unit_of_work() as uow:
        await unsuppress(uow.session, "ada@example.com")
    assert await bounce(0) is False
    assert await post.api.count("suppressions") == 0


async def test_whom_nothing_is_mailed_to(post: Post, smtp: SmtpServer) -> None:
    """It is looked at when the mail is sent, not when it is asked for; in any spelling."""
    email_id = await post.send()
    async with post.runtime.unit_of_work() as uow:
        assert await suppress(uow.session, "Ada@Example.COM", SuppressionReason.COMPLAINT) is True
        assert await suppress(uow.session, "ada@example.com", SuppressionReason.MANUAL) is False
    (step,) = await post.run()
    assert step.result == "suppressed"
    assert (await post.row(email_id)).state == "suppressed"
    assert smtp.verbs == []


@pytest.mark.parametrize("arrived", ["drop", "take and drop"])
async def test_a_lost_answer_is_not_repeated(post: Post, smtp: SmtpServer, arrived: str) -> None:
    """Nobody knows whether it arrived: the job fails, and says so; nothing is sent twice."""
    smtp.failures.append(arrived)
    email_id = await post.send()
    (step,) = await post.run()
    assert isinstance(step.error, MailUnconfirmed)
    assert step.run_at is None
    assert (await post.row(email_id)).state == "unconfirmed"
    assert len(smtp.mails) == (arrived != "drop")


async def test_two_workers_send_it_once(post: Post, smtp: SmtpServer) -> None:
    """T083: the same mail by ten at once: one has it, the others look again."""
    email_id = await post.send()
    ends = await asyncio.gather(
        *(sending.send(post.runtime, email_id, last=False) for _ in range(10))
    )
    assert ends.count(MailState.SENT) >= 1
    assert all(end == MailState.SENT or isinstance(end, timedelta) for end in ends)
    assert len(smtp.mails) == 1


async def test_places_are_given_away_once(post: Post) -> None:
    """Twenty at once get no more than the day has."""

    async def ask() -> int:
        async with post.runtime.unit_of_work() as uow:
            return (await reserve(uow.session, 3, now(), Pace(per_day=10))).count

    counts = await asyncio.gather(*(ask() for _ in range(20)))
    assert sum(counts) == 10


async def test_killed_before_the_stamp(
    post: Post, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T083: a worker that dies while it connects has sent nothing; the next run sends it."""
    email_id = await post.send()
    with monkeypatch.context() as patch:

        async def killed(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(Connection, "_begin", killed)
        with pytest.raises(KeyboardInterrupt):
            await sending.send(post.runtime, email_id, last=False)
    assert (await post.row(email_id)).state == "queued"
    wait = await sending.send(post.runtime, email_id, last=False)
    assert isinstance(wait, timedelta), "its claim is not over"
    assert smtp.mails == []
    await post.pass_time(sending.CLAIM.total_seconds())
    (step,) = await post.run()
    assert step.result == "sent"
    assert len(smtp.mails) == 1


async def test_killed_after_the_stamp(
    post: Post, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """T083: a worker that dies with the content half sent: never sent again by itself."""
    email_id = await post.send()
    with monkeypatch.context() as patch:

        async def killed(*_: object) -> Unclear:
            raise KeyboardInterrupt

        patch.setattr(Connection, "_deliver", killed)
        with pytest.raises(KeyboardInterrupt):
            await sending.send(post.runtime, email_id, last=False)
    assert (await post.row(email_id)).state == "sending"
    await post.pass_time(sending.CLAIM.total_seconds())
    (step,) = await post.run()
    assert step.result == "unconfirmed"
    assert (await post.row(email_id)).state == "unconfirmed"
    assert smtp.mails == []


async def test_killed_before_the_outcome_is_written(
    post: Post, smtp: SmtpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is out, and no row says so: unconfirmed, and one mail."""
    email_id = await post.send()
    with monkeypatch.context() as patch:

        async def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(sending, "_settle", killed)
        with pytest.raises(KeyboardInterrupt):
            await sending.send(post.runtime, email_id, last=False)
    await post.pass_time(sending.CLAIM.total_seconds())
    (step,) = await post.run()
    assert step.result == "unconfirmed"
    assert len(smtp.mails) == 1


async def test_nothing_to_mail_with(post: Post, smtp: SmtpServer) -> None:
    """T083: a missing or wrong key is a job that failed and says which setting; no retry."""
    missing = post.varied(smtp_url=None, environment="production")
    email_id = await missing.send()
    (step,) = await missing.run()
    assert isinstance(step.error, ConfigurationError)
    assert step.run_at is None
    row = await missing.row(email_id)
    assert (row.state, row.error) == (
        "failed",
        "No mail can be sent: set SMTP_URL or SENDGRID_API_KEY",
    )
    assert smtp.verbs == []


async def test_a_mail_that_is_gone(post: Post) -> None:
    """Its job ends without effect, as every job whose row is gone."""
    async with post.runtime.unit_of_work() as uow:
        uow.enqueue(send_call(uuid4()))
    (step,) = await post.run()
    assert (step.result, step.error, step.run_at) == (None, None, None)


async def test_bad_mails_are_refused_whole(post: Post) -> None:
    """Every problem at once, and nothing is written."""
    bad = NewMail("x", "x", "a\r\n@x", " ", "<div>" * 300, "", "A\0", {"Bcc": "x", "X-A": "a\nb"})
    with pytest.raises(InvalidInput) as refused:
        await post.send(bad)
    fields = [problem.field for problem in refused.value.problems]
    assert fields == ["to", "name", "subject", "headers.Bcc", "headers.X-A", "html"]
    assert await post.api.count("emails") == 0
    assert await post.api.queued("emails") == []


async def test_no_address_is_logged(
    post: Post, smtp: SmtpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """T082: sent, refused and lost; no line from info on names anybody or says what was said."""
    caplog.set_level(logging.INFO)
    smtp.refused = {"bob@example.com": "550 nobody called bob@example.com"}
    smtp.failures.extend(["554 <ada@example.com> is spam", "drop"])
    for name in ("ada", "bob", "cid"):
        await post.send(NewMail("x", name, f"{name}@example.com", "Private", text="Secret"))
    assert len(await post.run()) == 3
    for secret in ("example.com", "Private", "Secret"):
        assert secret not in caplog.text


async def test_the_pace_is_everybodys(post: Post, smtp: SmtpServer) -> None:
    """The third mail of a second waits; after the day's number, all wait for the next day."""
    moment = now().replace(hour=12)
    pace = Pace(per_second=2, per_day=5)
    reserved = []
    for wanted in (1, 1, 4, 1):
        async with post.runtime.unit_of_work() as uow:
            reserved.append(await reserve(uow.session, wanted, moment, pace))
    assert [(each.count, each.at - moment) for each in reserved[:3]] == [
        (1, timedelta(0)),
        (1, timedelta(seconds=0.5)),
        (3, timedelta(seconds=1)),
    ]
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    assert (reserved[3].count, reserved[3].at) == (0, midnight)


async def test_a_used_up_day_is_waited_for(post: Post, smtp: SmtpServer) -> None:
    """The wait is no attempt, and the claim is given back."""
    limited = post.varied(mail_per_day=1)
    await limited.send()
    second = await limited.send(NewMail("x", "x", "bob@example.com", "S", text="T"))
    await limited.run()
    assert len(smtp.mails) == 1
    row = await limited.row(second)
    if row.state == "sent":  # the queue keeps no order between the two
        (row,) = await limited.api.sql("SELECT * FROM emails WHERE state <> 'sent'")
    assert (row.state, row.attempts, row.token) == ("queued", 0, None)
    assert len(await limited.api.queued("emails")) == 1
