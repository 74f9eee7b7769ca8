"""Jobs that act for a user ask, when they run, whether the user still may."""

from uuid import UUID

import pytest

from service.access.checks import may_act
from service.errors import Forbidden
from service.kit.ids import uuid7
from service.schedules import ticking
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio
DISABLE = "UPDATE users SET disabled_at = now() WHERE name = :name"
ENABLE = "UPDATE users SET disabled_at = NULL WHERE name = :name"


async def user_id(api: Installation, name: str) -> UUID:
    """Return the id of a user, made here."""
    await api.new_key("posts:write", user=name)
    (row,) = await api.sql("SELECT id FROM users WHERE name = :name", name=name)
    found: UUID = row.id
    return found


@pytest.mark.parametrize("actor", ["ann", "admin", None, "schedule:nightly", "cli:root"])
async def test_who_may_act(api: Installation, actor: str | None) -> None:
    """V081: the owner, an admin (here: by a key), and the installation itself."""
    ann = await user_id(api, "ann")
    async with api.runtime.unit_of_work() as uow:
        await may_act(uow.session, actor, ann)


@pytest.mark.parametrize(
    ("actor", "change", "why"),
    [
        ("bob", "SELECT 1", "to whom its row does not belong"),
        ("eve", "SELECT 1", "was asked for by user eve, who may do nothing any more"),
        ("bob", DISABLE.replace(":name", "'bob'"), "bob, who may do nothing any more"),
        (None, DISABLE.replace(":name", "'ann'"), "acts for user ann, who may not"),
        ("admin", "UPDATE api_keys SET revoked_at = now()", "row does not belong"),
        ("admin", "UPDATE api_keys SET expires_at = now()", "row does not belong"),
    ],
)
async def test_who_may_not(api: Installation, actor: str | None, change: str, why: str) -> None:
    """V081."""
    ann = await user_id(api, "ann")
    await user_id(api, "bob")
    await api.sql(change)
    async with api.runtime.unit_of_work() as uow:
        with pytest.raises(Forbidden, match=why):
            await may_act(uow.session, actor, ann)


async def test_an_owner_who_is_gone(api: Installation) -> None:
    async with api.runtime.unit_of_work() as uow:
        with pytest.raises(Forbidden, match="who may not"):
            await may_act(uow.session, None, uuid7())


async def test_a_user_disabled_between_enqueue_and_run(api: Installation) -> None:
    """V081: the batch's report is refused for good, and its posts wait for somebody to decide."""
    key = await api.new_key("posts:write", "posts:read", "settings:write", user="ann")
    account = await api.connect(key=key)
    draft = await api.post("/v1/posts", {"text": "Hello", "accounts": []}, key=key)
    body = {"posts": [draft.json()["id"]], "accounts": [account]}
    started = (await api.post("/v1/posts/batch", body, key=key)).json()
    await api.sql(DISABLE, name="ann")
    await api.work()
    job = (await api.get(f"/v1/jobs/{started['job_id']}")).json()
    assert (job["state"], job["tries"]) == ("failed", 1)
    assert job["error"]["type"] == "service.errors.Forbidden"
    assert job["error"]["message"] == "The job acts for user ann, who may not"
    (delivery,) = (await api.read_post(draft.json()["id"]))["deliveries"]
    assert (delivery["state"], delivery["attempts"], delivery["remote_url"]) == ("held", 0, None)
    assert delivery["error"] == "The user whose post this is may not publish any more"

    await api.sql(ENABLE, name="ann")
    again = await api.post(f"/v1/posts/{draft.json()['id']}/retry", {}, key=key)
    assert again.status_code == 200, again.text
    await api.work()
    (delivery,) = (await api.read_post(draft.json()["id"]))["deliveries"]
    assert delivery["state"] == "published"


async def test_schedules_of_a_disabled_user_rest(api: Installation) -> None:
    """V081: and tick again when the user is enabled."""
    key = await api.new_key("jobs:operate", user="ann")
    body = {"name": "anns", "job": "monitoring.clean", "cron": "* * * * *", "misfire": "once"}
    made = await api.post("/v1/schedules", body, key=key)
    assert made.status_code == 201, made.text
    await api.sql("UPDATE schedules SET next_tick_at = now() - interval '1 hour'")
    (row,) = await api.sql("SELECT now() AS moment")
    await api.sql(DISABLE, name="ann")
    assert await ticking.fire_due(api.runtime, row.moment, ()) == 0
    assert await api.count("durable_jobs") == 0
    await api.sql(ENABLE, name="ann")
    assert await ticking.fire_due(api.runtime, row.moment, ()) == 1


async def test_a_post_of_an_enabled_user_is_published(api: Installation) -> None:
    account = await api.connect()
    post = await api.schedule([account], publish_at=in_seconds(0))
    await api.work()
    (delivery,) = (await api.read_post(post["id"]))["deliveries"]
    assert delivery["state"] == "published"
