"""Mails over HTTP: send, list, show, send again; and whom nothing is mailed to."""

from datetime import timedelta
from typing import Any

import pytest

from service.emails.actions import forget
from tests.emails.conftest import Post
from tests.servers.smtp import SmtpServer
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio

HELLO = {"to": "Ada@EXAMPLE.com", "name": "Ada", "subject": "Hello", "html": "<h1>Hi</h1>"}


async def test_a_mail_is_sent_and_shown(post: Post, smtp: SmtpServer) -> None:
    """T025: send_email_async(to, subject, html)."""
    reply = await post.api.post("/v1/emails", HELLO)
    assert reply.status_code == 201, reply.text
    made = reply.json()
    assert (made["to"], made["state"], made["attempts"]) == ("Ada@example.com", "queued", 0)
    await post.run()
    assert len(smtp.mails) == 1
    shown = (await post.api.get(f"/v1/emails/{made['id']}")).json()
    assert (shown["state"], shown["text"], shown["html"]) == ("sent", "Hi\n==\n", "<h1>Hi</h1>")
    assert shown["events"] == []
    lists = {
        "?state=sent": 1,
        "?state=queued": 0,
        "?kind=api": 1,
        "?kind=x": 0,
        "?address=Ada@example.com": 1,
    }
    for query, count in lists.items():
        items = (await post.api.get(f"/v1/emails{query}")).json()["items"]
        assert len(items) == count, query


async def test_a_key_is_the_callers_own(post: Post, smtp: SmtpServer) -> None:
    """The same key of the same caller is the same mail; another's is another."""
    other = await post.api.new_key("content:write", user="other")
    first = await post.api.post("/v1/emails", {**HELLO, "key": "k"})
    again = await post.api.post("/v1/emails", {**HELLO, "key": "k"})
    theirs = await post.api.post("/v1/emails", {**HELLO, "key": "k"}, key=other)
    assert (first.status_code, again.status_code, theirs.status_code) == (201, 200, 201)
    assert first.json()["id"] == again.json()["id"] != theirs.json()["id"]
    headers = {"Idempotency-Key": "once"}
    one = await post.api.post("/v1/emails", HELLO, headers=headers)
    two = await post.api.post("/v1/emails", HELLO, headers=headers)
    assert one.json()["id"] == two.json()["id"]
    await post.run()
    assert len(smtp.mails) == 3


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to": "nobody"}, "to"),
        ({"to": "a@example.com\r\nBcc: b@example.com"}, "to"),
        ({"name": "A\nBcc: b@example.com"}, "name"),
        ({"subject": "S\r\nBcc: b@example.com"}, "subject"),
        ({"subject": "\0"}, "subject"),
        ({"subject": " "}, "subject"),
        ({"html": ""}, "html"),
        ({"html": "<div>" * 300}, "html"),
        ({"html": "x" * 500_001}, "html"),
        ({"cc": "b@example.com"}, "cc"),
    ],
)
async def test_bad_mails_are_refused(api: Installation, change: dict[str, Any], field: str) -> None:
    """Header injection, bad addresses, NUL: named by field, and nothing is written."""
    reply = await api.post("/v1/emails", {**HELLO, **change})
    assert reply.status_code == 422
    assert any(name.endswith(field) for name in problems(reply)), reply.text
    assert await api.count("emails") == 0
    assert await api.queued("emails") == []


async def test_others_mails_are_not_shown(post: Post) -> None:
    """Also not those of the system itself; and who may only read does not send."""
    made = (await post.api.post("/v1/emails", HELLO)).json()
    await post.send()
    other = await post.api.new_key("content:read", "content:write", user="other")
    reader = await post.api.new_key("content:read", user="reader")
    path = f"/v1/emails/{made['id']}"
    assert (await post.api.get(path, key=other)).status_code == 404
    assert (await post.api.post(f"{path}/retry", {}, key=other)).status_code == 404
    assert (await post.api.get("/v1/emails", key=other)).json()["items"] == []
    assert len((await post.api.get("/v1/emails")).json()["items"]) == 2
    assert (await post.api.post("/v1/emails", HELLO, key=reader)).status_code == 403


async def test_sending_again(post: Post, smtp: SmtpServer) -> None:
    """What did not go out, and what nobody knows of; it says which. What was sent is refused."""
    smtp.failures.extend(["554 no", "take and drop"])
    made = (await post.api.post("/v1/emails", HELLO)).json()
    path = f"/v1/emails/{made['id']}"
    await post.run()
    assert (await post.api.get(path)).json()["state"] == "refused"
    reply = await post.api.post(f"{path}/retry", {})
    assert (reply.status_code, reply.json()["note"]) == (200, "it did not go out before")
    assert reply.json()["email"]["state"] == "queued"
    await post.run()
    assert (await post.api.get(path)).json()["state"] == "unconfirmed"
    reply = await post.api.post(f"{path}/retry", {})
    assert "may arrive twice" in reply.json()["note"]
    await post.run()
    assert (await post.api.get(path)).json()["state"] == "sent"
    assert len(smtp.mails) == 2
    assert (await post.api.post(f"{path}/retry", {})).status_code == 409
    noted = await post.api.sql("SELECT action FROM audit_log WHERE action = 'emails.retry'")
    assert len(noted) == 2


async def test_what_an_old_mail_said_is_forgotten(post: Post, smtp: SmtpServer) -> None:
    """Its row and its key stay: asked for again, it is not sent again; nor can it be retried."""
    old = (await post.api.post("/v1/emails", {**HELLO, "key": "old"})).json()
    await post.run()
    new = (await post.api.post("/v1/emails", {**HELLO, "key": "new"})).json()
    await post.api.sql("UPDATE emails SET created_at = created_at - interval '31 days'")
    async with post.runtime.unit_of_work() as uow:
        assert await forget(uow.session, timedelta(days=30)) == 1
        assert await forget(uow.session, timedelta(days=30)) == 0
    shown = [(await post.api.get(f"/v1/emails/{each['id']}")).json() for each in (old, new)]
    assert [each["html"] for each in shown] == ["", "<h1>Hi</h1>"], "what is to be sent stays"
    again = await post.api.post("/v1/emails", {**HELLO, "key": "old"})
    assert (again.status_code, again.json()["id"]) == (200, old["id"])
    await post.api.sql("UPDATE emails SET state = 'refused'")
    refused = await post.api.post(f"/v1/emails/{old['id']}/retry", {})
    assert (refused.status_code, len(smtp.mails)) == (409, 1)


async def test_suppressions(post: Post, smtp: SmtpServer) -> None:
    """Anybody who writes may add one; only administrators see them and take one away."""
    writer = await post.api.new_key("content:read", "content:write", user="writer")
    body = {"address": "Ada@Example.com", "reason": "complaint", "detail": "by phone"}
    reply = await post.api.post("/v1/emails/suppressions", body, key=writer)
    assert reply.status_code == 201, reply.text
    found = reply.json()
    assert (found["address"], found["reason"], found["by"]) == (
        "ada@example.com",
        "complaint",
        "writer",
    )
    again = await post.api.post("/v1/emails/suppressions", {"address": "ada@example.com"})
    assert (again.status_code, again.json()["id"]) == (200, found["id"])
    bad = await post.api.post("/v1/emails/suppressions", {"address": "nobody"})
    assert list(problems(bad)) == ["address"]
    assert (await post.api.get("/v1/emails/suppressions", key=writer)).status_code == 403
    made = (await post.api.post("/v1/emails", HELLO)).json()
    await post.run()
    assert (await post.api.get(f"/v1/emails/{made['id']}")).json()["state"] == "suppressed"
    path = f"/v1/emails/suppressions/{found['id']}"
    assert (await post.api.request("DELETE", path, key=writer)).status_code == 403
    assert (await post.api.request("DELETE", path)).status_code == 204
    assert (await post.api.request("DELETE", path)).status_code == 404
    assert (await post.api.get("/v1/emails/suppressions")).json()["items"] == []
    assert smtp.mails == []
    (noted,) = await post.api.sql(
        "SELECT subject, detail FROM audit_log WHERE action = 'emails.suppress'"
    )
    assert "example.com" not in f"{noted.subject}{noted.detail}"
