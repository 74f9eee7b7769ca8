"""The page of one post: what follows it, what is held and why, and taking it back."""

import re
from typing import Any

import pytest

from service.posts import sweeping
from tests.access.helpers import actions_noted
from tests.dashboard.composer import sandbox
from tests.dashboard.person import Page, Person
from tests.servers.webhook import WebhookServer
from tests.support import in_seconds

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} \u202e ' + "a" * 5_000
THREAD = [{"text": "Second"}, {"kind": "comment", "text": "The link", "delay": 3600}]


def follow_ups(page: Page) -> list[list[str]]:
    """Return the kind, the state and what else is said of each follow-up."""
    return [
        [li.h4.get_text(" ", strip=True), *(p.get_text(" ", strip=True) for p in li.select("p"))]
        for li in page.main.select(".follow-ups > li")
        if li.h4 is not None
    ]


async def change(person: Person, post: Any, values: str, **more: Any) -> None:
    await person.api.sql(
        f"UPDATE deliveries SET {values} WHERE post_id = :post",
        post=post["id"],
        **more,
    )


async def test_what_follows_stands_under_its_post(admin: Person) -> None:
    """First it waits for the post above; then each has its own state and attempts."""
    account, plain = await sandbox(admin.api, "x"), await admin.api.connect()
    post = await admin.api.schedule(
        [account, plain],
        "First",
        publish_at=in_seconds(3600),
        thread=THREAD,
        overrides={
            account: {"options": {"reply_settings": "following", "made_with_ai": True}},
            plain: {"thread": []},
        },
        late="skip",
    )
    path = f"/posts/{post['id']}"
    page = await admin.get(path)
    assert follow_ups(page) == [
        ["Next post scheduled", "Waits for the post above", "Second"],
        ["Comment scheduled", "Waits for the first post, then 1 h", "The link"],
    ]
    assert "Comment, 1 h after the first post" in page.text
    assert "Reply settings following" in page.text
    assert "Made with ai yes" in page.text
    assert "If too late It is not published" in page.text
    assert page.text.count("Nothing follows here") == 1
    assert "2 to follow" in (await admin.get("/posts")).text
    await admin.api.sql("UPDATE deliveries SET next_run_at = now() WHERE NOT blocked")
    await sweeping.sweep(admin.api.runtime)
    await admin.api.work(max_burst_jobs=3)
    first, second = follow_ups(await admin.get(path))
    assert first[0] == "Next post published"
    assert second == ["Comment scheduled", "The link"], "its hour runs"


async def test_a_follow_up_that_failed_can_be_sent_again(admin: Person) -> None:
    """Its post is out and stays; the button sends only what failed, and releases the rest."""
    account = await sandbox(admin.api, "x")
    post = await admin.api.schedule([account], "First", thread=THREAD[:1])
    await admin.api.work()
    path = f"/posts/{post['id']}"
    page = await admin.get(path)
    assert page.title == "Post published"
    assert follow_ups(page)[0][0] == "Next post published"
    assert len(page.main.select(".follow-ups .attempts li")) == 1
    await admin.api.sql(
        "UPDATE deliveries SET state = 'failed', error = 'You may not answer there'"
        " WHERE position = 1"
    )
    page = await admin.get(path)
    assert follow_ups(page)[0][:2] == ["Next post failed", "You may not answer there"]
    page = await admin.send(page, f"{path}/retry")
    assert page.note == "It is sent again now"
    states = {d["state"] for d in (await admin.api.read_post(post["id"]))["follow_ups"]}
    assert states == {"scheduled"}


async def test_what_was_too_late_waits_for_a_word(admin: Person) -> None:
    """Lists, calendar and page say so; one button publishes it all the same."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], "Autumn", publish_at=in_seconds(3600))
    await change(
        admin, post, "state = 'held', hold = 'late', error = 'It would be 4.0 hours late: decide'"
    )
    assert "Too late: decide whether it goes out" in (await admin.get("/posts?show=failed")).text
    day = post["publish_at"][:10]
    words = (await admin.get(f"/calendar?view=day&on={day}")).text
    assert "did not get it in time: publish it all the same, move it, or cancel it" in words
    assert "must be connected again" not in words
    path = f"/posts/{post['id']}"
    page = await admin.get(path)
    assert "Its time has passed, and it is not out." in page.text
    assert page.links()["Move"] == f"{path}/edit#at"
    (button,) = page.main.select(f"form[action='{path}/retry'] button")
    assert button.get_text() == "Publish now all the same"
    await admin.send(page, f"{path}/retry")
    await admin.api.work()
    assert (await admin.api.read_post(post["id"]))["state"] == "published"


async def test_what_waits_for_its_account_leads_there(admin: Person) -> None:
    """No button pretends to publish it; so do rows of before there were reasons."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], "News", publish_at=in_seconds(3600))
    path = f"/posts/{post['id']}"
    for hold in ("'account'", "NULL"):
        await change(admin, post, f"state = 'held', hold = {hold}, error = 'Refused'")
        page = await admin.get(path)
        assert page.links()["reconnect Feed handle1"] == f"/accounts/{account}/reconnect"
        assert "Then it goes out by itself." in page.text
        assert page.main.select(f"form[action='{path}/retry']") == []
        assert "Reconnect the account" in (await admin.get("/posts")).text
    day = post["publish_at"][:10]
    assert "must be connected again" in (await admin.get(f"/calendar?view=day&on={day}")).text
    await change(admin, post, "hold = 'owner', error = 'Its owner may not publish any more'")
    page = await admin.get(path)
    assert "reconnect" not in page.text
    assert page.main.select(f"form[action='{path}/retry']") != []
    words = (await admin.get(f"/calendar?view=day&on={day}")).text
    assert "the post's owner may not publish any more" in words


async def test_a_post_is_taken_back_after_a_question(admin: Person) -> None:
    """The page says what Almanac removes and what a person must; before, nothing happens."""
    with WebhookServer() as receiver:
        feed, x = await admin.api.connect(), await sandbox(admin.api, "x")
        hook = await admin.api.connect("webhook", {"url": f"{receiver.url}/hook"})
        post = await admin.api.schedule(
            [feed, x, hook],
            "A mistake",
            thread=THREAD[:1],
            overrides={feed: {"thread": []}, hook: {"thread": []}},
        )
        await admin.api.work()
        path = f"/posts/{post['id']}"
        page = await admin.get((await admin.get(path)).links()["Take back…"])
        assert page.title == "Take the post back?"
        ours, theirs = page.main.select(".removals")
        assert [li.get_text(" ", strip=True).split(" :")[0] for li in ours.select("li")] == [
            "Feed handle1",
            "X x",
            "Next post on X x",
        ]
        assert len(theirs.select("li")) == 1
        assert "no app remove a post, so a person must do it there" in page.text
        token = page.fields(f"{path}/withdraw")["csrf"]
        await admin.post(f"{path}/withdraw", csrf=token)
        assert await removed(admin, post) == [False, False, False, False]
        page = await admin.send(page, f"{path}/withdraw")
        assert page.note == "It is being taken back; the rest must be removed by hand, see below"
        await admin.api.work()
        assert await removed(admin, post) == [True, True, False, True]
        page = await admin.get(path)
        states = [state.get_text() for state in page.main.select(".deliveries .state")]
        assert states.count("taken back") == 3
        assert "Not taken back: Webhook lets no app remove a post: remove it there" in page.text
        assert "taken back" in (await admin.get("/posts")).text
        page = await admin.get(f"{path}/withdraw")
        assert page.main.select(f"form[action='{path}/withdraw']") == [], "a person must"
        assert ("ann", "posts.withdraw", f"post:{post['id']}") in await actions_noted(admin.api)


async def removed(person: Person, post: Any) -> list[bool]:
    found = await person.api.read_post(post["id"])
    return [d["removed_at"] is not None for d in (*found["deliveries"], *found["follow_ups"])]


async def test_an_account_that_is_not_connected_cannot_be_reached(admin: Person) -> None:
    account = await admin.api.connect()
    post = await admin.api.schedule([account], "Out")
    await admin.api.work()
    await admin.api.sql("UPDATE accounts SET state = 'needs_reconnect'")
    page = await admin.get(f"/posts/{post['id']}/withdraw")
    assert "Its account is not connected: reconnect it first" in page.text
    assert page.links()["reconnect it"] == f"/accounts/{account}"


async def test_nothing_that_is_not_out_is_taken_back(admin: Person) -> None:
    post = await admin.api.schedule([await admin.api.connect()], publish_at=in_seconds(3600))
    path = f"/posts/{post['id']}"
    page = await admin.get(path)
    assert "Take back…" not in page.links()
    page = await admin.get(f"{path}/withdraw")
    assert (page.path, page.note) == (path, "Nothing of this post is out")
    token = page.fields("/logout")["csrf"]
    reply = await admin.post(f"{path}/withdraw", csrf=token, confirmed="yes")
    assert "Nothing of this post is out" in reply.text


async def test_others_take_nothing_back(stranger: Person) -> None:
    """Neither who does not own it, nor who only reads."""
    account = await stranger.api.connect()
    post = await stranger.api.schedule([account], "Theirs")
    await stranger.api.work()
    path = f"/posts/{post['id']}/withdraw"
    for scopes, status in ((("posts:read", "posts:write"), 404), (("posts:read",), 403)):
        await stranger.log_in(f"bob{status}", *scopes)
        page = await stranger.get("/posts")
        await stranger.get(path, status)
        token = page.fields("/logout")["csrf"]
        reply = await stranger.post(path, csrf=token, confirmed="yes")
        assert reply.status_code in {status, 200}
    (row,) = await stranger.api.sql("SELECT removed_at, removal_error FROM deliveries")
    assert tuple(row) == (None, None)
    assert await stranger.api.queued() == []


async def test_hostile_follow_ups_stay_text(admin: Person) -> None:
    account = await sandbox(admin.api, "bluesky")
    post = await admin.api.schedule(
        [account], "x", publish_at=in_seconds(60), thread=[{"text": "y"}]
    )
    await change(
        admin,
        post,
        "state = 'published', published_at = now(), error = :text, removal_error = :text,"
        " remote_id = 'a', remote_url = 'javascript:alert(1)', text = :text,"
        " options = jsonb_build_object(CAST(:text AS text), CAST(:text AS text))",
        text=HOSTILE,
    )
    path = f"/posts/{post['id']}"
    for each in (path, "/posts", f"{path}/withdraw"):
        page = await admin.get(each)
        assert page.main.select("script, img[onerror], a[href^=javascript]") == [], each
        words = re.sub(r"[0-9a-f-]{36}", "", page.main.get_text())  # ids may hold anything
        assert "49" not in words, each
    assert "<script>alert(1)</script>" in (await admin.get(path)).text
