"""Media: uploading, who sees a file, which posts show it, and deleting what none shows."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.access.caller import Caller
from service.errors import Conflict
from service.media import actions
from service.media.arriving import store
from service.media.storage import path_of
from tests.access.helpers import actions_noted
from tests.dashboard.person import HTML, Person
from tests.media.clips import drawing
from tests.media.conftest import clips as clips  # the same fixture
from tests.support import PNG, Installation, problems

pytestmark = pytest.mark.asyncio
HOSTILE = "'><img src=x onerror=alert(1)>{{7*7}}.png"


async def upload(api: Installation, name: str = "a.png", extra: bytes = b"", **options: Any) -> Any:
    """Upload an image through the API; what follows it makes it another content."""
    files = {"file": (name, PNG + extra)}
    reply = await api.request("POST", "/v1/media", files=files, **options)
    assert reply.status_code == 201, reply.text
    return reply.json()


async def send(person: Person, *files: tuple[str, bytes]) -> httpx.Response:
    """Send the form of uploads."""
    page = await person.get("/media")
    sent = [("files", (name, content)) for name, content in files]
    return await person.http.post(
        "/media", data=page.fields("/media"), files=sent, headers=HTML, follow_redirects=True
    )


def on_disk(api: Installation) -> list[str]:
    """Return the names of all files in the media folder."""
    folder = api.runtime.settings.media_folder
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_without_files_a_page_says_what_to_do(admin: Person) -> None:
    page = await admin.get("/media")
    assert "Nothing is uploaded yet" in page.text
    page = await admin.send(page, "/media")
    assert page.note == "Choose at least one file"


async def test_good_files_are_kept_beside_bad_ones(admin: Person) -> None:
    """G001: images for posts; each file that is none is named with its reason."""
    bad = ("notes.txt", b"not an image")
    reply = await send(admin, (HOSTILE, PNG), bad, ("b.png", PNG + b"b"))
    assert reply.status_code == 422
    page = await admin.get("/media")
    assert "2 files are here. Not taken:" in reply.text
    assert "<b>notes.txt</b>: is unknown; allowed: image/jpeg, image/png" in reply.text
    assert await admin.api.count("media") == 2
    assert HOSTILE in page.text
    assert page.main.select("img[onerror], script") == []
    assert "In no post" in page.text
    reply = await send(admin, ("c.png", PNG + b"c"))
    assert "1 file is uploaded" in reply.text
    noted = [action for _, action, _ in await actions_noted(admin.api)]
    assert noted[-3:] == ["media.upload"] * 3


async def test_a_file_is_served_to_who_may_see_it(stranger: Person) -> None:
    """As the image that it is, and nothing else; another's does not exist."""
    api = stranger.api
    await stranger.log_in("bob", "content:read")
    scopes = ("content:read", "content:write")
    mine = await upload(api, HOSTILE, key=await api.new_key(*scopes, user="bob"))
    theirs = await upload(api, key=await api.new_key(*scopes, user="ann"))
    reply = await stranger.http.get(f"/media/{mine['id']}/file")
    assert (reply.content, reply.headers["content-type"]) == (PNG, "image/png")
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert reply.headers["cache-control"].startswith("private")
    assert reply.headers["content-disposition"].startswith("inline")
    await stranger.get(f"/media/{theirs['id']}/file", 404)
    page = await stranger.get("/media")
    assert len(page.main.select(".grid li")) == 1
    assert page.main.select("input[type=file], input[type=checkbox]") == []
    token = page.fields("/logout")["csrf"]
    for path in ("/media", "/media/delete"):
        reply = await stranger.post(path, csrf=token, media=mine["id"], confirmed="yes")
        assert reply.status_code == 403
    assert await api.count("media") == 2
    stranger.http.cookies.clear()
    reply = await stranger.http.get(f"/media/{mine['id']}/file")
    assert reply.status_code == 401


async def test_files_say_which_posts_show_them(admin: Person) -> None:
    api = admin.api
    account = await api.connect()
    media = await upload(api)
    refs = [{"id": media["id"]}]
    for number in range(5):
        await api.schedule([account], f"Post {number}", media=refs)
    page = await admin.get("/media")
    assert "In 5 posts Post 4 Post 3 Post 2 and 2 more" in page.text
    assert page.main.select("input[name=media]") == [], "what is shown is not deleted"


async def test_what_no_post_shows_is_deleted(admin: Person) -> None:
    """Confirmed first; the file goes with the last row that stands for it."""
    api = admin.api
    account = await api.connect()
    shown = await upload(api, "shown.png")
    await api.schedule([account], media=[{"id": shown["id"]}])
    unused = await upload(api, HOSTILE, b"unused")
    key = await api.new_key("content:read", "content:write", user="ann")
    same = await upload(api, "hers.png", b"unused", key=key)
    assert same["sha256"] == unused["sha256"]
    page = await admin.get("/media")
    page = await admin.send(page, "/media/delete")
    assert page.note == "Select what to delete first"
    page = await admin.send(page, "/media/delete", media=[unused["id"], shown["id"]])
    assert page.title == "Delete 1 file?"
    assert "Kept, because a post shows it: shown.png" in page.text
    assert await api.count("media") == 3
    page = await admin.send(page, "/media/delete", media=[unused["id"], shown["id"]])
    assert page.note.startswith("1 file is deleted. Kept: shown.png (A post shows this file")
    assert on_disk(api) == sorted([shown["sha256"], unused["sha256"]]), "ann has it as well"
    reply = await api.request("DELETE", f"/v1/media/{same['id']}", key=key)
    assert reply.status_code == 204
    assert on_disk(api) == [shown["sha256"]]
    reply = await api.request("DELETE", f"/v1/media/{shown['id']}")
    assert reply.status_code == 409
    assert on_disk(api) == [shown["sha256"]]
    noted = [action for _, action, _ in await actions_noted(api)]
    assert noted.count("media.delete") == 2


async def test_others_files_are_not_deleted(stranger: Person) -> None:
    api = stranger.api
    await stranger.log_in("bob", "content:read", "content:write")
    theirs = await upload(api, key=await api.new_key("content:write", user="ann"))
    await upload(api, key=await api.new_key("content:write", user="bob"))
    page = await stranger.get("/media")
    page = await stranger.send(page, "/media/delete", media=theirs["id"], confirmed="yes")
    assert page.note == "Select what to delete first"
    assert await api.count("media") == 2
    await stranger.send(page, "/media/delete", 422, media="nothing")


async def test_a_post_and_a_deletion_at_once(api: Installation) -> None:
    """Whoever is first wins: never a post without its image."""
    account = await api.connect()
    for number in range(5):
        media = await upload(api, extra=bytes([number]))
        body = {"text": "x", "accounts": [account], "media": [{"id": media["id"]}]}
        post, deletion = await asyncio.gather(
            api.post("/v1/posts", body), api.request("DELETE", f"/v1/media/{media['id']}")
        )
        kept = media["sha256"] in on_disk(api)
        assert (post.status_code, deletion.status_code, kept) in {
            (201, 409, True),
            (422, 204, False),
        }


async def test_the_same_upload_while_it_is_deleted(api: Installation, admin: Person) -> None:
    """A row never stands for bytes that are gone."""
    media = await upload(api)
    settings = api.runtime.settings
    with path_of(settings.media_folder, media["sha256"]).open("rb") as file:
        arrived = await store(settings, file)
    assert (await api.request("DELETE", f"/v1/media/{media['id']}")).status_code == 204
    with pytest.raises(Conflict, match="upload it again"):
        async with api.runtime.unit_of_work() as uow:
            await actions.add(uow.session, await caller_of(api), arrived, "a.png")
    assert await api.count("media") == 0


async def caller_of(api: Installation) -> Any:
    """Return somebody who uploads."""
    (row,) = await api.sql("SELECT id FROM users LIMIT 1")
    return Caller(UUID(str(row.id)), "ann", frozenset())


async def test_files_are_paged(admin: Person) -> None:
    for number in range(3):
        await upload(admin.api, f"{number}.png", bytes([number]))
    page = await admin.get("/media?limit=2")
    assert [name.get_text(strip=True) for name in page.main.select(".name")] == ["2.png", "1.png"]
    page = await admin.get(page.links()["Older"])
    assert [name.get_text(strip=True) for name in page.main.select(".name")] == ["0.png"]
    listed = (await admin.api.get("/v1/media?limit=1")).json()
    assert [item["filename"] for item in listed["items"]] == ["2.png"]
    wrong = await admin.api.get("/v1/media?cursor=x")
    assert "cursor" in problems(wrong)


async def test_videos_are_shown_and_uploaded_without_a_script(admin: Person, clips: Path) -> None:
    """The form takes them; the page plays them, with size and length; a part can be fetched."""
    video = await asyncio.to_thread((clips / "plain.mp4").read_bytes)
    reply = await send(admin, ("film.mp4", video))
    assert "1 file is uploaded" in reply.text
    page = await admin.get("/media")
    [shown] = page.main.select("video")
    assert shown.has_attr("controls")
    assert "MP4" in page.text
    assert ", 2 s" in page.text
    part = await admin.http.get(str(shown["src"]), headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert "media-src 'self'" in (await admin.http.get("/media")).headers["content-security-policy"]
    reply = await send(admin, ("film.mp4", video[:4000]), ("c.png", PNG))
    assert "<b>film.mp4</b>: The video is cut off" in reply.text
    assert await admin.api.count("media") == 2


async def test_large_images_have_thumbnails(stranger: Person, tmp_path: Path) -> None:
    """Small ones are their own; others' do not exist."""
    api = stranger.api
    await stranger.log_in("bob", "content:read")
    key = await api.new_key("content:read", "content:write", user="bob")
    large = await asyncio.to_thread(drawing(tmp_path / "a.png", 800, 600).read_bytes)
    files = {"file": ("a.png", large)}
    mine = (await api.request("POST", "/v1/media", files=files, key=key)).json()
    for _ in range(2):
        reply = await stranger.http.get(f"/media/{mine['id']}/thumbnail")
        assert (reply.status_code, reply.headers["content-type"]) == (200, "image/jpeg")
        assert len(reply.content) <= 60_000
    assert await api.count("media_variants") == 1
    small = await upload(api, key=key)
    reply = await stranger.http.get(f"/media/{small['id']}/thumbnail")
    assert reply.content == PNG
    theirs = await upload(api, extra=b"x", key=await api.new_key("content:write", user="ann"))
    await stranger.get(f"/media/{theirs['id']}/thumbnail", 404)
