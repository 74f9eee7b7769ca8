"""API keys: who may make which, when they end, and what is shown of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support import Installation, in_seconds, problems

from .helpers import actions_noted

pytestmark = pytest.mark.asyncio


async def make(api: Installation, key: str | None = None, **body: Any) -> Any:
    """Make a key and return the reply's body."""
    reply = await api.post("/v1/keys", {"name": "a key", "scopes": ["posts:read"], **body}, key=key)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def test_a_key_is_shown_once(api: Installation) -> None:
    """V083, V082: neither the list nor a repeat of the request nor the database has it."""
    body = {"name": "import", "scopes": ["posts:write"], "expires_at": in_seconds(3600)}
    once = {"Idempotency-Key": "one"}
    first = await api.post("/v1/keys", body, headers=once)
    made = first.json()
    assert made["key"].startswith(made["prefix"])
    assert (made["user"], made["scopes"], made["revoked_at"]) == ("admin", ["posts:write"], None)
    again = await api.post("/v1/keys", body, headers=once)
    assert again.json() == {**made, "key": None}
    listed = (await api.get("/v1/keys")).json()["items"]
    assert [key["name"] for key in listed] == ["import", "admin"]
    assert "key" not in listed[0]
    assert (await api.get("/v1/posts", key=made["key"])).status_code == 403
    dump = await api.sql(
        "SELECT api_keys::text || coalesce(remembered_replies::text, '') || audit_log::text AS all "
        "FROM api_keys, remembered_replies, audit_log"
    )
    assert len(dump) == 2
    assert all(made["key"] not in row.all for row in dump)
    assert await actions_noted(api) == [("admin", "keys.create", f"key:{made['id']}")]


async def test_a_revoked_key_says_so(api: Installation) -> None:
    made = await make(api)
    assert (await api.get("/v1/posts", key=made["key"])).status_code == 200
    revoked = await api.request("DELETE", f"/v1/keys/{made['id']}")
    assert revoked.json()["revoked_at"] is not None
    refused = await api.get("/v1/posts", key=made["key"])
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    assert refused.status_code == 401
    assert refused.json()["detail"] == f"This API key was revoked on {today}"
    again = await api.request("DELETE", f"/v1/keys/{made['id']}")
    assert again.json()["revoked_at"] == revoked.json()["revoked_at"]


async def test_an_expired_key_says_so(api: Installation) -> None:
    made = await make(api, expires_at=in_seconds(60))
    assert (await api.get("/v1/posts", key=made["key"])).status_code == 200
    await api.sql("UPDATE api_keys SET expires_at = '2026-01-02 00:00Z' WHERE name = 'a key'")
    refused = await api.get("/v1/posts", key=made["key"])
    assert refused.status_code == 401
    assert refused.json()["detail"] == "This API key expired on 2026-01-02: make a new one"


async def test_a_key_of_a_disabled_user_says_so(api: Installation) -> None:
    key = await api.new_key("posts:read", user="ann")
    await api.sql("UPDATE users SET disabled_at = now() WHERE name = 'ann'")
    refused = await api.get("/v1/posts", key=key)
    assert refused.status_code == 401
    assert refused.json()["detail"] == "The user of this API key is disabled"


async def test_an_unknown_key_is_refused(api: Installation) -> None:
    refused = await api.get("/v1/posts", key="almanac_unknown")
    assert (refused.status_code, refused.json()["detail"]) == (401, "This API key is unknown")
    assert refused.headers["www-authenticate"] == "Bearer"


async def test_only_scopes_that_one_holds_can_be_granted(api: Installation) -> None:
    """V081: a key is no way to more than its maker may."""
    key = await api.new_key("settings:write", "posts:read", user="ann")
    made = await make(api, key, scopes=["posts:read"])
    assert made["user"] == "ann"
    before = await api.count("api_keys")
    for scope in ("posts:write", "admin"):
        body = {"name": "more", "scopes": ["posts:read", scope]}
        refused = await api.post("/v1/keys", body, key=key)
        assert refused.status_code == 403
        assert refused.json()["detail"] == (
            f"Only scopes that you hold can be granted; you lack: {scope}"
        )
    assert await api.count("api_keys") == before


async def test_only_an_admin_makes_keys_for_others(api: Installation) -> None:
    key = await api.new_key("settings:write", "posts:read", user="ann")
    body = {"name": "k", "scopes": ["posts:read"], "user": "admin"}
    refused = await api.post("/v1/keys", body, key=key)
    assert problems(refused) == {"user": "there is no such user"}
    assert (await make(api, user="ann"))["user"] == "ann"
    refused = await api.post("/v1/keys", {**body, "user": "nobody"})
    assert problems(refused) == {"user": "there is no such user"}


async def test_everybody_sees_their_own_keys(api: Installation) -> None:
    """V081: others' do not exist; an admin sees all."""
    ann = await api.new_key("settings:write", "posts:read", user="ann")
    bobs = await make(api, await api.new_key("settings:write", "posts:read", user="bob"))
    items = (await api.get("/v1/keys", key=ann)).json()["items"]
    assert {item["user"] for item in items} == {"ann"}
    refused = await api.request("DELETE", f"/v1/keys/{bobs['id']}", key=ann)
    assert refused.status_code == 404
    assert (await api.get("/v1/posts", key=bobs["key"])).status_code == 200
    first = (await api.get("/v1/keys?limit=2")).json()
    rest = (await api.get(f"/v1/keys?limit=2&cursor={first['next_cursor']}")).json()
    users = [item["user"] for item in (*first["items"], *rest["items"])]
    assert (users, rest["next_cursor"]) == (["bob", "bob", "ann", "admin"], None)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ({"scopes": []}, {"scopes": "List should have at least 1 item after validation, not 0"}),
        ({"expires_at": "2020-01-01T00:00:00Z"}, {"expires_at": "has passed"}),
        ({"name": ""}, {"name": "String should have at least 1 character"}),
    ],
)
async def test_what_no_key_can_have(
    api: Installation, body: dict[str, Any], fault: dict[str, str]
) -> None:
    whole = {"name": "k", "scopes": ["posts:read"], **body}
    refused = await api.post("/v1/keys", whole)
    assert (refused.status_code, problems(refused)) == (422, fault)
    assert await api.count("api_keys") == 1


async def test_use_is_noted_by_the_minute(api: Installation) -> None:
    made = await make(api)
    await api.get("/v1/posts", key=made["key"])
    (listed, _) = (await api.get("/v1/keys")).json()["items"]
    used = datetime.fromisoformat(listed["last_used_at"])
    assert datetime.now(UTC) - used < timedelta(minutes=1)
