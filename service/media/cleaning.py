"""What nobody needs any more in the media folder: variants, and halves of files."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from service.media import queries, storage, variant_queries
from service.media.models import Variant
from service.runtime import Runtime

BATCH = 200
"""Variants that go in one transaction."""
HALF = timedelta(days=1)
"""After which a temporary file is nobody's: whoever wrote it was killed."""


async def clean(runtime: Runtime, *, dry_run: bool) -> dict[str, int]:
    """Remove variants that no post needs, and their files; never an upload.

    Args:
        runtime: of the process.
        dry_run: only count.
    """
    told = {"variants": 0, "files": 0, "bytes": 0}
    folder, age = runtime.settings.media_folder, runtime.settings.variants_retention
    while True:
        async with runtime.unit_of_work() as uow:
            limit = 1_000_000 if dry_run else BATCH
            rows = await variant_queries.outlived(uow.session, age, limit)
            if not dry_run:
                await variant_queries.forget(uow.session, [row.id for row in rows])
        told["variants"] += len(rows)
        # In transactions of their own: a row whose deletion failed must still have its file.
        for digest, size in _contents(rows).items():
            await _drop(runtime, digest, size, told, dry_run=dry_run)
        if dry_run or len(rows) < BATCH:
            break
    for path in await asyncio.to_thread(lambda: list(_halves(folder))):
        told["files"] += 1
        told["bytes"] += path.stat().st_size
        if not dry_run:
            path.unlink(missing_ok=True)
    return told


def _contents(rows: Sequence[Variant]) -> dict[str, int]:
    return {row.sha256: row.size or 0 for row in rows if row.sha256 is not None}


async def _drop(
    runtime: Runtime, digest: str, size: int, told: dict[str, int], *, dry_run: bool
) -> None:
    async with runtime.unit_of_work() as uow:
        await queries.hold_content(uow.session, digest)
        kept = queries.is_uploaded if dry_run else queries.is_kept
        if await kept(uow.session, digest):
            return
        if not dry_run:
            size = storage.remove(runtime.settings.media_folder, digest)
    told["files"] += 1
    told["bytes"] += size


def _halves(folder: Path) -> Iterator[Path]:
    oldest = time.time() - HALF.total_seconds()
    for path in folder.glob(".upload-*"):
        if path.stat().st_mtime < oldest:
            yield path
