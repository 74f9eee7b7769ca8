"""Members: who they are, whom they follow, and what becomes of what they did."""

import asyncio
from typing import Any

import pytest

from tests.community.helpers import (
    NOBODY,
    comment,
    counts,
    feed,
    good,
    join,
    joined,
    patch,
    put,
    read,
    remove,
    say,
)
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


async def test_a_member_joins(api: Installation) -> None:
    """N003: the row is kept normalised, and the welcome mail is asked for, once."""
    body = {"email": " Ada@Example.COM ", "username": "\uff21da", "display_name": " Ada  L. "}
    made = await good(api.post("/v1/members", body), 201)
    assert made == {
        "id": made["id"],
        "email": "ada@example.com",
        "username": "ada",
        "display_name": "Ada L.",
        "is_active": True,
        "digest_opt_out": False,
        "followers_count": 0,
        "following_count": 0,
        "posts_count": 0,
        "joined_at": made["joined_at"],
        "last_active_at": None,
        "welcomed_at": None,
    }
    assert await read(api, f"members/{made['id']}") == made
    assert await api.queued("emails") == [f"welcome:{made['id']}"]


async def test_a_name_is_the_username_by_default(api: Installation) -> None:
    """As it was written, not as it is kept."""
    made = await good(api.post("/v1/members", {"email": "a@b.example", "username": "AdaL"}), 201)
    assert (made["username"], made["display_name"]) == ("adal", "AdaL")


async def test_the_same_request_makes_one_member(api: Installation) -> None:
    """N003: an Idempotency-Key gives the first reply again, and no second mail."""
    body, headers = {"email": "a@b.example", "username": "ada"}, {"Idempotency-Key": "once"}
    first = await good(api.post("/v1/members", body, headers=headers), 201)
    assert await good(api.post("/v1/members", body, headers=headers), 201) == first
    assert await api.count("members") == 1
    assert len(await api.queued("emails")) == 1


async def test_names_that_are_taken(api: Installation) -> None:
    """In whatever case; both are told at once, and nothing is written."""
    await join(api, "ada")
    other = await join(api, "bob")
    body = {"email": "ADA@EXAMPLE.COM", "username": "ADA"}
    taken = {
        "email": "is another member's mail address",
        "username": "is another member's username",
    }
    reply = await api.post("/v1/members", body)
    assert (reply.status_code, problems(reply)) == (422, taken)
    reply = await api.request("PATCH", f"/v1/members/{other}", json=body)
    assert (reply.status_code, problems(reply)) == (422, taken)
    assert await api.count("members") == 2
    assert (await patch(api, f"members/{other}", username="BOB"))["username"] == "bob"


async def test_of_many_at_once_one_gets_the_name(api: Installation) -> None:
    """Whoever is too late is refused, by whatever way it is found."""
    bodies = [{"email": f"{i}@example.com", "username": "ada"} for i in range(8)]
    replies = await asyncio.gather(*(api.post("/v1/members", body) for body in bodies))
    statuses = sorted(reply.status_code for reply in replies)
    assert statuses[0] == 201
    assert set(statuses[1:]) <= {409, 422}
    assert await api.count("members") == 1


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("email", "nobody", "is no mail address"),
        ("email", "a@b.example\nBcc: c@d.example", "characters that are not allowed"),
        ("email", "a@@b.example", "is no mail address"),
        ("email", f"a@{'b.' * 130}example", "longer than 254"),
        ("username", "", "has 0 characters"),
        ("username", "a" * 51, "has 51 characters"),
        ("username", "a b", "letters, digits"),
        ("username", "<script>", "letters, digits"),
        ("username", "a\u202eb", "letters, digits"),
        ("username", "a\0", "characters that are not allowed"),
        ("display_name", " \t ", "characters that are not allowed"),
        ("display_name", "   ", "has 0 characters"),
        ("display_name", "a" * 101, "has 101 characters"),
        ("display_name", 5, "string"),
        ("owner_id", NOBODY, "unknown"),
    ],
)
async def test_bad_names(api: Installation, field: str, value: object, says: str) -> None:
    """Each is told with its reason; nothing is written, no mail is asked for."""
    body = {"email": "a@b.example", "username": "ada", field: value}
    reply = await api.post("/v1/members", body)
    assert reply.status_code == 422, reply.text
    assert list(problems(reply)) == [field]
    assert says in problems(reply)[field]
    assert await api.count("members") == await api.count("durable_jobs") == 0
    assert await api.queued("emails") == []


@pytest.mark.parametrize(
    "body", [{}, {"username": None}, {"is_active": None}, {"is_active": "maybe"}]
)
async def test_changes_that_say_nothing(api: Installation, body: object) -> None:
    """Null is no value, and a change names what it changes."""
    member = await join(api)
    reply = await api.request("PATCH", f"/v1/members/{member}", json=body)
    assert reply.status_code == 422, reply.text


async def test_a_member_changes(api: Installation) -> None:
    """Opting out and being deactivated stay, and are audited without any name."""
    member = await join(api)
    changed = await patch(
        api, f"members/{member}", digest_opt_out=True, is_active=False, display_name="Ada"
    )
    assert (changed["digest_opt_out"], changed["is_active"]) == (True, False)
    assert await read(api, f"members/{member}") == changed
    (entry,) = await api.sql("SELECT * FROM audit_log WHERE action = 'members.change'")
    assert entry.subject == f"member:{member}"
    assert entry.detail == {"fields": ["digest_opt_out", "display_name", "is_active"]}


async def test_who_is_not_there(api: Installation) -> None:
    """Every route of a member answers 404 for an unknown one."""
    member = await join(api)
    for path in (NOBODY, f"{NOBODY}/followers", f"{NOBODY}/following"):
        await read(api, f"members/{path}", 404)
    for path in (f"{NOBODY}/following/{member}", f"{member}/following/{NOBODY}"):
        await put(api, f"members/{path}", 404)
        await remove(api, f"members/{path}", 404)
    await remove(api, f"members/{NOBODY}", 404)
    reply = await api.request("PATCH", f"/v1/members/{NOBODY}", json={"is_active": False})
    assert reply.status_code == 404
    assert await api.count("follows") == 0


async def test_the_community_belongs_to_the_installation(api: Installation) -> None:
    """Another user's key sees the same members; without the scope it sees none."""
    member = await join(api)
    other = await api.new_key("content:read", user="bob")
    assert (await api.get(f"/v1/members/{member}", key=other)).status_code == 200
    assert (await api.post("/v1/members", {}, key=other)).status_code == 403
    stranger = await api.new_key("posts:write", user="eve")
    assert (await api.get("/v1/members", key=stranger)).status_code == 403


async def test_finding_members(api: Installation) -> None:
    """By how a username, an address or a name begins; nothing is a wildcard."""
    ada = await join(api, "ada", display_name="Countess Lovelace")
    bob = await join(api, "bob", display_name="Ada's friend")
    cyd = await join(api, "cyd_100")
    await patch(api, f"members/{bob}", is_active=False)

    async def found(**params: Any) -> list[str]:
        return [each["id"] for each in (await read(api, "members", **params))["items"]]

    assert await found() == [cyd, bob, ada]
    assert await found(q="ADA") == [bob, ada]
    assert await found(q="countess") == [ada]
    assert await found(q="bob@ex") == [bob]
    assert await found(q="ada", active=True) == [ada]
    assert await found(active=False) == [bob]
    assert await found(q="cyd_") == [cyd]
    for nothing in ("%", "_", "love", "a%", "\\", "' OR 1=1 --"):
        assert await found(q=nothing) == []
    await read(api, "members", 422, q="a\0")


async def test_members_come_in_pages(api: Installation) -> None:
    """A page goes on where the one before ended, though somebody joins in between."""
    members = await joined(api, 5)
    first = await read(api, "members", limit=2)
    await join(api)
    second = await read(api, "members", limit=3, cursor=first["next_cursor"])
    ids = [each["id"] for each in (*first["items"], *second["items"])]
    assert ids == members[::-1]
    assert second["next_cursor"] is None
    await read(api, "members", 422, cursor="nonsense")


async def test_following(api: Installation) -> None:
    """N002: once, however often it is said; both sides are counted, and both are listed."""
    ada, bob, cyd = await joined(api, 3)
    path = f"members/{ada}/following"
    assert (await put(api, f"{path}/{bob}"))["changed"] is True
    assert (await put(api, f"{path}/{bob}"))["changed"] is False
    await put(api, f"{path}/{cyd}")
    found = await read(api, f"members/{ada}")
    assert (found["following_count"], found["followers_count"]) == (2, 0)
    assert found["last_active_at"] is not None
    first = await read(api, path, limit=1)
    second = await read(api, path, limit=1, cursor=first["next_cursor"])
    assert [each["id"] for each in (*first["items"], *second["items"])] == [cyd, bob]
    assert second["next_cursor"] is None
    followers = await read(api, f"members/{bob}/followers")
    assert [each["id"] for each in followers["items"]] == [ada]
    assert (await remove(api, f"{path}/{bob}"))["changed"] is True
    assert (await remove(api, f"{path}/{bob}"))["changed"] is False
    assert (await read(api, f"members/{bob}"))["followers_count"] == 0


async def test_nobody_follows_themselves(api: Installation) -> None:
    """The API says why, and the table refuses it whoever asks."""
    ada = await join(api)
    reply = await api.request("PUT", f"/v1/members/{ada}/following/{ada}")
    assert problems(reply) == {"followed_id": "is the member; nobody follows themselves"}
    assert await api.count("follows") == 0


async def test_a_deactivated_member_does_nothing(api: Installation) -> None:
    """Nor is followed; what they posted stays, and what they did can be undone."""
    ada, bob = await joined(api, 2)
    post = await say(api, ada)
    await put(api, f"feed/{post}/likes/{ada}")
    await put(api, f"members/{ada}/following/{bob}")
    await patch(api, f"members/{ada}", is_active=False)
    await put(api, f"feed/{post}/likes/{ada}", 409)
    await put(api, f"feed/{post}/shares/{ada}", 409)
    await put(api, f"members/{bob}/following/{ada}", 409)
    body = {"author_id": ada, "content": "More"}
    assert (await api.post("/v1/feed", body)).status_code == 409
    assert (await api.post(f"/v1/feed/{post}/comments", body)).status_code == 409
    assert await feed(api) == [post]
    await remove(api, f"feed/{post}/likes/{ada}")
    await remove(api, f"members/{ada}/following/{bob}")
    assert await counts(api, post) == (0, 0, 0, 0)
    assert await api.count("feed_posts") == 1


async def _left_behind(api: Installation) -> dict[str, str]:
    """Let a member do everything there is, so that it can be seen what stays."""
    ada, bob, cyd = await joined(api, 3)
    for follower, followed in ((ada, bob), (bob, ada), (cyd, ada)):
        await put(api, f"members/{follower}/following/{followed}")
    made = {"ada": ada, "bob": bob, "bobs": await say(api, bob, "#hers #his")}
    for kind in ("public", "followers", "private"):
        made[kind] = await say(api, ada, "#hers", visibility=kind)
    for post in (made["bobs"], made["public"]):
        for who in (ada, bob):
            await put(api, f"feed/{post}/likes/{who}")
            await put(api, f"feed/{post}/shares/{who}")
    said = await comment(api, made["bobs"], ada)
    answer = await comment(api, made["bobs"], bob, parent_id=said)
    await comment(api, made["bobs"], cyd, parent_id=answer)
    await comment(api, made["bobs"], bob)
    await comment(api, made["public"], bob)
    return made


async def test_a_member_is_deleted_with_all_they_wrote(api: Installation) -> None:
    """Answers to their comments go too; every counter of others is right (see conftest)."""
    made = await _left_behind(api)
    await remove(api, f"members/{made['ada']}", 204)
    await read(api, f"members/{made['ada']}", 404)
    assert await feed(api, viewer=made["bob"]) == [made["bobs"]]
    assert await counts(api, made["bobs"]) == (1, 1, 1, 0)
    assert await api.count("feed_posts") == await api.count("comments") == 1
    assert await api.count("follows") == 0
    hashtags = {each.name: each.uses_count for each in await api.sql("SELECT * FROM hashtags")}
    assert hashtags == {"hers": 1, "his": 1}
    (entry,) = await api.sql("SELECT * FROM audit_log WHERE action = 'members.delete'")
    assert (entry.subject, entry.detail) == (f"member:{made['ada']}", {"content": "delete"})


async def test_a_member_is_deleted_and_what_is_public_stays(api: Installation) -> None:
    """Without an author; what only they or their followers saw goes."""
    made = await _left_behind(api)
    await remove(api, f"members/{made['ada']}?content=keep", 204)
    assert sorted(await feed(api)) == sorted([made["bobs"], made["public"]])
    assert (await read(api, f"feed/{made['public']}"))["author"] is None
    assert await counts(api, made["bobs"]) == (1, 4, 1, 0)
    assert await counts(api, made["public"]) == (1, 1, 1, 0)
    authors = (await read(api, f"feed/{made['bobs']}/comments"))["items"]
    assert sum(each["author"] is None for each in authors) == 1
    assert await api.count("feed_posts") == 2
    reply = await api.request("DELETE", f"/v1/members/{made['bob']}?content=some")
    assert reply.status_code == 422
