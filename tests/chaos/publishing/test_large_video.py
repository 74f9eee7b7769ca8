"""A video of half a gibibyte goes out through a worker that stays small."""

import json
from pathlib import Path

import pytest

from service.kit.ids import uuid7
from service.media.storage import path_of
from service.platforms.contract import Content, MediaFile
from service.posts import sweeping
from tests.chaos.publishing.world import World, plant_one, world
from tests.chaos.waiting import all_published, tell, until
from tests.e2e.processes import ALMANAC, environment_of, running
from tests.support import Installation

SIZE = 512 * 2**20
MOST = 120 * 2**20
OPTIONS: dict[str, dict[str, object]] = {
    "youtube": {"title": "A long film", "made_for_kids": False, "privacy": "public"},
    "tiktok": {"privacy_level": "PUBLIC_TO_EVERYONE"},
    "x": {},
    "facebook": {},
}
HEAD = b"\0\0\0\x18ftypmp42"


def film(folder: Path) -> MediaFile:
    """Make a sparse file of that size in the media folder."""
    digest = "f0" * 32
    path = path_of(folder, digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(HEAD)
        file.truncate(SIZE)
    return MediaFile(
        uuid7(),
        path,
        "video/mp4",
        SIZE,
        width=1280,
        height=720,
        seconds=120.0,
        frame_rate=30.0,
        video_codec="h264",
        audio_codec="aac",
    )


def largest(pid: int) -> int:
    """Return the most bytes that a process has had in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


@pytest.mark.asyncio
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", sorted(OPTIONS))
async def test_half_a_gibibyte_needs_no_memory(
    api: Installation, tmp_path: Path, name: str
) -> None:
    """V003: a worker that uploads 512 MiB stays below 120 MiB."""
    with world(seed=1) as found:
        content = Content("A long film", media=(film(api.runtime.settings.media_folder),))
        await plant_one(api, found, name, content, OPTIONS[name])
        await sweeping.sweep(api.runtime)
        names = environment_of(
            api.runtime.settings,
            ALMANAC_PLATFORM_URLS=json.dumps(found.urls),
            ALMANAC_PUBLIC_URL="https://almanac.example",
        )
        with running([*ALMANAC, "worker", "publishing"], names, tmp_path) as worker:
            worker.wait_for("worker ready")
            before = largest(worker.process.pid)
            await until(lambda: done(api, found), 240, lambda: worker.output[-3000:])
            used = largest(worker.process.pid)
        tell(f"512 MiB to {name}: {used / 2**20:.0f} MiB, idle {before / 2**20:.0f} MiB")
        assert used < MOST
        assert len(found.rigs[name].server.posts) == 1


async def done(api: Installation, found: World) -> bool:
    """Tell whether all are out; until then let the platforms work them up."""
    found.ripen()
    return await all_published(api)
