"""What users are told, over the API: their own only, and how they want to be told."""

from typing import Any

import pytest

from service.notifications.actions import News
from tests.access.helpers import actions_noted
from tests.support import Installation, problems

from .helpers import mails, tell, told, user

pytestmark = pytest.mark.asyncio
MINE, SETTINGS = "/v1/notifications/mine", "/v1/notifications/settings"


async def key_of(api: Installation, name: str) -> str:
    """Return a key of a user that may do nothing in particular."""
    return await api.new_key("backups:operate", user=name)


async def test_one_sees_and_reads_one_s_own(api: Installation) -> None:
    """T029: whatever one may do otherwise; an admin sees no other's either."""
    ann = await user(api, "ann")
    await tell(api, ann, News("One", "text", "/posts", "test"), News("Two"), News("Three"))
    key = await key_of(api, "ann")
    page = (await api.get(MINE, params={"limit": 2}, key=key)).json()
    assert [item["title"] for item in page["items"]] == ["Three", "Two"]
    rest = await api.get(MINE, params={"limit": 2, "cursor": page["next_cursor"]}, key=key)
    (one,) = rest.json()["items"]
    assert rest.json()["next_cursor"] is None
    shown = [one[name] for name in ("kind", "title", "text", "link", "read_at")]
    assert shown == ["test", "One", "text", "/posts", None]
    assert (await api.get(MINE)).json()["items"] == []
    path = f"{MINE}/{one['id']}/read"
    assert (await api.post(path, None)).status_code == 404, "the admin's it is not"
    read = await api.post(path, None, key=key)
    assert (read.status_code, read.json()["read_at"] is None) == (200, False)
    unread = (await api.get(MINE, params={"unread": True}, key=key)).json()["items"]
    assert [item["title"] for item in unread] == ["Three", "Two"]
    assert (await api.post(f"{MINE}/read", None)).json() == {"read": 0}
    assert (await api.post(f"{MINE}/read", None, key=key)).json() == {"read": 2}
    assert (await api.get(MINE, params={"unread": True}, key=key)).json()["items"] == []


async def test_an_admin_tells_a_user_or_everybody(api: Installation) -> None:
    """T029: once under a key, or for a repeated request; noted without what was said."""
    ann, bob = await user(api, "ann"), await user(api, "bob")
    body = {"user": "ann", "title": "Sunday", "text": "We move.", "key": "sunday"}
    again = {"headers": {"Idempotency-Key": "a"}}
    replies = [await api.post("/v1/notifications", body, **again) for _ in range(2)]
    assert [(reply.status_code, reply.json()) for reply in replies] == [(201, {"told": 1})] * 2
    everybody = {"everybody": True, "title": "Sunday", "key": "sunday"}
    assert (await api.post("/v1/notifications", everybody)).json() == {"told": 2}
    assert (await told(api, ann), await told(api, bob)) == ([("Sunday", "none")],) * 2
    assert await actions_noted(api) == [
        ("admin", "notifications.tell", "user:ann"),
        ("admin", "notifications.tell", "everybody"),
    ]
    (row, _) = await api.sql("SELECT detail FROM audit_log ORDER BY id")
    assert row.detail == {"told": 1}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"title": "Nobody"}, {"body"}),
        ({"title": "Both", "user": "ann", "everybody": True}, {"body"}),
        ({"title": "", "user": "ann"}, {"title"}),
        ({"title": "a\nb", "user": "ann"}, {"title"}),
        ({"title": "x" * 201, "text": "x" * 10_001, "user": "ann"}, {"title", "text"}),
        ({"title": "Who?", "user": "nobody"}, {"user"}),
        ({"title": "Who?", "user": "a\x00"}, {"user"}),
        ({"title": "Gone", "user": "eve"}, {"user"}),
        ({"title": "\u202e", "link": "javascript:alert(1)", "user": "ann"}, {"title", "link"}),
    ],
)
async def test_what_cannot_be_told(
    api: Installation, body: dict[str, Any], fields: set[str]
) -> None:
    """Every problem in one answer; nobody is told, nothing noted."""
    await user(api, "ann")
    await api.sql("UPDATE users SET disabled_at = now() WHERE id = :id", id=await user(api, "eve"))
    reply = await api.post("/v1/notifications", body)
    assert (reply.status_code, set(problems(reply))) == (422, fields), reply.text
    assert (await api.count("user_notifications"), await api.count("audit_log")) == (0, 0)


async def test_how_one_wants_to_be_told(api: Installation) -> None:
    """Off until one says so; a mail needs an address that can be one."""
    await user(api, "ann")
    key = await key_of(api, "ann")
    assert (await api.get(SETTINGS, key=key)).json() == {"email": None, "mail": "off"}
    for body in (
        {"mail": "digest"},
        {"mail": "off", "email": "not an address"},
        {"mail": "digest", "email": "a@b.example\r\nBcc: x@y.example"},
    ):
        refused = await api.request("PUT", SETTINGS, json=body, key=key)
        assert (refused.status_code, list(problems(refused))) == (422, ["email"])
    assert await api.count("notification_settings") == 0
    wanted = {"email": "ann@Example.com", "mail": "immediately"}
    kept = await api.request("PUT", SETTINGS, json=wanted, key=key)
    assert kept.json() == {"email": "ann@example.com", "mail": "immediately"}
    assert (await api.get(SETTINGS, key=key)).json() == kept.json()
    assert (await api.get(SETTINGS)).json() == {"email": None, "mail": "off"}
    await api.post("/v1/notifications", {"user": "ann", "title": "Hello"})
    await api.work("notifications")
    assert [(mail.address, mail.subject) for mail in await mails(api)] == [
        ("ann@example.com", "Hello")
    ]
    (row,) = await api.sql("SELECT detail FROM audit_log WHERE action = 'notifications.settings'")
    assert row.detail == {"mail": "immediately"}, "and no address"
