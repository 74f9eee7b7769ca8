"""Media as platforms take it: asked for when a post is scheduled, ready when it goes out."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec

from service.db.session import UnitOfWork
from service.errors import NotFound
from service.kit.clock import now
from service.kit.ids import uuid7
from service.media import addresses, converting, jobs, storage, variant_queries
from service.media.actions import kept_file
from service.media.models import Media, Variant, VariantState
from service.media.variant_queries import Asked
from service.platforms import fitting
from service.platforms.contract import MediaFile, Wait
from service.platforms.failures import Rejected
from service.platforms.fitting import ImagePlan, Plan
from service.platforms.limits import Limits
from service.runtime import Runtime

VIDEO_POLL = 5.0
"""Seconds after which a delivery looks again for a video that is being converted."""
IMAGE_POLL = 2.0
"""The same for an image that another worker has in work."""
DISK_POLL = 30.0
"""The same when the media folder takes nothing."""
THUMBNAIL = ImagePlan("image/jpeg", most_bytes=60_000, longest=480)
"""Of a page that shows many images: as wide as they are there, on screens of twice the dots."""
SMALL = 60_000
"""Bytes of an image that is its own thumbnail."""
IMAGE_LEASE = timedelta(seconds=90)
"""For how long a worker has an image for itself: more than one takes."""


async def fitted(
    runtime: Runtime, media: Sequence[MediaFile], limits: Limits
) -> tuple[MediaFile, ...] | Wait:
    """Return a post's files as an account takes them, each with its public address.

    Images are made here and now, by a program beside this process; videos by jobs. What is made
    keeps the id of its source. A `Wait` is a snooze of the caller's job.

    Args:
        runtime: of the process.
        media: of the post; their files are in the media folder.
        limits: of the account.

    Raises:
        Rejected: a file cannot be made fit; says why.
    """
    found = await asyncio.gather(*(_fitted(runtime, file, limits) for file in media))
    waits = [each for each in found if isinstance(each, Wait)]
    if waits:
        return max(waits, key=lambda wait: wait.seconds)
    return tuple(each for each in found if isinstance(each, MediaFile))


async def _fitted(runtime: Runtime, file: MediaFile, limits: Limits) -> MediaFile | Wait:
    plan = fitting.plan(file, limits)
    if plan is None:
        return _addressed(runtime, file)
    digest = file.path.name
    async with runtime.unit_of_work() as uow:
        row, new = await ask(uow, digest, file.content_type, file.seconds, plan)
        if row.state == VariantState.PENDING and not isinstance(plan, ImagePlan):
            return await _video_wait(uow, row, new=new)
    if row.state == VariantState.PENDING:
        made = await _made_image(runtime, row)
        if isinstance(made, Wait):
            return made
        row = made
    if row.state == VariantState.FAILED:
        raise Rejected(f"Media {file.id} cannot be converted for this account: {row.error}")
    return _addressed(runtime, variant_file(runtime, file, row))


async def ask(
    uow: UnitOfWork, digest: str, content_type: str, seconds: float | None, plan: Plan
) -> Asked:
    """Return the variant of a content, with the job that makes it if it is a new video's."""
    values = {
        "source_sha256": digest,
        "source_type": content_type,
        "source_seconds": seconds,
        "plan_key": fitting.key(plan),
        "plan": msgspec.to_builtins(plan),
    }
    asked = await variant_queries.ask(uow.session, values, uuid7())
    if asked.new and not isinstance(plan, ImagePlan):
        uow.enqueue(jobs.convert_call(asked.row.id))
    return asked


async def _video_wait(uow: UnitOfWork, row: Variant, *, new: bool) -> Wait:
    """Return until when to wait for a video; one that nobody makes any more has failed."""
    if not new and not await variant_queries.has_open_job(uow.session, jobs.convert_job_id(row.id)):
        error = "the job that should convert it has failed; see the dead jobs"
        failed = {"state": VariantState.FAILED, "error": error}
        await variant_queries.settle(uow.session, row.id, failed)
        return Wait(0, f"The video was not converted: {error}")
    return Wait(VIDEO_POLL, "The video is being converted to what the platform takes")


async def _made_image(runtime: Runtime, row: Variant) -> Variant | Wait:
    if not await runtime.database.execute(variant_queries.claim(row.id, IMAGE_LEASE)):
        return Wait(IMAGE_POLL, "The image is being converted by another worker")
    try:
        await converting.make(runtime, row, lambda _: None)
    except OSError as error:
        await runtime.database.execute(variant_queries.release(row.id))
        return Wait(DISK_POLL, f"The converted image cannot be stored: {error.strerror}")
    except BaseException:  # cancelled, whatever else: somebody else may begin at once
        await asyncio.shield(runtime.database.execute(variant_queries.release(row.id)))
        raise
    async with runtime.unit_of_work() as uow:
        made = await variant_queries.variant(uow.session, row.id)
    return made or Wait(0, "The converted image was removed meanwhile")


def variant_file(runtime: Runtime, file: MediaFile, row: Variant) -> MediaFile:
    """Return a file as its variant is: another content under the same id."""
    assert row.sha256 is not None
    assert row.content_type is not None
    assert row.size is not None
    return replace(
        file,
        path=storage.path_of(runtime.settings.media_folder, row.sha256),
        content_type=row.content_type,
        size=row.size,
        width=row.width,
        height=row.height,
        seconds=row.seconds,
        frame_rate=row.frame_rate,
        video_codec=row.video_codec,
        audio_codec=row.audio_codec,
    )


def _addressed(runtime: Runtime, file: MediaFile) -> MediaFile:
    if file.content_type not in addresses.ENDINGS:
        return file
    last = addresses.token(runtime.keyring, file.path.name, file.content_type, now())
    return replace(file, url=f"{runtime.settings.base_url}/m/{last}")


async def thumbnail(runtime: Runtime, row: Media) -> Path | None:
    """Return a small still image of an uploaded one; None: it is small enough, or cannot be made.

    Raises:
        NotFound: the bytes of the upload are not on this machine.
    """
    path = storage.path_of(runtime.settings.media_folder, row.sha256)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound("The bytes of this file are not on this machine")
    if row.size <= SMALL or row.content_type.startswith("video/"):
        return None
    async with runtime.unit_of_work() as uow:
        variant, _ = await ask(uow, row.sha256, row.content_type, None, THUMBNAIL)
    if variant.state == VariantState.PENDING:
        made = await _made_image(runtime, variant)
        if isinstance(made, Wait):
            return None
        variant = made
    if variant.state == VariantState.FAILED or variant.sha256 is None:
        return None
    return storage.path_of(runtime.settings.media_folder, variant.sha256)


async def prepare(runtime: Runtime, media_ids: Sequence[UUID]) -> int:
    """Ask for every conversion that posts with these uploads will need; return how many."""
    async with runtime.unit_of_work() as uow:
        plans = {}
        for need in await variant_queries.needs(uow.session, media_ids):
            path = storage.path_of(runtime.settings.media_folder, need.media["sha256"])
            file = kept_file(need.media, path)
            plan = fitting.plan(file, msgspec.convert(need.limits, Limits))
            if plan is not None and file.is_video:
                plans[fitting.key(plan)] = (file, plan)
        for file, plan in plans.values():
            await ask(uow, file.path.name, file.content_type, file.seconds, plan)
        return len(plans)


async def convert(runtime: Runtime, variant_id: UUID, told: Callable[[float], None]) -> None:
    """Make a video that was asked for.

    Raises:
        ProgramMissing: ffmpeg is not installed.
    """
    async with runtime.unit_of_work() as uow:
        row = await variant_queries.variant(uow.session, variant_id)
    if row is not None and row.state == VariantState.PENDING:
        await converting.make(runtime, row, told)
