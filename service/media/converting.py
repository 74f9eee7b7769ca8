"""Making a variant: from a source and its plan to a file among the kept ones, and its row."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from uuid import UUID

import msgspec

from service.media import encoding, pictures, storage, variant_queries
from service.media.measures import Measures, Unusable
from service.media.models import Variant, VariantState
from service.media.queries import hold_content
from service.platforms.fitting import MP4, ImagePlan, Plan, VideoPlan
from service.runtime import Runtime

log = logging.getLogger(__name__)


def plan_of(row: Variant) -> Plan:
    """Return the plan of a variant."""
    if row.source_type.startswith("video/"):
        return msgspec.convert(row.plan, VideoPlan)
    return msgspec.convert(row.plan, ImagePlan)


async def make(runtime: Runtime, row: Variant, told: Callable[[float], None]) -> bool:
    """Make a pending variant; return whether it is ready. That it cannot be made, its row tells.

    Whatever happens on the way, a later call begins anew and ends the same; no half of a file is
    ever seen.

    Args:
        runtime: of the process.
        row: the variant.
        told: gets the part that is done, from 0 to 1.

    Raises:
        ProgramMissing: ffmpeg is not installed.
        OSError: the disk is full, or does not take it.
    """
    folder, plan = runtime.settings.media_folder, plan_of(row)
    source = storage.path_of(folder, row.source_sha256)
    with storage.temporary(folder) as path:
        try:
            made = await _convert(row, plan, source, path, told)
        except Unusable as error:
            failed = {"state": VariantState.FAILED, "error": error.message}
            async with runtime.unit_of_work() as uow:
                await variant_queries.settle(uow.session, row.id, failed)
            log.warning("media cannot be converted: %s", error.message)
            return False
        digest, size = await asyncio.to_thread(storage.finish, path)
        await _keep(runtime, row.id, path, digest, size, _content_type(plan), made)
    return True


async def _convert(
    row: Variant, plan: Plan, source: Path, target: Path, told: Callable[[float], None]
) -> Measures:
    if not await asyncio.to_thread(source.is_file):
        raise Unusable("The bytes of this file are not on this machine")
    if isinstance(plan, ImagePlan):
        return await pictures.convert(source, target, plan)
    film = encoding.Source(source, row.source_type, row.source_seconds or 0.0)
    return await encoding.convert(film, target, plan, told)


def _content_type(plan: Plan) -> str:
    return plan.content_type if isinstance(plan, ImagePlan) else MP4


async def _keep(  # noqa: PLR0913, PLR0917 - what a row says of a file
    runtime: Runtime,
    variant_id: UUID,
    path: Path,
    digest: str,
    size: int,
    content_type: str,
    made: Measures,
) -> None:
    """Let the file be found, and say so in its row; nobody removes the same content meanwhile."""
    values = {
        "state": VariantState.READY,
        "error": None,
        "sha256": digest,
        "size": size,
        "content_type": content_type,
        **asdict(made),
    }
    async with runtime.unit_of_work() as uow:
        await hold_content(uow.session, digest)
        await asyncio.to_thread(storage.keep, runtime.settings.media_folder, path, digest)
        await variant_queries.settle(uow.session, variant_id, values)
