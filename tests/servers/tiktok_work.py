"""One publication at the emulator of TikTok."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.servers.tiktok_rules import is_video, photo_problem


@dataclass
class Work:
    """One publication."""

    publish_id: str
    info: dict[str, Any]
    source: dict[str, Any]
    since: float
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    received: int = 0
    content_type: str = ""
    head: bytes = b""
    digest: Any = field(default_factory=hashlib.sha256)
    status: str = "PROCESSING_UPLOAD"
    fail_reason: str = ""
    post_id: int | None = None
    moderated: bool = False

    @property
    def inbox(self) -> bool:
        """Whether it is a draft."""
        return "_inbox_" in self.publish_id

    @property
    def kind(self) -> str:
        """video or photo."""
        return "video" if self.publish_id.startswith("v") else "photo"

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing any more."""
        return self.kind == "photo" or self.received == self.source["video_size"]

    def problem(self, web: Mapping[str, bytes]) -> str | None:
        """Return the `fail_reason` of its media; `web` is what URLs lead to."""
        if self.kind == "video":
            fits = is_video(self.head, self.content_type)
            return None if fits else "file_format_check_failed"
        problems = (photo_problem(web.get(url)) for url in self.source["photo_images"])
        return next((problem for problem in problems if problem), None)
