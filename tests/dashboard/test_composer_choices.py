"""The composer: what each platform lets an author choose, and other files at one account."""

from typing import Any

import pytest

from service.dashboard.publishing import composing
from tests.dashboard.composer import filled, image, press, sandbox, video, wrong
from tests.dashboard.person import Page, Person

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)> {{7*7}} ' + "a" * 2_000


async def only_post(admin: Person) -> Any:
    (item,) = (await admin.api.get("/v1/posts")).json()["items"]
    return item


def answers(page: Page, name: str) -> list[tuple[str, str]]:
    return [
        (str(o["value"]), o.get_text()) for o in page.main.select(f"select[name={name}] option")
    ]


async def test_what_a_platform_needs_is_asked_at_its_account(admin: Person) -> None:
    """G030: YouTube's title and its question of law: before they are answered nothing is stored."""
    account, clip = await sandbox(admin.api, "youtube"), await video(admin.api)
    page = await admin.get("/posts/new")
    kids, title = f"choice-{account}-made_for_kids", f"choice-{account}-title"
    assert answers(page, kids) == [("", "Choose…"), ("yes", "Yes"), ("no", "No")]
    assert wrong(page) == {}
    chosen = {"accounts": account, "text": "Look", "pick": clip}
    page = await press(admin, page, 422, do="schedule", **chosen)
    assert wrong(page) == {
        title: "Missing: The title people see.",
        kids: "Missing: Whether the video is made for children; the law wants an answer.",
    }
    assert await admin.api.count("posts") == 0
    assert page.main.select_one(f"#at-{account} video") is None
    assert page.main.select_one(f"[name=media][value='{clip}']") is not None, "it is kept"
    more = {title: "Market day", kids: "no", f"choice-{account}-tags": "food, herbs ,, market"}
    page = await press(admin, page, do="schedule", **more)
    assert page.note == "It is being published now"
    (delivery,) = (await only_post(admin))["deliveries"]
    assert delivery["options"] == {
        "title": "Market day",
        "made_for_kids": False,
        "tags": ["food", "herbs", "market"],
    }


async def test_a_box_that_is_not_ticked_is_an_answer(admin: Person) -> None:
    """What is as it is by default is left out; what was chosen comes back to be edited."""
    account = await sandbox(admin.api, "bluesky")
    page = await admin.get("/posts/new")
    quotes, replies = f"choice-{account}-quotes", f"choice-{account}-replies"
    assert filled(page)[quotes] == ["yes"], "as it is by default"
    page = await press(admin, page, accounts=account, text="x", do="draft", **{quotes: []})
    post = await only_post(admin)
    (delivery,) = post["deliveries"]
    assert delivery["options"] == {"quotes": False}
    page = await admin.get(f"/posts/{post['id']}/edit")
    assert quotes not in filled(page)
    await press(admin, page, do="draft", **{quotes: "yes", replies: "nobody"})
    (delivery,) = (await only_post(admin))["deliveries"]
    assert delivery["options"] == {"replies": "nobody"}
    page = await admin.get(f"/posts/new?copy={post['id']}")
    assert filled(page)[replies] == ["nobody"]


async def test_a_line_says_how_much_of_it_is_used(admin: Person) -> None:
    account = await sandbox(admin.api, "youtube")
    name = f"choice-{account}-title"
    page = await admin.get("/posts/new")
    page = await press(admin, page, accounts=account, do="check", **{name: "é" * 101})
    place = page.main.select_one(f"[data-counts='{name}']")
    assert place is not None
    assert (place.get_text(), place["data-most"]) == ("101 / 100", "100")
    assert wrong(page)[name] == "Too long by 1: at most 100 characters are allowed."


async def test_one_account_gets_other_files(admin: Person) -> None:
    """It begins with those of the post; the others keep theirs; it may have none."""
    one, two = await admin.api.connect(), await admin.api.connect()
    first, second = await image(admin.api), await image(admin.api, b"2")
    page = await admin.get("/posts/new")
    both = {"accounts": [one, two], "text": "x"}
    page = await press(admin, page, **both, pick=first)
    page = await press(admin, page, differ=one)
    assert filled(page)[f"own-{one}-media"] == [first]
    page = await press(admin, page, drop=f"own-{one}-{first}")
    assert filled(page)["media"] == [first], "only there"
    assert "None: only the text goes to this account." in page.text
    page = await press(admin, page, **{f"own-{one}-pick": second})
    page = await press(admin, page, do="schedule", **{f"own-{one}-alt-{second}": "Another dot"})
    post = await only_post(admin)
    media = {
        d["account_id"]: d["media"] and [(m["id"], m["alt"]) for m in d["media"]]
        for d in post["deliveries"]
    }
    assert media == {one: [(second, "Another dot")], two: None}
    page = await admin.get(f"/posts/new?copy={post['id']}")
    assert filled(page)[f"own-{one}-alt-{second}"] == ["Another dot"]
    page = await press(admin, page, same=one)
    assert "own" not in filled(page)


async def test_the_preview_shows_what_each_account_gets(admin: Person) -> None:
    """Also a video, with its length where it is chosen."""
    one, two = await admin.api.connect(), await sandbox(admin.api, "x")
    clip = await video(admin.api)
    page = await admin.get("/posts/new")
    assert "market.mp4 6 s" in page.text, "among what can be chosen"
    page = await press(admin, page, accounts=[one, two], text="x", pick=clip)
    assert len(page.main.select(".skin video")) == 2
    page = await press(admin, page, differ=two)
    page = await press(admin, page, drop=f"own-{two}-{clip}", do="check")
    assert len(page.main.select(".skin video")) == 1
    (place,) = page.main.select("#images > ul .length")
    assert place.get_text() == "▶ 6 s"
    assert "What video 1 shows" in page.text


async def test_of_many_accounts_only_the_chosen_ask(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form does not grow with accounts that nobody chooses; they answer nothing."""
    monkeypatch.setattr(composing, "FEW", 1)
    one, two = [await sandbox(admin.api, name) for name in ("bluesky", "tiktok")]
    page = await admin.get("/posts/new")
    assert "choices" not in filled(page)
    assert "press Check to say what differs" in page.text
    page = await press(admin, page, accounts=one, text="x", do="show")
    assert filled(page)["choices"] == [one]
    page = await press(admin, page, accounts=[one, two], do="draft")
    post = await only_post(admin)
    assert [d["options"] for d in post["deliveries"]] == [{}, {}]


async def test_hostile_choices_stay_text(admin: Person) -> None:
    account = await sandbox(admin.api, "tiktok")
    fields = {
        f"choice-{account}-title": HOSTILE,
        f"choice-{account}-privacy_level": HOSTILE[:100],
        "choice-x-y": "1",
        "choices": [account, "no id"],
        f"own-thread-{account}": '[{"kind": 1}]',
        "part": ["-1", "x", "99999"],
    }
    page = await admin.get("/posts/new")
    page = await press(admin, page, 422, accounts=account, text="x", do="submit", **fields)
    assert page.main.select("script, img[onerror]") == []
    assert filled(page)[f"choice-{account}-title"] == [HOSTILE]
    assert filled(page)[f"choice-{account}-privacy_level"] == [HOSTILE[:100]]
    assert await admin.api.count("posts") == 0
