"""X for the contract's tests."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from service.kit.ids import uuid7
from service.platforms.contract import Content, Destination, MediaFile
from service.platforms.setup import Setup
from service.platforms.tokens import TokenAnswer, renewed
from service.platforms.x.adapter import X
from service.platforms.x.limits import LIMITS
from tests.platforms.helpers import image
from tests.platforms.rig import MANY, Rig
from tests.servers.faults import Fault
from tests.servers.x import PROBLEMS, XServer

POST = "/2/tweets"
UPLOAD = "/2/media/upload"

PNG = b"\x89PNG\r\n\x1a\n"
GIF = b"GIF89a"
MP4 = b"\x00\x00\x00\x18ftypmp42"


def picture(folder: Path, tail: bytes = b"picture", *, alt: str = "") -> MediaFile:
    """Write a small PNG."""
    return image(folder, PNG + tail, alt=alt)


def gif(folder: Path, *, alt: str = "") -> MediaFile:
    """Write a small GIF."""
    return image(folder, GIF + b"moves", content_type="image/gif", alt=alt)


def video(folder: Path, size: int = 5_000_000) -> MediaFile:
    """Write a video of so many bytes, in which no two megabytes are alike."""
    blocks = range(size // 2**20 + 1)
    content = (MP4 + b"".join(bytes([n % 256]) * 2**20 for n in blocks))[:size]
    file = image(folder, content, content_type="video/mp4")
    return replace(file, width=1280, height=720, seconds=12.0, frame_rate=30.0, video_codec="h264")


def problem(status: int, title: str, detail: str, kind: str = "") -> dict[str, Any]:
    """Return the body of an error answer."""
    type_ = f"{PROBLEMS}/{kind}" if kind else "about:blank"
    return {"title": title, "detail": detail, "type": type_, "status": status}


def forbidden(detail: str) -> dict[str, Any]:
    """Return the body of a refusal."""
    return problem(403, "Forbidden", detail)


CAPPED = problem(429, "UsageCapExceeded", "Usage cap exceeded: Monthly", "usage-capped")
BROKE = problem(402, "CreditsDepleted", "Your account has no credits.", "credits")
EXPIRED = problem(401, "Unauthorized", "Unauthorized")
BUSY = problem(503, "Service Unavailable", "Service Unavailable")
APP_ONLY = problem(
    403,
    "Unsupported Authentication",
    "Application-Only is forbidden.",
    "unsupported-authentication",
)
NOT_ENROLLED = problem(403, "Client Forbidden", "Use a Project.", "client-forbidden")
SUSPENDED = forbidden("Your account is suspended and is not permitted to access this feature.")
INVALID = problem(400, "Invalid Request", "A parameter was invalid.", "invalid-request")
NO_MEDIA = {"errors": [{"message": "Your media IDs are invalid."}], **INVALID}


class XRig(Rig):
    """X with @alice."""

    name = "x"
    commit_path = POST
    read_path = UPLOAD
    server: XServer

    def adapter(self, setup: Setup) -> X:
        """Return the adapter."""
        return X(setup)

    def destination(self) -> Destination:
        """Return @alice, logged in."""
        answer = msgspec.convert(self.server.logins.issue(), TokenAnswer)
        return Destination(
            id=uuid7(),
            handle=self.server.username,
            base_url="https://x.com",
            credentials={},
            limits=LIMITS,
            session=renewed({"user_id": self.server.user_id}, answer),
        )

    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return posts of every kind."""
        pictures = tuple(picture(folder, bytes([n])) for n in range(4))
        return {
            "text": Content("Grüße & <3 an alle", link="https://example.com/ä?b=c"),
            "image": Content("A cat", media=(picture(folder, alt="A cat on a mat"),)),
            "images": Content("Four", media=pictures),
            "gif": Content("", media=(gif(folder, alt="It moves"),)),
            "video": Content("A film", media=(video(folder),), options={"made_with_ai": True}),
        }

    def failures(self) -> Mapping[str, list[Fault]]:
        """Return the documented errors."""
        day = {"x-app-limit-24hour-remaining": "0", "x-app-limit-24hour-reset": "4102444800"}
        refusals = (
            "You are not allowed to create a Tweet with duplicate content.",
            "The Tweet contains an invalid URL.",
            "Posts are limited to a maximum of 1 cashtag per post.",
            "You attempted to reply to a Tweet that is deleted or not visible to you.",
            "This user is not allowed to post a video longer than 20 minutes.",
        )
        return {
            "Transient": [
                Fault(UPLOAD, 503, BUSY),
                Fault(UPLOAD, 500, {}),
                Fault(POST, 400, NO_MEDIA, method="POST"),
            ],
            "RateLimited": [
                Fault(POST, 429, problem(429, "Too Many Requests", "Too Many Requests")),
                Fault(POST, 429, {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}),
                Fault(POST, 429, {}, headers=day),
                Fault(POST, 429, CAPPED),
                Fault(POST, 402, BROKE),
                Fault(UPLOAD, 429, {}),
            ],
            "TokenExpired": [Fault(POST, 401, EXPIRED), Fault(UPLOAD, 401, EXPIRED)],
            "AuthFailed": [
                *(Fault(POST, 403, body) for body in (APP_ONLY, NOT_ENROLLED, SUSPENDED)),
                Fault(UPLOAD, 403, forbidden("Forbidden")),
            ],
            "Rejected": [
                *(Fault(POST, 403, forbidden(detail)) for detail in refusals),
                Fault(POST, 400, INVALID),
                Fault(UPLOAD, 400, INVALID),
            ],
            "Ambiguous": [Fault(POST, 503, BUSY), Fault(POST, 500, {})],
        }

    def expire_tokens(self) -> None:
        """End the access token."""
        self.server.logins.expire()

    def revoke(self) -> None:
        """End all tokens."""
        self.server.logins.revoke()

    def allow_many(self) -> None:
        """Raise all limits."""
        for name in self.server.limits:
            self.server.limits[name] = MANY

    def ripen(self) -> None:
        """Let X have worked all videos up."""
        self.server.media.ripen()
