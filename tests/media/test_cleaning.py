"""What was made for posts goes a week after they are out; uploads stay.

Checklist: V076.
"""

import json
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from service.media import cleaning
from service.media.jobs import clean_published
from tests.media.clips import drawing
from tests.media.test_variants import fit, rows, upload
from tests.support import Installation

pytestmark = pytest.mark.asyncio


async def clean(api: Installation, *, dry_run: bool = False) -> dict[str, int]:
    """Clean up, as the daily job does."""
    return await cleaning.clean(api.runtime, dry_run=dry_run)


async def published(api: Installation, media: Any, days: float) -> None:
    """Publish a post that shows a file, so many days ago, when its variants were last used."""
    await api.schedule([await api.connect()], media=[{"id": media["id"]}])
    await api.work()
    span = timedelta(days=days)
    await api.sql("UPDATE deliveries SET published_at = now() - CAST(:span AS interval)", span=span)
    await api.sql("UPDATE media_variants SET used_at = now() - CAST(:span AS interval)", span=span)


async def test_a_week_after_its_post_a_variant_goes(api: Installation, tmp_path: Path) -> None:
    """V076: 8 days go, 6 days are kept; the upload stays; what was freed is told."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    made = await fit(api, media)
    await published(api, media, 6)
    assert await clean(api) == {"variants": 0, "files": 0, "bytes": 0}
    await published(api, media, 8)
    freed = {"variants": 1, "files": 1, "bytes": made.size}
    assert await clean(api, dry_run=True) == freed
    assert made.path.exists()
    assert len(await rows(api)) == 1
    assert await clean(api) == freed
    assert not made.path.exists()
    assert await rows(api) == []
    assert await api.count("media") == 1
    assert (await fit(api, media)).path == made.path, "and is made again when it is needed"


@pytest.mark.parametrize("state", ["draft", "approved", "scheduled", "unconfirmed", "failed"])
async def test_what_a_post_needs_stays(api: Installation, tmp_path: Path, state: str) -> None:
    """V076: a post that is not out, one whose outcome is open, and one that shows it elsewhere."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    await fit(api, media)
    await published(api, media, 8)
    await api.schedule([await api.connect()], media=[{"id": media["id"]}])
    await api.sql("UPDATE deliveries SET state = :s WHERE published_at IS NULL", s=state)
    assert (await clean(api))["variants"] == 0
    await api.sql("UPDATE deliveries SET state = 'cancelled' WHERE published_at IS NULL")
    assert (await clean(api))["variants"] == 1


async def test_what_an_account_has_for_itself_stays(api: Installation, tmp_path: Path) -> None:
    """A delivery with media of its own needs those, not the post's."""
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    await fit(api, media)
    await published(api, media, 8)
    [row] = await api.sql("SELECT media FROM posts")
    await api.sql("UPDATE posts SET media = '[]'")
    own = "UPDATE deliveries SET media = CAST(:own AS jsonb), state = 'scheduled'"
    await api.sql(own, own=_json(row.media))
    assert (await clean(api))["variants"] == 0


def _json(value: object) -> str:
    return json.dumps(value)


async def test_a_variant_that_is_an_upload_too_keeps_its_bytes(
    api: Installation, tmp_path: Path
) -> None:
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    made = await fit(api, media)
    await upload(api, made.path)
    await api.sql("UPDATE media_variants SET used_at = now() - interval '8 days'")
    expected = {"variants": 1, "files": 0, "bytes": 0}
    assert await clean(api, dry_run=True) == await clean(api) == expected
    assert made.path.exists()


async def test_halves_of_files_go(api: Installation) -> None:
    """A process that was killed leaves one; a younger one may be in use."""
    folder = api.runtime.settings.media_folder
    folder.mkdir(parents=True)
    for name, age in ((".upload-old", 90_000), (".upload-new", 60), ("other", 90_000)):
        (folder / name).write_bytes(b"12345")
        os.utime(folder / name, (time.time() - age,) * 2)
    assert await clean(api) == {"variants": 0, "files": 1, "bytes": 5}
    assert sorted(path.name for path in folder.iterdir()) == [".upload-new", "other"]


async def test_the_daily_job_says_what_it_did(api: Installation, tmp_path: Path) -> None:
    media = await upload(api, drawing(tmp_path / "a.png", 300, 200))
    await fit(api, media)
    await published(api, media, 8)
    async with api.runtime.unit_of_work() as uow:
        [job_id] = uow.enqueue(clean_published(dry_run=False))
    await api.work("maintenance")
    reply = (await api.get(f"/v1/jobs/{job_id}")).json()
    assert reply["state"] == "succeeded"
    assert reply["result"]["variants"] == 1
    assert await rows(api) == []
