"""Google's resumable protocol: against a server that others wrote, and in constant memory."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.outbound import Outbound
from service.platforms.http import Step
from service.platforms.resumable import CHUNK, UNIT, SessionGone, Upload, chunk_plan, content_range
from tests.platforms.helpers import image
from tests.servers.gcs import StorageServer
from tests.servers.youtube import YouTubeServer

STEP = Step("Storage", "uploading")
MEBIBYTE = 2**20
MEASURED = """
import asyncio, json, resource, sys
from pathlib import Path
from uuid import UUID
from service.kit.outbound import Outbound
from service.platforms.contract import MediaFile
from service.platforms.http import Step
from service.platforms.resumable import Upload

def peak():
    status = Path("/proc/self/status")
    if status.exists():  # ru_maxrss begins with the peak of the process that started this one
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

async def main(url, path):
    file = MediaFile(UUID(int=1), Path(path), "video/mp4", Path(path).stat().st_size)
    calls = 0
    async def progressed(received):
        nonlocal calls
        calls += 1
    async with Outbound(allowed_private_hosts={"127.0.0.1"}) as outbound:
        upload = Upload(outbound, Step("YouTube", "uploading"), url, {"Content-Type": "video/mp4"})
        before = peak()
        answer = await upload.run(file, progressed, resume=False)
    print(json.dumps({"status": answer.status, "calls": calls, "before": before, "after": peak()}))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def storage() -> Iterator[StorageServer]:
    with StorageServer() as server:
        yield server


class Crash(Exception):
    """The process dies here."""


@given(
    total=st.integers(0, 40 * CHUNK),
    start=st.integers(0, 40 * CHUNK),
    units=st.integers(1, 64),
)
def test_a_plan_covers_what_is_missing_once(total: int, start: int, units: int) -> None:
    """Whatever the server has, the chunks are the rest, in order, and of the size it wants."""
    plan = list(chunk_plan(total, start, units * UNIT))
    at = min(start, total) if plan else start
    for offset, length in plan:
        assert offset == at
        assert 0 < length <= units * UNIT
        at += length
    assert at == total or start >= total
    assert all(length == units * UNIT for _, length in plan[:-1])


@pytest.mark.parametrize("size", [0, 1, UNIT - 1, UNIT + 1])
def test_a_chunk_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="no multiple of 262,144 bytes"):
        list(chunk_plan(10, 0, size))


@given(offset=st.integers(0, 10**12), length=st.integers(1, 10**9))
def test_a_content_range_names_its_last_byte(offset: int, length: int) -> None:
    total = offset + length
    assert content_range(offset, length, total) == f"bytes {offset}-{total - 1}/{total}"


@pytest.mark.asyncio
@pytest.mark.parametrize("size", [1, UNIT, 2 * UNIT, 2 * UNIT + 1, 3 * UNIT - 1])
async def test_every_size_arrives_whole(
    storage: StorageServer, outbound: Outbound, tmp_path: Path, size: int
) -> None:
    """Chunks of the smallest size, by Google's protocol as somebody else understood it."""
    file = image(tmp_path, os.urandom(size), content_type="video/mp4")
    name = f"whole-{size}"
    seen: list[int] = []

    async def progressed(received: int) -> None:
        seen.append(received)

    upload = Upload(outbound, STEP, storage.begin(name, "video/mp4"), size=UNIT)
    answer = await upload.run(file, progressed, resume=False)
    assert (answer.status, answer.json()["size"]) == (200, str(size))
    assert storage.content(name) == file.path.read_bytes()
    assert seen == [*range(UNIT, size, UNIT), size]


@pytest.mark.asyncio
@pytest.mark.parametrize("crash_after", [0, 1, 2])
async def test_a_crash_between_chunks(
    storage: StorageServer, outbound: Outbound, tmp_path: Path, crash_after: int
) -> None:
    """G010: the next run asks the server what it has and sends the rest only."""
    file = image(tmp_path, os.urandom(3 * UNIT + 5), content_type="video/mp4")
    name = f"crash-{crash_after}"
    session = storage.begin(name, "video/mp4")
    upload = Upload(outbound, STEP, session, size=UNIT)

    async def crash(received: int) -> None:
        if received > crash_after * UNIT:
            raise Crash

    with pytest.raises(Crash):
        await upload.run(file, crash, resume=False)
    assert (await upload.probe(file.size)).received == (crash_after + 1) * UNIT
    seen: list[int] = []

    async def progressed(received: int) -> None:
        seen.append(received)

    again = Upload(outbound, STEP, session, size=UNIT)
    await again.run(file, progressed, resume=True)
    assert seen == [*range((crash_after + 2) * UNIT, file.size, UNIT), file.size]
    assert storage.content(name) == file.path.read_bytes()


@pytest.mark.asyncio
async def test_a_session_that_is_no_more(
    storage: StorageServer, outbound: Outbound, tmp_path: Path
) -> None:
    file = image(tmp_path, b"x" * 10)
    session = f"{storage.begin('gone', 'video/mp4')}0"
    upload = Upload(outbound, STEP, session, size=UNIT)

    async def progressed(received: int) -> None:
        raise AssertionError(received)

    with pytest.raises(SessionGone, match="Storage, uploading: status 404: the upload session"):
        await upload.run(file, progressed, resume=True)


def _measured(server: YouTubeServer, folder: Path, size: int) -> dict[str, int]:
    """Upload a sparse file from a process of its own; kibibytes of its memory."""
    path = folder / f"{size}.mp4"
    with path.open("wb") as file:
        file.truncate(size)
    session = server.open_session(size, "video/mp4")
    command = [sys.executable, "-c", MEASURED, session, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    found: dict[str, int] = json.loads(done.stdout)
    path.unlink()
    return found


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """V003: ALMANAC_TEST_VIDEO_MIB=512 uploads the largest video that is promised."""
    size = int(os.environ.get("ALMANAC_TEST_VIDEO_MIB", "64")) * MEBIBYTE
    with YouTubeServer() as server:
        small, large = (_measured(server, tmp_path, wanted) for wanted in (MEBIBYTE, size))
        assert server.violations == []
    assert (small["status"], large["status"]) == (201, 201)
    assert large["calls"] == -(-size // CHUNK)
    assert large["after"] < 120 * 1024
    assert large["after"] - small["after"] < 4 * 1024
    assert large["after"] - large["before"] < 8 * 1024
