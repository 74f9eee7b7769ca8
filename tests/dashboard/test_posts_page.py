"""The list of posts and the page of one: what became of it, in words, and what to do about it."""

from typing import Any

import pytest

from service.dashboard.pages import posts as page_of_posts
from service.posts import list_queries
from tests.access.helpers import actions_noted
from tests.dashboard.person import Page, Person
from tests.support import PNG, Installation, in_seconds

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} \u202e ' + "a" * 10_000


def texts(page: Page) -> list[str]:
    """Return the posts that are listed."""
    return [a.get_text() for a in page.main.select("td.words > a")]


async def set_state(api: Installation, post: Any, state: str, error: str | None = None) -> None:
    await api.sql(
        "UPDATE deliveries SET state = :state, error = :error WHERE post_id = :id",
        state=state,
        error=error,
        id=post["id"],
    )


async def of_each_kind(api: Installation) -> dict[str, Any]:
    """Make a post in each state that has a list of its own."""
    account = await api.connect()
    made = {
        "scheduled": await api.schedule([account], "Later", publish_at=in_seconds(7200)),
        "sooner": await api.schedule([account], "Sooner", publish_at=in_seconds(3600)),
        "late": await api.schedule([account], "Late", publish_at=in_seconds(3600)),
        "failed": await api.schedule([account], "Failed", publish_at=in_seconds(3600)),
        "draft": await api.schedule([account], "Draft", draft=True),
        "plain": await api.schedule([], "Plain"),
        "submitted": await api.schedule([account], "Submitted", draft=True),
        "published": await api.schedule([account], "Published"),
    }
    await api.post(f"/v1/posts/{made['submitted']['id']}/submit", {})
    await api.work()
    await set_state(api, made["failed"], "failed", "The server said <b>no</b>")
    await api.sql(
        "UPDATE deliveries SET next_run_at = now() - interval '5 min' WHERE post_id = :id",
        id=made["late"]["id"],
    )
    return made


async def test_without_posts_it_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/posts")
    assert page.title == "Posts"
    assert page.links()["Compose a post"] == "/posts/new"
    assert "Nothing has failed." in (await admin.get("/posts?show=failed")).text


async def test_every_list_shows_its_posts(admin: Person) -> None:
    """What is next comes first where it is to come, what was last where it is over."""
    await of_each_kind(admin.api)
    found = {
        show: texts(await admin.get(f"/posts?show={show}"))
        for show in ("all", "scheduled", "late", "failed", "published", "drafts", "to approve")
    }
    assert found == {
        "all": ["Published", "Submitted", "Plain", "Draft", "Failed", "Late", "Sooner", "Later"],
        "scheduled": ["Late", "Sooner", "Later"],
        "late": ["Late"],
        "failed": ["Failed"],
        "published": ["Published"],
        "drafts": ["Submitted", "Plain", "Draft"],
        "to approve": ["Submitted"],
    }
    (row,) = (await admin.get("/posts?show=failed")).rows()
    assert row[1:4] == ["Failed", "failed The server said <b>no</b>", "Feed handle1"]
    page = await admin.get("/posts?show=published")
    assert page.links()["Feed handle1"].startswith("http://almanac.test/feeds/handle1#")


async def test_a_draft_that_went_with_its_account_is_none(admin: Person) -> None:
    made = await of_each_kind(admin.api)
    await set_state(admin.api, made["draft"], "cancelled")
    assert texts(await admin.get("/posts?show=drafts")) == ["Submitted", "Plain"]


async def test_words_and_accounts_are_looked_for(admin: Person) -> None:
    one, two = [await admin.api.connect() for _ in range(2)]
    await admin.api.schedule([one], "Crime NOVELS of 100% joy", publish_at=in_seconds(3600))
    await admin.api.schedule([two], "Novels for winter", publish_at=in_seconds(7200))
    await admin.api.schedule([one], "Poems", publish_at=in_seconds(3600))
    page = await admin.get("/posts")
    page = await admin.send(page, "/posts", q="novels")
    assert texts(page) == ["Novels for winter", "Crime NOVELS of 100% joy"]
    page = await admin.send(page, "/posts", account=one)
    assert texts(page) == ["Crime NOVELS of 100% joy"]
    assert texts(await admin.get("/posts?q=100%25")) == ["Crime NOVELS of 100% joy"]
    assert texts(await admin.get("/posts?q=_oems")) == [], "signs are taken as they are"
    assert texts(await admin.get(f"/posts?show=scheduled&account={two}")) == ["Novels for winter"]
    assert texts(await admin.get("/posts?show=scheduled&q=poems")) == ["Poems"]
    page = await admin.get("/posts?q=nothing")
    assert "Nothing more matches here" in page.text


@pytest.mark.parametrize("show", ["all", "scheduled", "published", "drafts"])
async def test_pages_follow_each_other_without_gaps(
    admin: Person, monkeypatch: pytest.MonkeyPatch, show: str
) -> None:
    monkeypatch.setattr(page_of_posts, "PER_PAGE", 3)
    accounts = [await admin.api.connect() for _ in range(2)]
    for number in range(7):
        when = {"all": 60, "scheduled": 60, "drafts": 60}.get(show)
        body = {"publish_at": in_seconds(when)} if when else {}
        await admin.api.schedule(accounts, f"{number}", draft=show == "drafts", **body)
    if show == "published":
        await admin.api.work()
    page = await admin.get(f"/posts?show={show}")
    seen = [texts(page)]
    while more := page.main.select_one("#more"):
        page = await admin.get(str(more["href"]))
        seen.append(texts(page))
    order = [str(number) for number in range(7)]
    flat = [text for found in seen for text in found]
    if show == "published":
        assert sorted(flat) == order, "published together, in whatever order"
    else:
        assert flat == (order if show == "scheduled" else order[::-1])
    assert [len(found) for found in seen] == [3, 3, 1]


@pytest.mark.parametrize("show", ["all", "scheduled"])
async def test_a_search_says_how_far_it_went(
    admin: Person, monkeypatch: pytest.MonkeyPatch, show: str
) -> None:
    """It stops after a bounded number of posts, and goes on from there when asked."""
    monkeypatch.setattr(list_queries, "SCANNED", 3)
    account = await admin.api.connect()
    for number in range(7):
        await admin.api.schedule([account], f"Post {number}", publish_at=in_seconds(60 + number))
    wanted = "Post 1" if show == "all" else "Post 5"
    page = await admin.get(f"/posts?show={show}&q={wanted}")
    assert texts(page) == []
    assert "as far as one search goes at once" in page.text
    page = await admin.get(page.links()["Look on"])
    assert texts(page) == [wanted]
    page = await admin.get(page.links()["Look on"])
    assert (texts(page), "Look on" in page.links()) == ([], False)


async def test_a_wrong_cursor_is_refused(admin: Person) -> None:
    for cursor in ("x", "AAAA", "A" * 40):
        await admin.get(f"/posts?cursor={cursor}", 422)


async def test_many_are_cancelled_after_a_question(admin: Person) -> None:
    """The page says which will be cancelled and which not; nothing happens before."""
    made = await of_each_kind(admin.api)
    page = await admin.get("/posts")
    chosen = [made[name]["id"] for name in ("scheduled", "draft", "published")]
    page = await admin.send(page, "/posts/bulk", post=chosen, do="cancel")
    assert page.title == "Cancel 2 posts?"
    assert [li.get_text(" ", strip=True) for li in page.main.select(".chosen.soft li")] == [
        "Published published"
    ]
    assert (await admin.api.read_post(chosen[0]))["state"] == "scheduled"
    sent = [field["value"] for field in page.main.select("input[name=post]")]
    page = await admin.send(page, "/posts/bulk", post=sent)
    assert (page.path, page.note) == ("/posts", "2 posts cancelled")
    states = [(await admin.api.read_post(post_id))["state"] for post_id in chosen]
    assert states == ["cancelled", "cancelled", "published"]


async def test_drafts_are_deleted(admin: Person) -> None:
    """Also one without an account; nothing that was scheduled."""
    made = await of_each_kind(admin.api)
    page = await admin.get("/posts?show=drafts")
    chosen = [made[name]["id"] for name in ("draft", "plain", "scheduled")]
    page = await admin.send(page, "/posts/bulk", post=chosen, do="delete")
    assert page.title == "Delete 2 posts?"
    page = await admin.send(page, "/posts/bulk", post=chosen)
    assert page.note == "2 posts deleted. Refused: “Later”: The post is no draft: it is scheduled"
    assert texts(await admin.get("/posts?show=drafts")) == ["Submitted"]
    assert (await admin.api.read_post(made["scheduled"]["id"]))["state"] == "scheduled"


async def test_nothing_selected_and_refusals_are_told(admin: Person) -> None:
    made = await of_each_kind(admin.api)
    page = await admin.get("/posts")
    page = await admin.send(page, "/posts/bulk", do="cancel")
    assert page.note == "Select posts first"
    page = await admin.send(page, "/posts/bulk", do="burn", post=made["draft"]["id"])
    assert page.note == "Choose what to do"
    ids = [made["sooner"]["id"], made["published"]["id"]]
    token = page.fields("/posts/bulk")["csrf"]
    sent = {
        "csrf": token,
        "do": "cancel",
        "confirmed": "yes",
        "post": ids,
        "back": "//evil.example",
    }
    reply = await admin.post("/posts/bulk", **sent)
    assert reply.url.path == "/posts"
    assert "1 post cancelled. Refused: “Published”: Nothing is left to cancel" in reply.text


async def test_what_failed_is_published_again(admin: Person) -> None:
    made = await of_each_kind(admin.api)
    page = await admin.get("/posts?show=failed")
    page = await admin.send(page, "/posts/bulk", post=[made["failed"]["id"]], do="retry")
    page = await admin.send(page, "/posts/bulk")
    assert page.note == "1 post on the way again"
    await admin.api.work(max_burst_jobs=1)
    page = await admin.get(f"/posts/{made['failed']['id']}")
    assert page.title == "Post published"


async def test_a_post_with_what_became_of_it(admin: Person) -> None:
    file = {"file": ("dot.png", PNG, "image/png")}
    image = (await admin.api.request("POST", "/v1/media", files=file)).json()["id"]
    account = await admin.api.connect()
    post = await admin.api.schedule(
        [account],
        "With a picture",
        media=[{"id": image, "alt": "A dot"}],
        link="https://example.org/a",
        overrides={account: {"text": "Own words"}},
    )
    page = await admin.get(f"/posts/{post['id']}")
    assert page.title == "Post scheduled"
    live = page.main.select_one("[data-live]")
    assert live is not None
    assert live["data-live"] == "/live?queue=publishing"
    await admin.api.work()
    page = await admin.get(f"/posts/{post['id']}")
    assert page.title == "Post published"
    links = page.links()
    (delivery,) = post["deliveries"]
    assert links[delivery["job_id"]] == f"/jobs/{delivery['job_id'].replace(':', '%3A')}"
    assert links["https://example.org/a"] == "https://example.org/a"
    picture = page.main.select_one(".pictures img")
    assert picture is not None
    assert picture["alt"] == "A dot"
    assert [p.get_text() for p in page.main.select(".post-text")] == ["With a picture", "Own words"]
    (attempt,) = page.main.select(".attempts li")
    assert attempt.get_text(" ", strip=True).startswith("published ")
    assert "after its time" in page.text


async def test_its_live_part_comes_alone(admin: Person) -> None:
    post = await admin.api.schedule([await admin.api.connect()])
    await admin.api.work()
    page = await admin.http.get(
        f"/posts/{post['id']}", headers={"HX-Request": "true", "Accept": "text/html"}
    )
    assert "published" in page.text
    assert "<html" not in page.text


async def test_nobody_knows_until_a_person_looks(admin: Person) -> None:
    """For an unknown outcome there is a choice, and no blind repeat."""
    account = await admin.api.connect()
    for answer, state in (("mark_published", "published"), ("post_again", "scheduled")):
        post = await admin.api.schedule([account], publish_at=in_seconds(3600))
        await set_state(admin.api, post, "unconfirmed", "It may be out")
        page = await admin.get(f"/posts/{post['id']}")
        assert "Nobody knows whether this post is out." in page.text
        path = f"/posts/{post['id']}/retry"
        await admin.send(page, path, unconfirmed=answer)
        assert (await admin.api.read_post(post["id"]))["state"] == state
    refused = await admin.post(path, csrf=page.fields(path)["csrf"], unconfirmed="perhaps")
    assert refused.status_code == 422


async def test_a_refused_act_says_why(admin: Person) -> None:
    account = await admin.api.connect("x")
    long = await admin.api.schedule([account], "x" * 281, draft=True)
    path = f"/posts/{long['id']}"
    page = await admin.send(await admin.get(path), f"{path}/schedule", 422)
    assert "Too long by 1" in page.text
    assert page.links()["Edit the post"] == f"{path}/edit"
    published = await admin.api.schedule([account], "Out")
    await admin.api.work()
    token = page.fields("/logout")["csrf"]
    reply = await admin.post(f"/posts/{published['id']}/schedule", csrf=token)
    assert "The post is no draft: it is published" in reply.text
    assert (await admin.post(f"{path}/burn", csrf=token)).status_code == 422


async def test_hostile_text_stays_text(admin: Person) -> None:
    account = await admin.api.connect("feed", {"handle": "a", "display_name": HOSTILE[:60]})
    post = await admin.api.schedule([account], HOSTILE, publish_at=in_seconds(3600))
    await admin.api.sql(
        "UPDATE deliveries SET error = :error, remote_url = 'javascript:alert(1)'", error=HOSTILE
    )
    await admin.api.sql(
        "UPDATE posts SET link = 'javascript:alert(2)', review_note = :x", x=HOSTILE
    )
    for path in ("/posts", f"/posts/{post['id']}", f"/posts/{post['id']}/edit"):
        page = await admin.get(path)
        assert page.main.select("script, img[onerror], a[href^=javascript]") == [], path
        assert "<script>alert(1)</script>" in page.main.get_text(), path
    page = await admin.get("/posts")
    page = await admin.send(page, "/posts/bulk", post=[post["id"]], do="cancel")
    assert page.main.select("script, img[onerror]") == []
    page = await admin.send(page, "/posts/bulk")
    assert page.note == "1 post cancelled"


async def test_others_see_neither_post_nor_button(stranger: Person) -> None:
    """Somebody else's posts are not there; who only reads has nothing to press."""
    made = await of_each_kind(stranger.api)
    await stranger.log_in("bob", "posts:read", "posts:write")
    page = await stranger.get("/posts")
    assert texts(page) == []
    await stranger.get(f"/posts/{made['draft']['id']}", 404)
    token = page.fields("/logout")["csrf"]
    before = await stranger.api.sql("SELECT id, state, version FROM deliveries ORDER BY id")
    for verb in ("submit", "approve", "return", "schedule", "retry"):
        reply = await stranger.post(f"/posts/{made['draft']['id']}/{verb}", csrf=token, note="x")
        assert reply.status_code == 404, verb
    ids = [post["id"] for post in made.values()]
    await stranger.post("/posts/bulk", csrf=token, do="cancel", confirmed="yes", post=ids)
    assert await stranger.api.sql("SELECT id, state, version FROM deliveries ORDER BY id") == before


async def test_who_only_reads_has_nothing_to_press(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    key = await stranger.api.new_key("posts:read", "posts:write", "settings:write", user="bob")
    account = await stranger.api.connect(key=key)
    post = (
        await stranger.api.post("/v1/posts", {"text": "Mine", "accounts": [account]}, key=key)
    ).json()
    page = await stranger.get("/posts")
    token = page.fields("/logout")["csrf"]
    assert texts(page) == ["Mine"]
    assert page.main.select("button.danger, input[type=checkbox]") == []
    page = await stranger.get(f"/posts/{post['id']}")
    assert page.main.select("button, a.button") == []
    reply = await stranger.post(
        "/posts/bulk", csrf=token, do="cancel", confirmed="yes", post=post["id"]
    )
    assert reply.status_code == 403
    assert (await stranger.api.read_post(post["id"]))["state"] == "scheduled"


async def test_acts_are_audited(admin: Person) -> None:
    account = await admin.api.connect()
    post = await admin.api.schedule([account], draft=True, publish_at=in_seconds(600))
    path = f"/posts/{post['id']}"
    page = await admin.send(await admin.get(path), f"{path}/schedule")
    assert page.note == "Scheduled"
    page = await admin.send(page, "/posts/bulk")
    await admin.send(page, "/posts/bulk")
    noted = await actions_noted(admin.api)
    assert [entry for entry in noted if entry[2] == f"post:{post['id']}"] == [
        ("admin", "posts.create", f"post:{post['id']}"),
        ("ann", "posts.schedule", f"post:{post['id']}"),
        ("ann", "posts.cancel", f"post:{post['id']}"),
    ]
