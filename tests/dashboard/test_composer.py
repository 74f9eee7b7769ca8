"""The composer: counted by each platform, kept whatever is refused, usable without scripts."""

from typing import Any

import httpx
import pytest
from bs4 import BeautifulSoup

from tests.access.helpers import actions_noted
from tests.dashboard.person import HTML, Page, Person
from tests.support import PNG, Installation, in_seconds

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} \u202e ' + "a" * 10_000


async def three(api: Installation) -> dict[str, str]:
    """Connect a feed, an X and an Instagram account."""
    return {name: await api.connect(name) for name in ("feed", "x", "instagram")}


def problems(page: Page) -> list[str]:
    return [li.get_text(" ", strip=True) for li in page.main.select(".note.refused li")]


def counters(page: Page) -> list[str]:
    return [" ".join(li.get_text(" ").split()) for li in page.soup.select("#counters li")]


async def compose(person: Person, status: int = 200, **fields: Any) -> Page:
    page = await person.get("/posts/new")
    return await person.send(page, "/posts/new", status, **fields)


async def only_post(api: Installation) -> Any:
    (item,) = (await api.get("/v1/posts")).json()["items"]
    return item


async def test_without_an_account_it_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/posts/new")
    assert page.title == "New post"
    assert "No account is connected yet" in page.text
    assert page.links()["connect an account"] == "/accounts/new"
    page = await compose(admin, text="For later", do="draft")
    assert page.note == "The draft is saved; it is not scheduled yet"
    assert (await only_post(admin.api))["state"] == "draft"


async def test_each_platform_counts_in_its_own_way(admin: Person) -> None:
    """A long link counts 23 at X, an emoji 2; what does not fit is said before anything is sent."""
    ids = await three(admin.api)
    text = "Look 👍 https://example.org/" + "a" * 60 + " " + "b" * 250
    page = await compose(admin, text=text, accounts=list(ids.values()), do="check")
    assert counters(page) == [
        "Feed handle1 338 / 100,000 characters",
        "X handle2 282 / 280 weighted characters, too long",
        "Instagram handle3 338 / 2,200 characters",
    ]
    assert [p.get_text() for p in page.main.select(".problems .problem")] == [
        "Too long by 2: 282 characters as X counts them, at most 280 are allowed.",
        "At least one image or video is needed here.",
    ]
    assert "2 of 3 accounts cannot take this post yet." in page.text
    assert await admin.api.count("posts") == 0


async def test_links_tags_and_people_are_marked_as_the_platform_does(admin: Person) -> None:
    account = await admin.api.connect("x")
    page = await compose(admin, text="Hi @ada: #books, https://a.example.", accounts=account)
    skin = page.main.select_one(".said")
    assert skin is not None
    marked = [(span["class"][0], span.get_text()) for span in skin.select("span")]
    assert marked == [("mention", "@ada"), ("tag", "#books"), ("link", "https://a.example")]
    assert skin.get_text() == "Hi @ada: #books, https://a.example."


async def test_what_is_too_long_is_shortened_by_one_button(admin: Person) -> None:
    """The account gets a text of its own, cut behind a word; the others keep the whole one."""
    ids = await three(admin.api)
    text = "word " * 70
    wanted = [ids["x"], ids["feed"]]
    page = await compose(admin, 422, text=text, accounts=wanted, do="schedule")
    assert problems(page) == [
        "x account handle2: Too long by 70: 350 characters as X counts them, at most 280 are "
        "allowed."
    ]
    button = page.main.select_one("button[name=fix]")
    assert button is not None
    assert (button["value"], button.get_text()) == (ids["x"], "Shorten it for X handle2")
    page = await admin.send(page, "/posts/new", accounts=wanted, fix=ids["x"])
    own = page.fields("/posts/new")[f"text-{ids['x']}"]
    assert own == ("word " * 55).strip() + "…" == button["data-fix"]
    assert "Fits all 2 accounts." in page.text
    page = await admin.send(page, "/posts/new", accounts=wanted, do="schedule")
    assert page.note == "It is being published now"
    post = await only_post(admin.api)
    assert {d["platform"]: d["text"] for d in post["deliveries"]} == {"x": own, "feed": None}


async def test_a_refusal_keeps_everything(admin: Person) -> None:
    """Text, link, accounts, other texts, uploaded images with their descriptions, time, zone."""
    ids = await three(admin.api)
    page = await admin.get("/posts/new")
    fields = {
        **page.fields("/posts/new"),
        "text": "Kept",
        "link": "ftp://example.org",
        "accounts": [ids["x"], ids["feed"]],
        f"text-{ids['feed']}": "Own words",
        "when": "at",
        "at": "2020-01-01T10:00",
        "zone": "Europe/Paris",
        "do": "schedule",
    }
    files = [("files", ("dot.png", PNG, "image/png")), ("files", ("no.txt", b"text", "image/png"))]
    reply = await admin.http.post("/posts/new", data=fields, files=files, headers=HTML)
    page = parsed(reply, 422)
    assert problems(page) == [
        "no.txt is unknown; allowed: image/jpeg, image/png, image/gif, image/webp, video/mp4, "
        "video/quicktime, video/webm"
    ]
    (image,) = [field["value"] for field in page.main.select("input[name=media]")]
    page = await admin.send(
        page,
        "/posts/new",
        422,
        accounts=fields["accounts"],
        do="schedule",
        **{f"alt-{image}": "A dot"},
    )
    shown = page.fields("/posts/new")
    assert {name: shown[name] for name in ("text", "link", "when", "at", "zone", "media")} == {
        "text": "Kept",
        "link": "ftp://example.org",
        "when": "at",
        "at": "2020-01-01T10:00",
        "zone": "Europe/Paris",
        "media": image,
    }
    assert shown[f"alt-{image}"] == "A dot"
    assert shown[f"text-{ids['feed']}"] == "Own words"
    chosen = page.main.select("input[name=accounts][checked]")
    assert {box["value"] for box in chosen} == {ids["x"], ids["feed"]}
    assert any("has passed" in found for found in problems(page))
    assert any("must begin with http" in found for found in problems(page))
    assert await admin.api.count("posts") == 0
    page = await admin.send(
        page,
        "/posts/new",
        accounts=fields["accounts"],
        link="",
        at="2031-07-01T10:00",
        do="schedule",
    )
    assert page.note == "Scheduled for Tue 1 Jul 2031, 10:00 (Europe/Paris)"
    post = await only_post(admin.api)
    assert (post["publish_at"], post["link"]) == ("2031-07-01T08:00:00Z", None)
    assert [(m["id"], m["alt"]) for m in post["media"]] == [(image, "A dot")]


def parsed(reply: httpx.Response, status: int) -> Page:
    assert reply.status_code == status, reply.text[-2000:]
    return Page(reply, BeautifulSoup(reply.text, "html.parser"))


async def test_images_are_chosen_and_taken_out(admin: Person) -> None:
    file = {"file": ("dot.png", PNG, "image/png")}
    image = (await admin.api.request("POST", "/v1/media", files=file)).json()["id"]
    account = await admin.api.connect()
    page = await compose(admin, accounts=account, pick=image)
    assert [img["src"] for img in page.main.select(".images img")] == [f"/media/{image}/thumbnail"]
    assert page.main.select_one(".shown .no-alt") is not None, "the preview says what is missing"
    page = await admin.send(page, "/posts/new", accounts=account, drop=image)
    assert page.main.select(".images img") == []


async def test_a_link_of_the_calendar_fills_the_form(admin: Person) -> None:
    account = await admin.api.connect()
    page = await admin.get(f"/posts/new?at=2031-11-24T09:00&account={account}")
    fields = page.fields("/posts/new")
    assert (fields["when"], fields["at"], fields["accounts"]) == ("at", "2031-11-24T09:00", account)
    page = await admin.send(page, "/posts/new", text="Nine", zone="Asia/Kathmandu", do="schedule")
    assert (await only_post(admin.api))["publish_at"] == "2031-11-24T03:15:00Z"


async def test_a_time_that_does_not_exist_is_refused(admin: Person) -> None:
    account = await admin.api.connect()
    when = {"when": "at", "at": "2031-03-30T02:30", "zone": "Europe/Paris"}
    page = await compose(admin, 422, text="x", accounts=account, do="schedule", **when)
    assert "does not exist in Europe/Paris" in problems(page)[0]
    page = await compose(admin, 422, text="x", accounts=account, do="schedule", when="at")
    assert problems(page) == ["Choose a date and a time, or now"]
    assert await admin.api.count("posts") == 0


async def test_a_draft_is_edited_and_scheduled(admin: Person) -> None:
    one, two = [await admin.api.connect() for _ in range(2)]
    draft = await admin.api.schedule([one], "Draft", draft=True, overrides={one: {"text": "Own"}})
    path = f"/posts/{draft['id']}/edit"
    page = await admin.get(path)
    assert page.fields(path)[f"text-{one}"] == "Own"
    page = await admin.send(page, path, text="Better", accounts=[two], do="draft")
    stored = await admin.api.read_post(draft["id"])
    assert (stored["text"], [d["account_id"] for d in stored["deliveries"]]) == ("Better", [two])
    page = await admin.send(await admin.get(path), path, do="schedule")
    assert page.note == "It is being published now"
    assert [action for _, action, _ in await actions_noted(admin.api)][-2:] == [
        "posts.change",
        "posts.schedule",
    ]


async def test_a_scheduled_post_keeps_its_time_unless_it_is_changed(admin: Person) -> None:
    """Also one whose time has passed: only a new time must lie ahead."""
    account = await admin.api.connect()
    post = await admin.api.schedule([account], publish_at=in_seconds(3600))
    await admin.api.sql("UPDATE posts SET publish_at = now() - interval '1 h'")
    path = f"/posts/{post['id']}/edit"
    page = await admin.send(await admin.get(path), path, text="Other", do="save")
    assert page.note == "The changes are saved"
    after = await admin.api.read_post(post["id"])
    assert (after["text"], after["deliveries"][0]["due_at"]) == (
        "Other",
        post["deliveries"][0]["due_at"],
    )


async def test_two_editors_do_not_overwrite_each_other_unseen(admin: Person) -> None:
    account = await admin.api.connect()
    post = await admin.api.schedule([account], "First", publish_at=in_seconds(3600))
    path = f"/posts/{post['id']}/edit"
    mine, theirs = await admin.get(path), await admin.get(path)
    await admin.send(theirs, path, text="Theirs", do="save")
    page = await admin.send(mine, path, 409, text="Mine", do="save")
    assert problems(page) == ["The post was changed meanwhile; saving replaces that"]
    assert (await admin.api.read_post(post["id"]))["text"] == "Theirs"
    await admin.send(page, path, do="save")
    assert (await admin.api.read_post(post["id"]))["text"] == "Mine"


async def test_what_is_published_is_copied_not_edited(admin: Person) -> None:
    post = await admin.api.schedule([await admin.api.connect()], "Again")
    await admin.api.work()
    page = await admin.get(f"/posts/{post['id']}/edit")
    assert (page.path, page.note) == (
        f"/posts/{post['id']}",
        "The post cannot be changed any more: it is published",
    )
    page = await admin.get(page.links()["Duplicate"])
    assert page.fields("/posts/new")["text"] == "Again"


async def test_hostile_text_stays_text(admin: Person) -> None:
    account = await admin.api.connect("feed", {"handle": "a", "display_name": "<b>Name</b>"})
    page = await compose(admin, text=HOSTILE, link="javascript:alert(1)", accounts=account)
    assert page.fields("/posts/new")["text"] == HOSTILE
    assert page.main.select("script, b > b, img[onerror], a[href^=javascript]") == []
    assert "<b>Name</b>" in page.text
    assert "49" not in page.text.replace("10,149", "")


async def test_the_preview_alone_is_asked_for_while_one_types(admin: Person) -> None:
    account = await admin.api.connect("x")
    page = await admin.get("/posts/new")
    token = page.fields("/posts/new")["csrf"]
    sent = {"csrf": token, "text": "é" * 281, "accounts": account, "files": "[object File]"}
    reply = await admin.http.post(
        "/posts/preview", data=sent, headers={**HTML, "HX-Request": "true"}
    )
    assert reply.status_code == 200
    assert "281 / 280" in reply.text
    assert 'hx-swap-oob="true"' in reply.text
    assert "<html" not in reply.text


async def test_somebody_elses_accounts_and_posts_are_not_there(stranger: Person) -> None:
    """Nor may who only reads compose; nor may who has no right to upload."""
    theirs = await stranger.api.connect()
    post = await stranger.api.schedule([theirs], draft=True)
    await stranger.log_in("bob", "posts:read", "posts:write")
    page = await stranger.get("/posts/new")
    assert "handle1" not in page.text
    assert page.main.select("input[type=file]") == []
    page = await stranger.send(page, "/posts/new", 422, text="x", accounts=theirs, do="schedule")
    assert problems(page) == [f"{theirs} is not among your accounts"]
    await stranger.get(f"/posts/{post['id']}/edit", 404)
    await stranger.get(f"/posts/new?copy={post['id']}", 404)
    token = page.fields("/posts/new")["csrf"]
    files = {"files": ("dot.png", PNG, "image/png")}
    reply = await stranger.http.post("/posts/new", data={"csrf": token}, files=files, headers=HTML)
    assert reply.status_code == 403
    assert await stranger.api.count("media") == 0
    assert await stranger.api.count("posts") == 1


async def test_who_only_reads_does_not_compose(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    await stranger.get("/posts/new", 403)
    assert "Compose" not in (await stranger.get("/posts")).text
