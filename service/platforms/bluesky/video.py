"""Bluesky's video service, for videos that an account's own server does not take whole.

It gets the file together with a token that lets it store the result on that server, and processes
it as a job (https://docs.bsky.app/docs/tutorials/video). Its answers have a job's state sometimes
within `jobStatus`, as the lexicon has it, and sometimes not
(https://github.com/bluesky-social/atproto/issues/3097).
"""

from datetime import timedelta
from typing import Any

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer, Outbound
from service.platforms.bluesky.api import NAME, VIDEO_DEADLINE, Api, service_did
from service.platforms.contract import MediaFile
from service.platforms.failures import PlatformError, RateLimited, Rejected, Transient
from service.platforms.http import Step, decode, failure, send
from service.platforms.uploads import chunks, file_name, opened

HOST = "video.bsky.app"
AUDIENCE = f"did:web:{HOST}"
TOKEN_LIFE = timedelta(minutes=30)
"""As the tutorial recommends: the service uses the token once the whole file is there."""
DAILY_WAIT = timedelta(minutes=15)
"""How long to wait when a day's videos are used up. Nothing says when the service's day ends, and
the account's other posts wait as well, so it is short."""

_FINAL = ("validation_failure", "encoding_failure", "pds_upload_unsupported_blob_size")
"""Codes of jobs that would fail again (lexicon app.bsky.video.defs, September 2026)."""


class Job(msgspec.Struct, rename="camel"):
    """What the service says of one video."""

    job_id: str = ""
    state: str = ""
    blob: dict[str, Any] | None = None
    error: str = ""
    failure_code: str = ""
    message: str = ""
    job_status: "Job | None" = None


class _UploadLimits(msgspec.Struct, rename="camel"):
    can_upload: bool
    remaining_daily_videos: int | None = None
    remaining_daily_bytes: int | None = None
    message: str = ""
    error: str = ""


class JobGone(Transient):
    """The service no longer knows the job, or it failed in a way that a new one need not."""


class VideoService:
    """The service at one address.

    Args:
        root: where it is, without a trailing slash.
    """

    def __init__(self, outbound: Outbound, root: str) -> None:
        self._outbound, self._root = outbound, root

    async def upload(self, api: Api, did: str, pds: str, file: MediaFile) -> Job:
        """Send a video, and return its job; one that was sent before may be done at once.

        Args:
            api: the account's server, with its token.
            did: of the account.
            pds: the URL of the server that the video is to be stored on.

        Raises:
            RateLimited: the account has used up its videos of today.
            Rejected: the account may not upload videos, or not this one.
        """
        await self._require_allowance(api, file)
        expires = int((now() + TOKEN_LIFE).timestamp())
        token = await api.service_token(service_did(pds), "com.atproto.repo.uploadBlob", expires)
        step = _step("sending a video to the video service", token, deadline=VIDEO_DEADLINE)
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": file.content_type,
            "Content-Length": str(file.size),
        }
        async with opened(step, file) as handle:
            answer = await send(
                self._outbound,
                step,
                "POST",
                f"{self._root}/xrpc/app.bsky.video.uploadVideo",
                params={"did": did, "name": file_name(file)},
                headers=headers,
                content=chunks(handle),
            )
        job = _job(answer)
        if job.job_id or job.blob:
            return job  # also for 409 already_exists, which names the earlier job
        if job.error == "unconfirmed_email":
            text = "confirm the account's e-mail address there, videos need it"
            raise Rejected(step.says(text))
        raise _refused(step, answer)

    async def status(self, job_id: str) -> Job:
        """Read how far a job is.

        Raises:
            JobGone: the video must be sent again.
            Rejected: it cannot be processed.
        """
        step = _step("asking for a video", "", deadline=10)
        url = f"{self._root}/xrpc/app.bsky.video.getJobStatus"
        answer = await send(self._outbound, step, "GET", url, params={"jobId": job_id})
        if answer.status in (400, 404):
            raise JobGone(f"{failure(step, answer).message}; the video will be sent again")
        if not answer.is_success:
            raise _refused(step, answer)
        job = _job(answer)
        if job.blob is None and job.state == "JOB_STATE_FAILED":
            text = step.says(f"{job.failure_code or job.error}: {job.message}")
            if job.failure_code in _FINAL:
                raise Rejected(text)
            raise JobGone(f"{text}; the video will be sent again")
        return job

    async def _require_allowance(self, api: Api, file: MediaFile) -> None:
        method = "app.bsky.video.getUploadLimits"
        expires = int((now() + timedelta(minutes=1)).timestamp())
        token = await api.service_token(AUDIENCE, method, expires)
        step = _step("asking how many videos are allowed today", token, deadline=10)
        url = f"{self._root}/xrpc/{method}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = await send(self._outbound, step, "GET", url, headers=headers)
        if not answer.is_success:
            raise _refused(step, answer)
        limits = decode(step, answer, _UploadLimits)
        videos, size = limits.remaining_daily_videos, limits.remaining_daily_bytes
        if videos == 0 or (size is not None and size < file.size):
            text = f"today's videos are used up: {limits.message or 'no more are taken today'}"
            raise RateLimited(step.says(text), until=now() + DAILY_WAIT)
        if not limits.can_upload:
            raise Rejected(step.says(f"no videos are taken: {limits.error} {limits.message}"))


def _step(action: str, token: str, *, deadline: float) -> Step:
    # The token is new and the service's only: a refusal of it says nothing of the account's own.
    return Step(NAME, action, deadline=deadline, auth_statuses=(), secrets=(token,))


def _job(answer: Answer) -> Job:
    try:
        job = msgspec.json.decode(answer.body, type=Job)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Job()
    return job.job_status or job


def _refused(step: Step, answer: Answer) -> PlatformError:
    if answer.is_success:
        return Transient(step.says(f"status {answer.status}, but the answer names no job"))
    return failure(step, answer)
