"""The media queue: images and videos as platforms take them."""

from datetime import timedelta
from uuid import UUID

from service.media import cleaning, jobs, variants
from service.media.programs import ProgramMissing, find
from service.monitoring import jobs as monitoring_jobs
from workers import answering, process
from workers.engine import Context, run, snooze
from workers.progress import progress

MISSING = timedelta(minutes=1)
"""Until a worker without ffmpeg looks whether it is there."""


async def convert(ctx: Context, variant_id: UUID) -> None:
    """Make a video; the job waits while ffmpeg is not installed."""
    try:
        await variants.convert(
            ctx["runtime"], variant_id, lambda part: progress(ctx, part, 1, "converting the video")
        )
    except ProgramMissing as error:
        progress(ctx, 0, 1, error.message)
        process.log.warning("%s; the video waits", error.message)
        raise snooze(MISSING) from error


async def prepare(ctx: Context, media_ids: list[UUID]) -> int:
    """Ask for what scheduled posts will need."""
    return await variants.prepare(ctx["runtime"], media_ids)


async def clean_published(ctx: Context, dry_run: bool = False) -> dict[str, int]:  # noqa: FBT001, FBT002 - as declared
    """Remove what was made for posts that are long out."""
    return await cleaning.clean(ctx["runtime"], dry_run=dry_run)


async def startup(ctx: Context) -> None:
    """Open what every worker opens; say at once when a program is missing."""
    await process.startup(ctx)
    try:
        find("ffmpeg")
        find("ffprobe")
    except ProgramMissing as error:
        process.log.warning("%s; videos wait until then", error.message)


@process.serves("media")
class WorkerSettings:
    """`arq workers.media.WorkerSettings`."""

    functions = (
        run(jobs.convert, convert),
        run(jobs.prepare, prepare),
        run(monitoring_jobs.ping, answering.ping),
    )
    on_startup = startup
