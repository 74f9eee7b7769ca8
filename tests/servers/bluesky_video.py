"""An emulator of Bluesky's video service (lexicons app.bsky.video.*).

Written from https://docs.bsky.app/docs/tutorials/video. Answers are as the real service gives them:
an upload's job is not wrapped in `jobStatus`, the same file twice is 409 `already_exists` with the
earlier job, and a job goes on only when `ripen` is called.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.bluesky_tokens import Received, bearer, expiry, jwt, xrpc_error
from tests.servers.platform import Handler

MAX_VIDEO = 300_000_000
SERVICE = "did:web:video.bsky.app"
METHODS = {"app.bsky.video.getUploadLimits", "com.atproto.repo.uploadBlob"}


@dataclass
class VideoEmulator:
    """The service, and the part of an account's server that gives out tokens for it.

    Args:
        did: of the one account.
        server: tells the account's server's URL.
        store: keeps a finished video on the account's server.
        violation: notes what the documentation does not know.
    """

    did: str
    server: Callable[[], str]
    store: Callable[[dict[str, Any]], None]
    violation: Callable[[str], None]
    remaining_videos: int = 25
    remaining_bytes: int = 10_000_000_000
    confirmed: bool = True
    """Whether the account's e-mail address is."""
    wrapped: bool = False
    """Whether an upload's job is answered as the lexicon has it."""
    failure_code: str | None = None
    """What the next jobs fail with."""
    uploads: int = 0
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Return what the service serves."""
        return [
            ("GET", "/xrpc/app.bsky.video.getUploadLimits", self._limits),
            ("POST", "/xrpc/app.bsky.video.uploadVideo", self._upload),
            ("GET", "/xrpc/app.bsky.video.getJobStatus", self._status),
        ]

    def ripen(self) -> None:
        """Let every job end."""
        for job in self.jobs.values():
            if "blob" in job or job["state"] == "JOB_STATE_FAILED":
                continue
            if self.failure_code is not None:
                failed = {"failureCode": self.failure_code, "error": "video processing error"}
                job |= {"state": "JOB_STATE_FAILED", "message": "Failed to process video", **failed}
                continue
            self.store(job["_video"])
            job |= {"state": "JOB_STATE_COMPLETED", "progress": 100, "blob": job["_video"]}

    def forget(self) -> None:
        """Forget every job."""
        self.jobs.clear()

    def token(self, audience: str, method: str, expires: str | None) -> str:
        """Make a service token (com.atproto.server.getServiceAuth)."""
        now = int(time.time())
        seconds = 60 if expires is None else int(expires) - now
        if not 0 < seconds <= 3_600:
            raise xrpc_error(400, "BadExpiration", "cannot request a token so long")
        if not audience.startswith("did:") or method not in METHODS:
            self.violation(f"a service token for {audience} and {method}")
        made = jwt({"iss": self.did, "aud": audience, "lxm": method}, seconds, len(self.tokens))
        self.tokens[made] = (audience, method)
        return made

    def _authorize(self, request: Request, audience: str, method: str) -> None:
        token = bearer(request)
        if token not in self.tokens:
            raise xrpc_error(401, "BadJwt", "not a service token")
        if self.tokens[token] != (audience, method):
            raise xrpc_error(401, "BadJwtAudience", f"token is for {self.tokens[token]}")
        if expiry(token) < time.time():
            raise xrpc_error(401, "JwtExpired", "jwt expired")

    async def _limits(self, request: Request) -> Response:
        self._authorize(request, SERVICE, "app.bsky.video.getUploadLimits")
        left = self.remaining_videos > 0
        body: dict[str, Any] = {
            "canUpload": left,
            "remainingDailyVideos": self.remaining_videos,
            "remainingDailyBytes": self.remaining_bytes,
        }
        if not left:
            body["message"] = "User has reached the daily upload limit"
        return JSONResponse(body)

    async def _upload(self, request: Request) -> Response:
        received = await Received.of(request)
        host = quote(self.server().partition("//")[2], safe=".")
        self._authorize(request, f"did:web:{host}", "com.atproto.repo.uploadBlob")
        if request.query_params.keys() != {"did", "name"}:
            self.violation(f"uploadVideo with {sorted(request.query_params)}")
        if request.query_params.get("did") != self.did:
            raise xrpc_error(401, "AuthenticationRequired", "the token is another account's")
        if request.headers.get("content-type") != "video/mp4":
            raise xrpc_error(400, "InvalidRequest", "the body is no video/mp4")
        if received.size > MAX_VIDEO or received.size > self.remaining_bytes:
            raise xrpc_error(413, "PayloadTooLarge", "file too large")
        if not self.confirmed:
            job = {"did": "", "error": "unconfirmed_email", "jobId": "", "state": ""}
            return JSONResponse({"jobStatus": job}, 401)
        return self._job(received)

    def _job(self, received: Received) -> Response:
        job_id = hashlib.sha256(received.cid.encode()).hexdigest()[:20]
        if job_id in self.jobs and self.jobs[job_id]["state"] != "JOB_STATE_FAILED":
            known = {"did": self.did, "jobId": job_id, "state": "JOB_STATE_COMPLETED"}
            said = {"error": "already_exists", "message": "Video already processed"}
            return JSONResponse({**known, **said}, 409)
        self.uploads += 1
        self.remaining_videos -= 1
        self.remaining_bytes -= received.size
        kind = received.type_or("application/octet-stream")
        video = {**received.blob(kind), "mimeType": "video/mp4"}
        job = {"jobId": job_id, "did": self.did, "state": "JOB_STATE_CREATED"}
        self.jobs[job_id] = {**job, "_video": video}
        if kind != "video/mp4":
            failed = {"failureCode": "validation_failure", "error": "invalid", "message": "no mp4"}
            self.jobs[job_id] |= {"state": "JOB_STATE_FAILED", **failed}
        return JSONResponse({"jobStatus": job} if self.wrapped else job)

    async def _status(self, request: Request) -> Response:
        job = self.jobs.get(request.query_params.get("jobId", ""))
        if job is None:
            raise xrpc_error(400, "InvalidRequest", "job not found")
        shown = {name: value for name, value in job.items() if not name.startswith("_")}
        return JSONResponse({"jobStatus": shown})
