"""The end of an account, and new credentials of one: what is cancelled, kept, wiped, refused."""

from uuid import UUID

import pytest

from service.accounts.actions import unseal
from tests.access.helpers import actions_noted
from tests.support import Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio


async def scheduled(api: Installation, account: str, text: str = "Comes") -> str:
    """Schedule a post in an hour; return its id."""
    post = await api.schedule([account], text, publish_at=in_seconds(3600))
    return str(post["id"])


async def remove(api: Installation, account: str, query: str = "", key: str | None = None) -> int:
    """Ask to remove an account; return the status."""
    reply = await api.request("DELETE", f"/v1/accounts/{account}{query}", key=key)
    return reply.status_code


async def test_an_account_without_posts_is_removed(api: Installation) -> None:
    """Its credentials are gone from the row; nobody can post to it; its row stays."""
    account = await api.connect(credentials={"handle": "news"})
    assert await remove(api, account) == 204
    (row,) = await api.sql("SELECT credentials, session FROM accounts")
    for what in ("credentials", "session"):
        assert unseal(api.runtime.keyring, UUID(account), what, getattr(row, what)) == {}
    assert (await api.get("/v1/accounts")).json()["items"] == []
    assert (await api.get(f"/v1/accounts/{account}")).json()["state"] == "disconnected"
    (listed,) = (await api.get("/v1/accounts?state=disconnected")).json()["items"]
    assert listed["id"] == account
    for body in ({"text": "x", "accounts": [account]}, {"text": "x", "platforms": ["feed"]}):
        assert (await api.post("/v1/posts", body)).status_code == 422
    assert await remove(api, account) == 409
    assert await api.connect(credentials={"handle": "news"}) == account, "it comes back"
    assert (await api.get(f"/v1/accounts/{account}")).json()["state"] == "active"


async def test_what_is_scheduled_is_cancelled_only_if_asked(api: Installation) -> None:
    account, other = await api.connect(), await api.connect()
    post = await scheduled(api, account)
    kept = await scheduled(api, other)
    reply = await api.request("DELETE", f"/v1/accounts/{account}")
    assert reply.status_code == 409
    assert "Posts still to go to this account: 1." in reply.json()["detail"]
    assert (await api.get(f"/v1/accounts/{account}")).json()["state"] == "active"
    assert await remove(api, account, "?cancel_posts=true") == 204
    assert (await api.read_post(post))["state"] == "cancelled"
    assert (await api.read_post(kept))["state"] == "scheduled"
    (row,) = await api.sql("SELECT detail FROM audit_log WHERE action = 'accounts.remove'")
    assert row.detail["cancelled"] == 1
    assert len([a for a in await actions_noted(api) if a[1] == "accounts.remove"]) == 1


async def test_cancelling_needs_the_right_to_write_posts(api: Installation) -> None:
    key = await api.new_key("settings:write", user="bob")
    account = await api.connect(key=key)
    assert await remove(api, account, "?cancel_posts=true", key=key) == 403
    (row,) = await api.sql("SELECT state FROM accounts")
    assert row.state == "active"
    assert await remove(api, account, key=key) == 204


async def test_what_may_be_out_is_not_called_cancelled(api: Installation) -> None:
    """Of a commit without an answer nobody will know; one under way is waited for."""
    account = await api.connect()
    post = await scheduled(api, account)
    stamped = (
        "UPDATE deliveries SET state = 'publishing', commit_started_at = now(), "
        "claimed_until = now() + interval '{}', claim_token = gen_random_uuid()"
    )
    await api.sql(stamped.format("1 min"))
    reply = await api.request("DELETE", f"/v1/accounts/{account}?cancel_posts=true")
    assert reply.status_code == 409
    assert "on its way to this account right now" in reply.json()["detail"]
    await api.sql(stamped.format("-1 min"))
    assert await remove(api, account, "?cancel_posts=true") == 204
    (delivery,) = (await api.read_post(post))["deliveries"]
    assert delivery["state"] == "unconfirmed"
    assert delivery["error"].startswith("The account was removed before it was known")


async def test_drafts_outlive_their_account(api: Installation) -> None:
    account = await api.connect()
    reply = await api.post("/v1/posts", {"text": "Later", "accounts": [account], "draft": True})
    assert reply.status_code == 201, reply.text
    assert await remove(api, account) == 204
    post = await api.read_post(reply.json()["id"])
    assert (post["state"], post["deliveries"]) == ("draft", [])


async def test_a_late_renewal_does_not_bring_credentials_back(api: Installation) -> None:
    """A worker that still publishes writes no session into an account that is removed."""
    account = await api.connect()
    await api.schedule([account], "Now")
    assert await remove(api, account, "?cancel_posts=true") == 204
    await api.work()
    (row,) = await api.sql("SELECT state FROM accounts")
    assert row.state == "disconnected"
    (row,) = await api.sql("SELECT state FROM deliveries")
    assert row.state == "cancelled"


async def test_new_credentials_are_those_of_the_same_account(api: Installation) -> None:
    account = await api.connect(credentials={"handle": "news"})
    path = f"/v1/accounts/{account}/reconnect"
    reply = await api.post(path, {"credentials": {"handle": "other"}})
    assert reply.status_code == 422
    assert problems(reply)["credentials"].startswith("These are the credentials of other")
    reply = await api.post(path, {"credentials": {}})
    assert "credentials.handle" in problems(reply)
    reply = await api.post(path, {"credentials": {"handle": "news", "display_name": "News"}})
    assert (reply.status_code, reply.json()["display_name"]) == (200, "News")
    assert [a[1] for a in await actions_noted(api)][-1] == "accounts.reconnect"


async def test_lists_are_filtered(api: Installation) -> None:
    await api.connect()
    loud = await api.connect("x", {"handle": "loud"})
    items = (await api.get("/v1/accounts?platform=x")).json()["items"]
    assert [item["id"] for item in items] == [loud]
    assert (await api.get("/v1/accounts?state=lost")).status_code == 422
