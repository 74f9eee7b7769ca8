"""What providers and mail servers tell: believed if signed, acted upon once."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.emails.conftest import HELLO, Post
from tests.mail.test_others import REPORT
from tests.servers.sendgrid import Faulty, SendGridServer, Sent
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.asyncio

PATH = "/v1/emails/events/sendgrid"


async def tell(post: Post, application: FastAPI, sendgrid: SendGridServer, *events: Any) -> int:
    """Post signed events as SendGrid does; return how many were new."""
    body, headers = sendgrid.signed(*events)
    changed = post.runtime.settings.model_copy(update={"sendgrid_events_key": sendgrid.events_key})
    application.state.runtime = post.varied(sendgrid_events_key=sendgrid.events_key).runtime
    assert application.state.runtime.settings == changed
    reply = await post.api.http.post(PATH, content=body, headers=headers)
    assert reply.status_code == 200, reply.text
    recorded: int = reply.json()["recorded"]
    return recorded


async def sent(
    post: Post, sendgrid: SendGridServer, fault: Faulty | None = None
) -> tuple[Any, Sent]:
    """Send a mail; return its id, and what SendGrid has."""
    if fault:
        sendgrid.faults.append(fault)
    email_id = await post.send()
    await post.run()
    return email_id, sendgrid.mails[-1]


async def test_only_signed_events_are_taken(
    by_api: Post, application: FastAPI, sendgrid: SendGridServer
) -> None:
    body, headers = sendgrid.signed({"event": "open"})
    unset: httpx.Response = await by_api.api.http.post(PATH, content=body, headers=headers)
    assert unset.status_code == 404
    await tell(by_api, application, sendgrid)
    for content, given in ((body + b" ", headers), (body, {}), (b"", headers)):
        reply = await by_api.api.http.post(PATH, content=content, headers=given)
        assert reply.status_code == 401
    assert await by_api.api.count("mail_events") == 0


@pytest.mark.parametrize("kind", ["processed", "delivered"])
async def test_an_unconfirmed_mail_is_confirmed(
    by_api: Post, application: FastAPI, sendgrid: SendGridServer, kind: str
) -> None:
    """The answer was lost; the event tells that it went out."""
    email_id, mail = await sent(by_api, sendgrid, Faulty(taken=True))
    assert (await by_api.row(email_id)).state == "unconfirmed"
    assert await tell(by_api, application, sendgrid, sendgrid.event(mail, kind)) == 1
    row = await by_api.row(email_id)
    assert (row.state, row.error) == ("sent", None)
    assert row.sent_at is not None


async def test_a_bounce_is_acted_upon_once(
    by_api: Post, application: FastAPI, sendgrid: SendGridServer
) -> None:
    """Replayed, alone or among others, it changes nothing; the mail shows what was told."""
    email_id, mail = await sent(by_api, sendgrid)
    reason = "550 5.1.1 nobody"
    bounce = sendgrid.event(mail, "bounce", type="bounce", reason=reason, status="5.1.1")
    delivered = sendgrid.event(mail, "delivered", timestamp=1)
    assert await tell(by_api, application, sendgrid, bounce, bounce) == 1
    row = await by_api.row(email_id)
    assert (row.state, row.error) == ("refused", reason)
    assert await tell(by_api, application, sendgrid, bounce, delivered, bounce) == 1
    assert (await by_api.row(email_id)).state == "refused"
    (suppression,) = await by_api.api.sql("SELECT * FROM suppressions")
    assert (suppression.address, suppression.reason, suppression.by) == (
        "ada@example.com",
        "bounce",
        "sendgrid",
    )
    assert await by_api.api.count("bounces") == 1
    shown = (await by_api.api.get(f"/v1/emails/{email_id}")).json()
    assert [event["kind"] for event in shown["events"]] == ["delivered", "bounced"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"event": "spamreport"}, "complaint"),
        ({"event": "unsubscribe"}, "unsubscribe"),
        ({"event": "dropped", "reason": "Bounced Address"}, "bounce"),
        ({"event": "bounce", "type": "blocked", "reason": "554 spam"}, None),
        ({"event": "deferred", "response": "450 later"}, None),
        ({"event": "open"}, None),
        ({"event": "unheard_of"}, None),
    ],
)
async def test_what_ends_all_mail_to_an_address(
    by_api: Post,
    application: FastAPI,
    sendgrid: SendGridServer,
    event: dict[str, str],
    reason: str | None,
) -> None:
    _, mail = await sent(by_api, sendgrid)
    await tell(by_api, application, sendgrid, {**sendgrid.event(mail, ""), **event})
    found = await by_api.api.sql("SELECT reason FROM suppressions")
    assert [row.reason for row in found] == ([reason] if reason else [])


async def test_a_delivery_forgets_soft_bounces(
    by_api: Post, application: FastAPI, sendgrid: SendGridServer
) -> None:
    """Three that are not in a row silence nobody."""
    _, mail = await sent(by_api, sendgrid)

    def blocked() -> dict[str, Any]:
        return sendgrid.event(mail, "bounce", type="blocked", reason="554 spam")

    await tell(by_api, application, sendgrid, blocked(), blocked())
    await tell(by_api, application, sendgrid, sendgrid.event(mail, "delivered"))
    await tell(by_api, application, sendgrid, blocked(), blocked())
    assert await by_api.api.count("suppressions") == 0
    await tell(by_api, application, sendgrid, blocked())
    assert await by_api.api.count("suppressions") == 1


async def test_events_that_are_not_ours_are_harmless(
    by_api: Post, application: FastAPI, sendgrid: SendGridServer
) -> None:
    """Of no mail of ours, of a delivery that is gone, with U+0000 in them, or no events at all."""
    foreign = {"event": "open", "timestamp": 1, "email": "x@example.com"}
    events = [
        {**foreign, "sg_event_id": "a"},
        {**foreign, "sg_event_id": "b", "delivery_id": "no uuid"},
        {**foreign, "sg_event_id": "c", "delivery_id": "01a20000-0000-7000-8000-000000000000"},
        {**foreign, "sg_event_id": "d\0", "useragent": "\0\ud800"},
        {**foreign, "event": "bounce", "sg_event_id": "e", "email": "not an address"},
        *(None, 7, {"sg_event_id": "f"}),
    ]
    assert await tell(by_api, application, sendgrid, *events) == 5
    assert await tell(by_api, application, sendgrid, *events) == 0
    assert await by_api.api.count("bounces") == 0


async def test_a_mail_server_pipes_a_bounce(post: Post, smtp: SmtpServer) -> None:
    """RFC 3464: found by its Message-ID, or as the last mail that went to the address."""
    email_id = await post.send()
    await post.run()
    facts = {"action": "failed", "status": "5.1.1", "said": "550 nobody", "kind": "message/rfc822"}
    report = REPORT.format(**facts)
    named = report.replace("0190-abc", str(email_id)).encode()
    path = "/v1/emails/events/bounce"
    for recorded in (1, 0):
        reply = await post.api.request("POST", path, content=named)
        assert (reply.status_code, reply.json()) == (200, {"recorded": recorded})
    assert (await post.row(email_id)).state == "refused"
    assert await post.api.count("suppressions") == 1
    await post.api.sql("UPDATE emails SET state = 'sent'")
    reply = await post.api.request("POST", path, content=report.encode())
    assert reply.json() == {"recorded": 1}
    assert (await post.row(email_id)).state == "refused"
    for bad in (b"", b"Hello", b"\0\xff"):
        assert (await post.api.request("POST", path, content=bad)).status_code == 422
    reader = await post.api.new_key("content:read")
    assert (await post.api.request("POST", path, content=named, key=reader)).status_code == 403
    assert HELLO.to == "ada@example.com"
