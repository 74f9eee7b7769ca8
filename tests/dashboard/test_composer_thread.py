"""The composer: the rest of a thread and comments, block by block, without scripts."""

from typing import Any

import pytest
from bs4 import BeautifulSoup

from tests.dashboard.composer import filled, image, press, sandbox, wrong
from tests.dashboard.person import HTML, Page, Person
from tests.support import PNG, in_seconds

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} ' + "a" * 2_000


async def only_post(person: Person) -> Any:
    (item,) = (await person.api.get("/v1/posts")).json()["items"]
    return item


def texts(page: Page) -> list[str]:
    """Return what follows on the form, in order."""
    return [area.get_text() for area in page.main.select("#thread textarea[name$='-text']")]


async def with_parts(person: Person, *kinds: str, **fields: Any) -> Page:
    """Open the composer and add blocks."""
    page = await press(person, await person.get("/posts/new"), **fields)
    for kind in kinds:
        page = await press(person, page, add=kind)
    return page


async def test_a_thread_is_written_and_published(admin: Person) -> None:
    """Kind, text, files with descriptions and a delay reach the post; the rest is kept."""
    account, dot = await sandbox(admin.api, "x"), await image(admin.api)
    page = await with_parts(admin, "thread", "comment", accounts=account, text="First")
    assert filled(page)["text"] == ["First"]
    more = {"part-0-text": "Second", "part-1-text": "The link", "part-0-pick": dot}
    page = await press(admin, page, **more)
    wait = {"part-1-delay": "2", "part-1-unit": "h", f"part-0-alt-{dot}": "A dot"}
    page = await press(admin, page, do="schedule", **wait)
    assert page.note == "It is being published now"
    post = await only_post(admin)
    shown = [(p["kind"], p["text"], p["delay"], len(p["media"])) for p in post["thread"]]
    assert shown == [("thread", "Second", 0, 1), ("comment", "The link", 7200, 0)]
    assert post["thread"][0]["media"][0]["alt"] == "A dot"
    assert [(d["kind"], d["delay"]) for d in post["follow_ups"]] == [
        ("thread", 0),
        ("comment", 7200),
    ]
    await admin.api.work(max_burst_jobs=2)
    states = [d["state"] for d in (await only_post(admin))["follow_ups"]]
    assert states == ["published", "scheduled"]


async def test_blocks_are_moved_and_removed(admin: Person) -> None:
    page = await with_parts(admin, "thread", "thread", "comment")
    page = await press(admin, page, **{f"part-{n}-text": name for n, name in enumerate("abc")})
    page = await press(admin, page, **{"raise": "2"})
    assert texts(page) == ["a", "c", "b"]
    assert filled(page)["part-1-kind"] == ["comment"]
    page = await press(admin, page, remove="0")
    assert texts(page) == ["c", "b"]
    for nonsense in ({"raise": "0"}, {"raise": "9" * 50}, {"remove": "7"}, {"add": "poll"}):
        page = await press(admin, page, **nonsense)
        assert texts(page) == ["c", "b"]


async def test_problems_stand_at_the_block_they_are_about(admin: Person) -> None:
    """The list above names the follow-up; nothing is stored, everything is kept."""
    account = await sandbox(admin.api, "x")
    page = await with_parts(admin, "thread", "thread", accounts=account, text="First")
    more = {
        "part-0-text": "fits",
        "part-1-text": "x" * 281,
        "part-1-delay": "8",
        "part-1-unit": "d",
    }
    page = await press(admin, page, 422, do="schedule", **more)
    assert wrong(page)["part-1-delay"] == "Wait a whole number, at most 7 days"
    assert "part-0-text" not in wrong(page)
    page = await press(admin, page, 422, do="schedule", **{"part-1-delay": ""})
    message = "281 characters as X counts them, at most 280 are allowed."
    assert wrong(page) == {"part-1-text": f"X account x: Too long by 1: {message}"}
    listed = [li.get_text() for li in page.main.select(".note.refused li")]
    assert listed == [f"Follow-up 2: x account x: Too long by 1: {message}"]
    assert texts(page) == ["fits", "x" * 281]
    assert await admin.api.count("posts") == 0
    page = await press(admin, page, 422, do="schedule", **{"part-1-text": "\x00"})
    assert wrong(page)["part-1-text"] == "Contains control characters"
    page = await press(admin, page, 422, do="schedule", **{"part-1-text": ""})
    assert "The post is empty" in wrong(page)["part-1-text"]
    assert await admin.api.count("posts") == 0


async def test_who_takes_none_says_so_before_anything_is_sent(admin: Person) -> None:
    """Instagram takes comments only, a feed nothing: a button leaves out what cannot follow."""
    ids = {name: await sandbox(admin.api, name) for name in ("x", "instagram", "tiktok")}
    dot = await image(admin.api)
    chosen = {"accounts": [ids["x"], ids["instagram"]], "text": "First", "pick": dot}
    page = await with_parts(admin, "thread", "comment", **chosen)
    page = await press(admin, page, **{"part-0-text": "Second", "part-1-text": "Link"}, do="check")
    assert wrong(page) == {f"follow-{ids['instagram']}": "There are no threads here."}
    assert "1 of 2 accounts cannot take this post yet." in page.text
    (button,) = page.main.select("button[name=leave]")
    assert button["value"] == ids["instagram"]
    page = await press(admin, page, leave=ids["instagram"])
    assert filled(page)[f"follow-{ids['instagram']}"] == ["comments"]
    assert "Fits all 2 accounts." in page.text
    page = await press(admin, page, do="draft")
    post = await only_post(admin)
    kinds = {
        ids[name]: [d["kind"] for d in post["follow_ups"] if d["account_id"] == ids[name]]
        for name in ("x", "instagram")
    }
    assert kinds == {ids["x"]: ["thread", "comment"], ids["instagram"]: ["comment"]}
    page = await admin.get(f"/posts/{post['id']}/edit")
    assert filled(page)[f"follow-{ids['instagram']}"] == ["comments"]
    page = await press(admin, page, accounts=ids["tiktok"], leave=ids["tiktok"])
    assert filled(page)[f"follow-{ids['tiktok']}"] == ["none"]
    await press(admin, page, do="draft")
    assert (await only_post(admin))["follow_ups"] == []


async def test_what_only_one_account_has_is_kept(admin: Person) -> None:
    """A thread that a program gave one account outlives editing here, and a refusal."""
    one, two = await sandbox(admin.api, "x"), await sandbox(admin.api, "bluesky")
    own = [{"kind": "comment", "text": HOSTILE[:100], "media": [], "delay": 90}]
    post = await admin.api.schedule(
        [one, two],
        "First",
        publish_at=in_seconds(3600),
        thread=[{"text": "Second"}],
        overrides={two: {"thread": own}},
    )
    page = await admin.get(f"/posts/{post['id']}/edit")
    assert "Its own: 1 post, kept as is" in page.text
    page = await press(admin, page, 422, do="save", link="ftp://x")
    page = await press(admin, page, do="save", link="", text="Better")
    assert page.note == "The changes are saved"
    follow_ups = (await only_post(admin))["follow_ups"]
    assert {(d["account_id"], d["text"], d["delay"]) for d in follow_ups} == {
        (one, "Second", 0),
        (two, HOSTILE[:100], 90),
    }
    page = await admin.get(f"/posts/{post['id']}/edit")
    await press(admin, page, do="save", **{f"follow-{two}": ""})
    texts_now = {d["text"] for d in (await only_post(admin))["follow_ups"]}
    assert texts_now == {"Second"}


async def test_the_blocks_alone_are_asked_for_by_scripts(admin: Person) -> None:
    """The same form, the same button: only the part that changes comes back."""
    account = await sandbox(admin.api, "x")
    page = await with_parts(admin, "thread", accounts=account, text="First")
    headers = {**HTML, "HX-Request": "true"}
    sent = {**filled(page), "part-0-text": "é" * 281, "add": "comment"}
    reply = await admin.http.post("/posts/thread", data=sent, headers=headers)
    assert reply.status_code == 200
    part = BeautifulSoup(reply.text, "html.parser")
    assert "<html" not in reply.text
    assert [str(li["id"]) for li in part.select(".part")] == ["part-0", "part-1"]
    assert part.select("[hx-swap-oob]") == [], "they are inside of what is swapped"
    for path, wanted in (("//evil.example", "/posts/new"), ("/posts/new", "/posts/new")):
        found = await admin.http.post(
            "/posts/thread", data={**sent, "form_path": path}, headers=headers
        )
        button = BeautifulSoup(found.text, "html.parser").select_one("button[name=add]")
        assert button is not None
        assert button["formaction"] == f"{wanted}#thread"
    reply = await admin.http.post("/posts/preview", data=sent, headers=headers)
    counter = BeautifulSoup(reply.text, "html.parser").select_one("#counters-0[hx-swap-oob]")
    assert counter is not None
    assert " ".join(counter.get_text(" ").split()) == (
        "X x 281 / 280 weighted characters, too long"
    )


async def test_what_to_do_when_it_is_too_late(admin: Person) -> None:
    """The post's own answer is kept; without one the installation's holds."""
    account = await admin.api.connect()
    page = await admin.get("/posts/new")
    assert "If it would go out more than 3 h late" in page.text
    assert "As everywhere here: ask me" in page.text
    await press(admin, page, accounts=account, text="x", late="skip", do="draft")
    post = await only_post(admin)
    assert post["late"] == "skip"
    page = await admin.get(f"/posts/{post['id']}/edit")
    await press(admin, page, late="", do="draft")
    assert (await only_post(admin))["late"] is None


async def test_hostile_blocks_stay_text(admin: Person) -> None:
    page = await with_parts(admin, "thread", accounts=await sandbox(admin.api, "x"))
    page = await press(admin, page, **{"part-0-text": HOSTILE, "part-0-delay": HOSTILE}, do="check")
    assert page.main.select("script, img[onerror]") == []
    assert texts(page) == [HOSTILE]
    assert filled(page)["part-0-delay"] == [HOSTILE]


async def test_files_are_uploaded_where_they_are_added(admin: Person) -> None:
    """To a block, not to the post; what is none is named at its block, and the rest is kept."""
    page = await with_parts(admin, "thread", "comment", text="First")
    files = [
        ("part-1-files", ("dot.png", PNG, "image/png")),
        ("part-0-files", ("notes.txt", b"text", "image/png")),
    ]
    reply = await admin.http.post("/posts/new", data=filled(page), files=files, headers=HTML)
    assert reply.status_code == 422
    page = Page(reply, BeautifulSoup(reply.text, "html.parser"))
    shown = filled(page)
    assert shown["text"] == ["First"]
    assert ("media" in shown, "part-0-media" in shown, len(shown["part-1-media"])) == (
        False,
        False,
        1,
    )
    assert wrong(page)["part-0-media"].startswith("Notes.txt is unknown; allowed: image/jpeg")
    assert await admin.api.count("media") == 1


async def test_no_more_blocks_than_a_post_takes(admin: Person) -> None:
    page = await admin.get("/posts/new")
    parts = [str(number) for number in range(150)]
    page = await press(admin, page, part=parts, add="thread")
    assert len(texts(page)) == 100
