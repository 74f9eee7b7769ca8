"""What is taken of what people upload: whole images and videos, judged by their content.

Checklist: G001.
"""

import asyncio
import resource
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from service.body_limit import BodyLimit
from service.media import arriving
from service.media.programs import HOW_TO_GET
from tests.media.clips import MOVING_GIF, blank, cut, drawing
from tests.support import PNG, Installation, problems

pytestmark = pytest.mark.asyncio


async def send(api: Installation, content: bytes, name: str = "a") -> httpx.Response:
    """Upload a content."""
    return await api.request("POST", "/v1/media", files={"file": (name, content)})


async def refused(api: Installation, content: bytes, name: str = "a.mp4") -> str:
    """Upload what is not taken; nothing of it stays; return the reason."""
    reply = await send(api, content, name)
    assert reply.status_code == 422, reply.text
    assert await api.count("media") == 0
    folder = api.runtime.settings.media_folder
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    return problems(reply)["file"]


@pytest.mark.parametrize(
    ("name", "content_type", "codecs"),
    [
        ("plain.mp4", "video/mp4", ("h264", "aac")),
        ("camera.mov", "video/quicktime", ("h264", "aac")),
        ("web.webm", "video/webm", ("vp8", "vorbis")),
    ],
)
async def test_videos_are_taken_and_measured(
    api: Installation, clips: Path, name: str, content_type: str, codecs: tuple[str, str]
) -> None:
    reply = await send(api, (clips / name).read_bytes(), "holiday.txt")
    assert reply.status_code == 201, reply.text
    found = reply.json()
    assert found["content_type"] == content_type
    assert (found["width"], found["height"], found["frame_rate"]) == (320, 240, 30)
    assert (found["video_codec"], found["audio_codec"]) == codecs
    assert found["seconds"] == pytest.approx(2, abs=0.1)


async def test_what_a_post_keeps_of_its_video(api: Installation, clips: Path) -> None:
    """The measures go with the post, so that it can be checked without the upload's row."""
    media = (await send(api, (clips / "plain.mp4").read_bytes())).json()
    account = await api.connect()
    body = {"text": "x", "accounts": [account], "draft": True, "media": [{"id": media["id"]}]}
    reply = await api.post("/v1/posts", body)
    assert reply.status_code == 201, reply.text
    [row] = await api.sql("SELECT media FROM posts")
    [kept] = row.media
    assert kept["alt"] == ""
    assert {name: kept[name] for name in ("width", "height", "seconds", "video_codec")} == {
        "width": 320,
        "height": 240,
        "seconds": media["seconds"],
        "video_codec": "h264",
    }


async def test_a_turned_video_has_the_size_it_is_shown_at(api: Installation, clips: Path) -> None:
    found = (await send(api, (clips / "tall.mp4").read_bytes())).json()
    assert (found["width"], found["height"]) == (240, 320)


@pytest.mark.parametrize("name", ["plain.mp4", "quick.mp4", "camera.mov", "web.webm"])
async def test_a_video_that_is_cut_off_is_refused(
    api: Installation, clips: Path, name: str
) -> None:
    """ffmpeg itself ends well with such files."""
    assert "The video is cut off" in await refused(api, cut(clips / name))


async def test_broken_videos_are_refused(api: Installation, clips: Path) -> None:
    whole = (clips / "quick.mp4").read_bytes()
    start = whole.index(b"mdat") + 4
    emptied = whole[:start] + bytes(len(whole) - start)
    assert "The end of the video is broken" in await refused(api, emptied)
    assert "cannot be read" in await refused(api, whole[:32] + bytes(4000))


async def test_a_text_named_as_a_video_is_refused(api: Installation) -> None:
    reason = await refused(api, b"#EXTM3U\nfile:///etc/passwd\n" * 50, "holiday.mp4")
    assert reason.startswith("is ")
    assert "allowed: image/jpeg, image/png, image/gif, image/webp, video/mp4" in reason


async def test_a_sound_without_a_picture_is_refused(
    api: Installation, clips: Path, tmp_path: Path
) -> None:
    command = ["ffmpeg", "-v", "error", "-i", str(clips / "plain.mp4"), "-vn"]
    target = tmp_path / "sound.mp4"
    process = await asyncio.create_subprocess_exec(*command, "-c", "copy", str(target))
    assert await process.wait() == 0
    assert await refused(api, target.read_bytes()) == "The video has no picture"


async def test_images_are_measured(api: Installation, tmp_path: Path) -> None:
    turned = drawing(tmp_path / "a.jpg", 40, 30, orientation=6).read_bytes()
    found = (await send(api, turned)).json()
    assert (found["width"], found["height"], found["seconds"]) == (30, 40, None)
    found = (await send(api, MOVING_GIF)).json()
    assert (found["width"], found["height"], found["seconds"]) == (1, 1, 0.4)
    assert found["frame_rate"] == 5


async def test_broken_images_are_refused(api: Installation, tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "a.webp"):
        whole = drawing(tmp_path / name, 200, 200)
        assert "The image cannot be read" in await refused(api, cut(whole), name)


async def test_an_image_that_becomes_gigabytes_is_refused(
    api: Installation, tmp_path: Path
) -> None:
    """Some kilobytes of a single colour, 20,000 pixels wide and high."""
    target = tmp_path / "bomb.png"
    await asyncio.to_thread(blank, target, 20_000)
    assert target.stat().st_size < 100_000
    reason = await refused(api, target.read_bytes(), "bomb.png")
    assert reason == "20,000 x 20,000 pixels; at most 100,000,000 in all are taken"


async def test_without_ffmpeg_images_are_taken_still(
    api: Installation, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = (clips / "plain.mp4").read_bytes()
    monkeypatch.setenv("PATH", "/nowhere")
    assert await refused(api, video) == f"ffprobe {HOW_TO_GET}"
    assert (await send(api, PNG)).status_code == 201


async def test_nobody_uploads_without_a_key(api: Installation, clips: Path) -> None:
    """Refused before the form is read: it may have a gigabyte."""
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while True:
            sent += 1
            yield bytes(65_536)

    headers = {"Content-Type": "multipart/form-data; boundary=x", "Authorization": "Bearer none"}
    reply = await api.http.post("/v1/media", content=endless(), headers=headers)
    assert (reply.status_code, sent) == (401, 0)


async def test_a_form_without_a_file_is_refused(api: Installation) -> None:
    reply = await api.request("POST", "/v1/media", data={"file": "text"})
    assert (reply.status_code, await api.count("media")) == (422, 0)
    files = [("file", ("a.png", PNG)), ("file", ("b.png", PNG))]
    reply = await api.request("POST", "/v1/media", files=files)
    assert (reply.status_code, await api.count("media")) == (422, 0)


async def test_videos_may_be_larger_than_images(api: Installation, clips: Path) -> None:
    """Each has its own limit, whatever it pretends to be."""
    settings = api.runtime.settings.model_copy(update={"max_upload_bytes": 1000})
    video = clips / "plain.mp4"
    with video.open("rb") as source:
        kept = await arriving.store(settings, source)
    assert kept.path.read_bytes() == video.read_bytes()
    smaller = settings.model_copy(update={"max_video_bytes": video.stat().st_size - 1})
    with video.open("rb") as source, pytest.raises(Exception, match="may have at most"):
        await arriving.store(smaller, source)


async def test_an_upload_is_never_whole_in_memory(api: Installation, clips: Path) -> None:
    """64 MiB behind a video's end, as padding; less than 16 MiB more are in use."""
    whole = (clips / "plain.mp4").read_bytes()
    size = 64 << 20
    padding = size.to_bytes(4, "big") + b"free"

    async def body() -> Any:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'
        yield whole + padding
        for _ in range(64):
            yield bytes(1 << 20)[: (1 << 20) - (8 if _ == 63 else 0)]
        yield b"\r\n--x--\r\n"

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    headers = {
        "Content-Type": "multipart/form-data; boundary=x",
        "Authorization": f"Bearer {api.key}",
    }
    reply = await api.http.post("/v1/media", content=body(), headers=headers)
    assert reply.status_code == 201, reply.text
    assert reply.json()["size"] == len(whole) + size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16_384


async def test_only_uploads_may_be_that_large() -> None:
    """A form elsewhere, and a body that is no form, keep to their own limits."""
    taken: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (message := await receive()).get("more_body"):
            taken.append(len(message["body"]))

    guard = BodyLimit(
        app, max_bytes=10, max_upload_bytes=20, max_file_bytes=30, file_paths={"/v1/media"}
    )

    async def let_through(path: str, content_type: str, method: str = "POST") -> int:
        taken.clear()
        headers = [(b"content-type", content_type.encode())]
        scope = {"type": "http", "path": path, "method": method, "headers": headers}

        async def receive() -> Message:
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def send(_: Message) -> None:
            return

        with pytest.raises(HTTPException) as refused:
            await guard(scope, receive, send)
        assert refused.value.status_code == 413
        return len(taken)

    form = "multipart/form-data; boundary=x"
    assert await let_through("/v1/media", form) == 30
    assert await let_through("/v1/media", "application/json") == 10
    assert await let_through("/v1/media/1", form) == 20
    assert await let_through("/v1/posts", form) == 20
    assert await let_through("/v1/media", form, "PUT") == 20
