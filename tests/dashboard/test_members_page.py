"""The pages of members: found, added, changed, imported, deleted; by whom they may be."""

import pytest

from tests.community.helpers import NOBODY, join, put, read, say
from tests.dashboard.person import HTML, Page, Person

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202e' + "x" * 20


async def upload(person: Person, content: bytes, status: int) -> str:
    """Send a file of members; return what the page says."""
    page = await person.get("/members/import")
    files = {"file": ("members.csv", content, "text/csv")}
    data = page.fields("/members/import")
    reply = await person.http.post("/members/import", data=data, files=files, headers=HTML)
    assert reply.status_code == status, reply.text[-2000:]
    return " ".join(reply.text.split())


def names(page: Page) -> list[str]:
    """Return the members of the list."""
    return [row[0] for row in page.rows()]


async def test_an_empty_list_says_what_to_do(admin: Person) -> None:
    """The page of a community that nobody has joined."""
    page = await admin.get("/members")
    assert "Nobody has joined yet. Add a member, import a file" in page.text
    assert page.links()["Add a member"] == "/members/new"


async def test_members_are_added_changed_and_found(admin: Person) -> None:
    """Every problem is at its field and what was typed stays; search, state and pages."""
    page = await admin.get("/members/new")
    bad = await admin.send(
        page, "/members", 422, email="nobody", username="a b", display_name=HOSTILE
    )
    wrong = {str(each["id"]) for each in bad.main.select(".problem")}
    assert wrong == {"email-hint", "username-hint"}
    assert bad.fields("/members")["display_name"] == HOSTILE
    assert await admin.api.count("members") == 0
    made = await admin.send(
        bad, "/members", email="Ada@example.com", username="ADA", digest_opt_out="yes"
    )
    assert made.note.endswith("is a member; a welcome is mailed")
    assert made.title == HOSTILE
    assert not made.main.select("script, img")
    assert "no, they opted out" in made.text
    assert await admin.api.queued("emails") != []
    taken = await admin.get("/members/new")
    taken = await admin.send(taken, "/members", 422, email="ada@example.com", username="ben")
    assert "Is another member's mail address" in taken.text
    edit = made.path + "/edit"
    form = await admin.get(edit)
    assert form.fields(edit)["email"] == "ada@example.com"
    left = await admin.send(form, edit, 422, username="ada", display_name="")
    assert left.main.select_one("#display_name-hint.problem")
    changed = await admin.send(form, edit, display_name="Ada L", digest_opt_out=None)
    assert (changed.title, changed.note) == ("Ada L", "The member is changed")
    assert "yes, in weeks in which they were active" in changed.text
    for name in ("ben", "bea"):
        await join(admin.api, name)
    assert names(await admin.get("/members")) == ["bea bea", "ben ben", "Ada L ada"]
    assert names(await admin.get("/members?q=BE")) == ["bea bea", "ben ben"]
    first = await admin.get("/members?q=be&limit=1")
    more = await admin.get(first.links()["Older"])
    assert (names(first), names(more)) == (["bea bea"], ["ben ben"])
    nobody = await admin.get("/members?show=deactivated")
    assert "No member matches" in nobody.text


async def test_a_member_with_posts_follows_and_mails(admin: Person) -> None:
    """Counters, posts of whatever visibility, who follows whom, and the welcome mail."""
    api = admin.api
    ada, ben = await join(api, "ada"), await join(api, "ben")
    await put(api, f"members/{ada}/following/{ben}")
    await say(api, ada, "For me alone", visibility="private")
    await api.work("emails")
    page = await admin.get(f"/members/{ada}")
    assert "1 post" in page.text
    assert "For me alone" in page.text
    assert page.links()["ben"] == f"/members/{ben}"
    [[subject, state, _]] = page.rows()
    assert "welcome" in subject
    assert state
    assert "1 follower" in (await admin.get(f"/members/{ben}")).text
    await admin.get(f"/members/{NOBODY}", 404)


async def test_digest_and_deactivation(admin: Person) -> None:
    """The switch acts at once; deactivation asks first and can be taken back."""
    ada = await join(admin.api, "ada")
    path = f"/members/{ada}"
    page = await admin.send(await admin.get(path), f"{path}/digest")
    assert page.note == "They get no weekly digest any more"
    assert (await read(admin.api, f"members/{ada}"))["digest_opt_out"] is True
    page = await admin.send(page, f"{path}/digest")
    assert (await read(admin.api, f"members/{ada}"))["digest_opt_out"] is False
    asked = await admin.send(page, f"{path}/deactivate")
    assert (await read(admin.api, f"members/{ada}"))["is_active"] is True
    page = await admin.send(asked, f"{path}/deactivate")
    assert "is deactivated" in page.note
    assert names(await admin.get("/members?show=deactivated")) == ["ada ada"]
    page = await admin.send(page, f"{path}/activate")
    assert (await read(admin.api, f"members/{ada}"))["is_active"] is True


@pytest.mark.parametrize(("content", "left"), [("keep", 1), ("delete", 0)])
async def test_deleting_says_what_becomes_of_posts(admin: Person, content: str, left: int) -> None:
    """Asked first, with both ways; then exactly that is done."""
    api = admin.api
    ada = await join(api, "ada")
    await say(api, ada, "Public")
    await say(api, ada, "Private", visibility="private")
    path = f"/members/{ada}"
    asked = await admin.send(await admin.get(path), f"{path}/delete")
    assert asked.title == "Delete ada ?"
    assert "What is to become of 2 posts" in asked.text
    await admin.send(asked, f"{path}/delete", content="perhaps")
    assert await api.count("members") == 1
    page = await admin.send(asked, f"{path}/delete", content=content)
    assert "ada is deleted" in page.note
    assert (await api.count("members"), await api.count("feed_posts")) == (0, left)


async def test_members_are_imported_once(admin: Person) -> None:
    """Bad lines are told and left out, a repeat adds nobody, and nobody is mailed."""
    assert (
        "Choose a file"
        in (await admin.send(await admin.get("/members/import"), "/members/import", 422)).text
    )
    assert "no column &#39;username&#39;" in await upload(admin, b"email\nada@example.com\n", 422)
    assert "Has no members" in await upload(admin, b"email,username\n", 422)
    assert await admin.api.count("members") == 0
    lines = f"email,username,display_name\nada@example.com,ada,{'<b>Ada</b>'}\nnot,ben,\n"
    said = await upload(admin, lines.encode(), 200)
    assert "1 member added." in said
    assert "1 bad line left out." in said
    assert "2 lines" not in said
    assert "1 line of members who are there already" in await upload(admin, lines.encode(), 200)
    assert await admin.api.count("members") == 1
    assert await admin.api.queued("emails") == []
    page = await admin.get("/members")
    assert names(page) == ["<b>Ada</b> ada"]


async def test_a_long_file_is_refused_whole(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is stored; the terminal takes it."""
    monkeypatch.setattr("service.dashboard.pages.members.MOST_LINES", 2)
    lines = "email,username\n" + "".join(f"a{n}@example.com,a{n}\n" for n in range(3))
    said = await upload(admin, lines.encode(), 422)
    assert "Has more than 2 lines: use almanac members import" in said
    assert await admin.api.count("members") == 0


async def test_who_may_only_read_changes_nothing(stranger: Person) -> None:
    """The buttons are not shown, and the routes refuse; without the scope there is no page."""
    await stranger.log_in("bob", "content:read")
    ada = await join(stranger.api, "ada")
    page = await stranger.get(f"/members/{ada}")
    assert not page.main.select("form, .actions")
    assert "Add a member" not in (await stranger.get("/members")).links()
    await stranger.get("/members/new", 403)
    await stranger.get("/members/import", 403)
    csrf = page.soup.select_one("input[name=csrf]")
    assert csrf is not None
    for act in ("deactivate", "delete", "digest", "edit"):
        reply = await stranger.post(
            f"/members/{ada}/{act}", csrf=csrf["value"], confirmed="yes", content="delete"
        )
        assert reply.status_code == 403
    assert (await read(stranger.api, f"members/{ada}"))["is_active"] is True
    await stranger.log_in("eve", "jobs:read")
    await stranger.get("/members", 403)
