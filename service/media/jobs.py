"""Jobs of media."""

from uuid import UUID

from service.queue import JobCall, Queue, RetryPolicy, job

CONVERT_TIMEOUT = 3600


@job(
    "media.convert",
    queue=Queue.MEDIA,
    coroutine="workers.media.convert",
    timeout=CONVERT_TIMEOUT,
    retry=RetryPolicy(tries=3, delay=10),
)
async def convert(variant_id: UUID) -> None:
    """Make a video as a platform takes it: once, for all posts and accounts that need it.

    A video that cannot be made is told of in its row, and by every delivery that needs it; the job
    has done its work then. While ffmpeg is not installed the job waits.
    """


@job("media.prepare", queue=Queue.MEDIA, coroutine="workers.media.prepare", timeout=60)
async def prepare(media_ids: list[UUID]) -> int:
    """Ask for every conversion that scheduled posts with these videos need, ahead of their times.

    Returns how many there are.
    """
    raise NotImplementedError


@job(
    "media.clean_published",
    queue=Queue.MAINTENANCE,
    coroutine="workers.media.clean_published",
    timeout=600,
)
async def clean_published(dry_run: bool = False) -> dict[str, int]:  # noqa: FBT001, FBT002 - an argument of a job
    """Remove what was made for posts that went out more than `ALMANAC_VARIANTS_RETENTION` ago.

    An upload is never removed, nor what a post needs that is not out yet. Returns `variants`,
    `files` and the `bytes` that were freed; with `dry_run`, that would be.
    """
    raise NotImplementedError


def convert_job_id(variant_id: UUID) -> str:
    """Return the one job id of a variant."""
    return f"convert:{variant_id}"


def convert_call(variant_id: UUID) -> JobCall:
    """Return the job that makes a variant."""
    return convert(variant_id=variant_id).deferred(job_id=convert_job_id(variant_id))
