"""Images and videos as they come out of a conversion, looked at again by the real programs."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from service.media import encoding, pictures, videos
from service.media.encoding import Source
from service.media.measures import Unusable
from service.media.programs import ProgramFailed, run
from service.platforms.fitting import ImagePlan, VideoPlan
from tests.media.clips import MOVING_GIF, cut, drawing, read

pytestmark = pytest.mark.asyncio
COPY = VideoPlan(10_000_000, copies_picture=True, copies_sound=True, picture_rate=1_000_000)
ANEW = replace(COPY, copies_picture=False, copies_sound=False)


async def test_an_image_becomes_a_plain_upright_jpeg(tmp_path: Path) -> None:
    """Alpha on white, orientation applied, no EXIF, sRGB."""
    source = drawing(tmp_path / "a.png", 200, 100, bands=4)
    target = tmp_path / "out"
    made = await pictures.convert(source, target, ImagePlan("image/jpeg", 1_000_000))
    assert (made.width, made.height) == (200, 100)
    image = read(target)
    assert (image.bands, image.interpretation) == (3, "srgb")
    assert min(image.getpoint(10, 50)) >= 250, "what was transparent is white"
    turned = drawing(tmp_path / "b.jpg", 200, 100, orientation=6)
    made = await pictures.convert(turned, target, ImagePlan("image/jpeg", 1_000_000, 50))
    assert (made.width, made.height) == (25, 50)
    image = read(target)
    assert (image.width, image.height) == (25, 50)
    assert [name for name in image.get_fields() if "exif" in name or name == "orientation"] == []


async def test_an_image_gets_small_enough(tmp_path: Path) -> None:
    """By lower quality first, then by fewer pixels."""
    source = drawing(tmp_path / "a.png", 600, 400)
    sizes = []
    for most in (150_000, 40_000, 9000):
        made = await pictures.convert(source, tmp_path / "out", ImagePlan("image/jpeg", most))
        assert (tmp_path / "out").stat().st_size <= most
        sizes.append(made.width)
    assert sizes[0] == 600
    assert sizes[2] is not None
    assert sizes[2] < 600
    with pytest.raises(Unusable, match="at most 100 bytes"):
        await pictures.convert(source, tmp_path / "out", ImagePlan("image/jpeg", 100))


async def test_an_image_keeps_a_shape_that_is_taken(tmp_path: Path) -> None:
    """1.91 to 1 at 3,820 x 2,000; a rounded height of 753 would be 1.912."""
    source = drawing(tmp_path / "a.jpg", 3820, 2000)
    made = await pictures.convert(source, tmp_path / "out", ImagePlan("image/jpeg", 10**7, 1440))
    assert (made.width, made.height) == (1440, 754)


async def test_a_png_keeps_what_is_transparent(tmp_path: Path) -> None:
    source = drawing(tmp_path / "a.png", 200, 100, bands=4)
    await pictures.convert(source, tmp_path / "out", ImagePlan("image/png", 1_000_000, 50))
    image = read(tmp_path / "out")
    assert (image.width, image.height, image.bands) == (50, 25, 4)


async def test_a_broken_image_is_told_of(tmp_path: Path) -> None:
    whole = drawing(tmp_path / "a.jpg", 200, 200)
    whole.write_bytes(cut(whole))
    with pytest.raises(Unusable, match="The image cannot be read"):
        await pictures.convert(whole, tmp_path / "out", ImagePlan("image/jpeg", 10**6, 100))
    assert (await pictures.measured(_written(tmp_path / "b.gif", MOVING_GIF))).seconds == 0.4


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


async def test_a_film_becomes_an_mp4_that_starts_at_once(clips: Path, tmp_path: Path) -> None:
    """H.264 and AAC, the index in front; how far it is, is told."""
    told: list[float] = []
    source = Source(clips / "web.webm", "video/webm", 2.0)
    made = await encoding.convert(source, tmp_path / "out", ANEW, told.append)
    assert (made.video_codec, made.audio_codec) == ("h264", "aac")
    assert (made.width, made.height, made.frame_rate) == (320, 240, 30)
    content = (tmp_path / "out").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert told[-1] > 0.9


async def test_what_is_good_is_taken_over(clips: Path, tmp_path: Path) -> None:
    """A QuickTime film with the right codecs is only put into another container."""
    before = await videos.measured(clips / "camera.mov", "video/quicktime")
    source = Source(clips / "camera.mov", "video/quicktime", 2.0)
    made = await encoding.convert(source, tmp_path / "out", COPY, lambda _: None)
    assert replace(made, seconds=before.seconds) == before
    assert (tmp_path / "out").read_bytes()[4:12] == b"ftypisom"


async def test_frame_rate_size_and_turn(clips: Path, tmp_path: Path) -> None:
    wanted = replace(ANEW, size=(320, 180), frame_rate=30.0)
    source = Source(clips / "fast.mp4", "video/mp4", 2.0)
    made = await encoding.convert(source, tmp_path / "out", wanted, lambda _: None)
    assert (made.width, made.height, made.frame_rate) == (320, 180, 30)
    source = Source(clips / "tall.mp4", "video/mp4", 2.0)
    made = await encoding.convert(source, tmp_path / "out", ANEW, lambda _: None)
    assert (made.width, made.height) == (240, 320)


async def test_a_film_gets_small_enough(clips: Path, tmp_path: Path) -> None:
    wanted = replace(ANEW, most_bytes=60_000, picture_rate=90_000)
    source = Source(clips / "plain.mp4", "video/mp4", 2.0)
    await encoding.convert(source, tmp_path / "out", wanted, lambda _: None)
    assert (tmp_path / "out").stat().st_size <= 60_000
    with pytest.raises(Unusable, match="No video of at most 2,000 bytes can be made of it"):
        too_small = replace(wanted, most_bytes=2000)
        await encoding.convert(source, tmp_path / "out", too_small, lambda _: None)


async def test_a_film_that_breaks_off_is_told_of(clips: Path, tmp_path: Path) -> None:
    """ffmpeg makes a short film of it and ends well."""
    broken = _written(tmp_path / "cut.webm", cut(clips / "web.webm"))
    with pytest.raises(Unusable, match="breaks off in the middle"):
        source = Source(broken, "video/webm", 4.0)
        await encoding.convert(source, tmp_path / "out", ANEW, lambda _: None)


async def test_no_file_reads_another(tmp_path: Path) -> None:
    """A list of files is no film, whatever its name: nothing of this machine gets into a post."""
    listing = _written(tmp_path / "a.mp4", b"ffconcat version 1.0\nfile /etc/passwd\n" * 100)
    with pytest.raises(Unusable, match=r"cannot be read|cut off"):
        await videos.measured(listing, "video/mp4")


async def test_a_program_ends_with_who_waits_for_it(tmp_path: Path) -> None:
    """Cancelled, too late, too loud: it and what it has started is gone."""
    note = tmp_path / "pid"
    command = ["sh", "-c", f"sleep 60 & echo $! > {note}; wait"]
    waiting = asyncio.create_task(run(command, timeout=60))
    while not note.exists() or not note.read_text():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await _gone(int(note.read_text()))
    with pytest.raises(ProgramFailed, match=r"sleep did not end within 0\.1 s"):
        await run(["sleep", "60"], timeout=0.1)
    with pytest.raises(ProgramFailed, match="said more than"):
        await run(["yes"], timeout=20)


async def _gone(pid: int) -> None:
    """Wait until a process has ended."""
    for _ in range(500):
        if not _runs(pid):
            return
        await asyncio.sleep(0.01)
    pytest.fail("it still runs")


def _runs(pid: int) -> bool:
    """Whether a process is there and no zombie, which only waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
