"""The calls of the YouTube Data API v3 that publishing needs, made with one access token."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from service.kit.outbound import Answer, Outbound
from service.platforms.contract import MediaFile
from service.platforms.failures import Rejected, TokenExpired, Transient
from service.platforms.http import Step, decode, send
from service.platforms.resumable import Progressed, Upload
from service.platforms.uploads import chunks, opened
from service.platforms.youtube.errors import failure
from service.platforms.youtube.models import (
    Channel,
    Channels,
    Created,
    Thread,
    Threads,
    Video,
    Videos,
)

NAME = "YouTube"
CHUNK_DEADLINE = 120.0
"""Seconds for one chunk, so that a line of 0.6 Mbit/s will do."""
COMMENTS = 100
"""The most comments that one call returns."""


@dataclass(frozen=True, slots=True)
class Api:
    """YouTube, called with one access token.

    Methods raise the contract's failures (see youtube_errors.py), and TokenExpired.
    """

    outbound: Outbound
    root: str
    token: str

    async def channel(self) -> Channel:
        """Read the token's channel."""
        step = self._step("reading the channel")
        params = {"part": "snippet,statistics,status", "mine": "true"}
        found = decode(step, await self._call(step, "GET", "channels", params), Channels)
        if not found.items:
            raise Rejected(step.says("the account has no channel: create one on youtube.com"))
        return found.items[0]

    async def begin(self, file: MediaFile, video: Mapping[str, object], *, notify: bool) -> str:
        """Open an upload session for a video and return its URI; nothing is visible of it."""
        step = self._step("beginning the upload")
        answer = await self._call(
            step,
            "POST",
            "upload/videos",
            {
                "uploadType": "resumable",
                "part": "snippet,status",
                "notifySubscribers": "true" if notify else "false",
            },
            headers={
                "X-Upload-Content-Length": str(file.size),
                "X-Upload-Content-Type": file.content_type,
            },
            json=video,
        )
        if location := answer.headers.get("location"):
            return str(location)
        raise Transient(step.says("the answer names no upload session"))

    async def upload(
        self, session: str, file: MediaFile, progressed: Progressed, *, resume: bool
    ) -> str:
        """Send what a session misses of a video and return the video's id; see resumable.py."""
        step = replace(
            self._step("uploading the video"),
            deadline=CHUNK_DEADLINE,
            secrets=(self.token, session),
        )
        headers = {**self._headers, "Content-Type": file.content_type}
        upload = Upload(self.outbound, step, session, headers, failure)
        created = decode(step, await upload.run(file, progressed, resume=resume), Created)
        return created.id

    async def set_thumbnail(self, video_id: str, file: MediaFile) -> None:
        """Give a video an image; repeatable."""
        step = self._step("uploading the thumbnail")
        headers = {"Content-Type": file.content_type, "Content-Length": str(file.size)}
        async with opened(step, file) as handle:
            params = {"videoId": video_id, "uploadType": "media"}
            await self._call(
                step,
                "POST",
                "upload/thumbnails/set",
                params,
                headers=headers,
                content=chunks(handle),
            )

    async def video(self, video_id: str, *parts: str) -> Video | None:
        """Read parts of a video; None when there is none of this id."""
        step = self._step("reading the video")
        params = {"part": ",".join(parts), "id": video_id}
        found = decode(step, await self._call(step, "GET", "videos", params), Videos)
        return found.items[0] if found.items else None

    async def set_status(
        self, video_id: str, status: Mapping[str, object], deadline: timedelta
    ) -> Video:
        """Replace a video's status, its visibility above all; repeatable."""
        step = self._step("publishing", commits=True, deadline=deadline.total_seconds())
        body = {"id": video_id, "status": status}
        answer = await self._call(step, "PUT", "videos", {"part": "status"}, json=body)
        return decode(step, answer, Video)

    async def delete_video(self, video_id: str) -> None:
        """Remove a video; one that is gone already is no error."""
        await self._delete("deleting the video", "videos", video_id)

    async def comment(self, video_id: str, text: str, deadline: timedelta) -> str:
        """Write a comment below a video and return its id."""
        step = self._step("commenting", commits=True, deadline=deadline.total_seconds())
        comment = {"snippet": {"textOriginal": text}}
        body = {"snippet": {"videoId": video_id, "topLevelComment": comment}}
        answer = await self._call(step, "POST", "commentThreads", {"part": "snippet"}, json=body)
        return decode(step, answer, Created).id

    async def threads(self, video_id: str) -> tuple[Thread, ...]:
        """Read the newest comments below a video."""
        step = self._step("looking for the comment")
        params = {
            "part": "snippet",
            "videoId": video_id,
            "order": "time",
            "maxResults": str(COMMENTS),
            "textFormat": "plainText",
        }
        return decode(step, await self._call(step, "GET", "commentThreads", params), Threads).items

    async def delete_comment(self, comment_id: str) -> None:
        """Remove a comment; one that is gone already is no error."""
        await self._delete("deleting the comment", "comments", comment_id)

    async def _delete(self, action: str, path: str, found: str) -> None:
        step = self._step(action)
        url = f"{self.root}/youtube/v3/{path}"
        answer = await send(
            self.outbound, step, "DELETE", url, headers=self._headers, params={"id": found}
        )
        if answer.status != 404 and not answer.is_success:
            raise failure(step, answer)

    async def _call(
        self,
        step: Step,
        method: str,
        path: str,
        params: Mapping[str, str],
        *,
        headers: Mapping[str, str] | None = None,
        **parts: Any,
    ) -> Answer:
        uploads, found = ("/upload", path[7:]) if path.startswith("upload/") else ("", path)
        url = f"{self.root}{uploads}/youtube/v3/{found}"
        answer = await send(
            self.outbound,
            step,
            method,
            url,
            headers={**self._headers, **(headers or {})},
            params=params,
            **parts,
        )
        if not answer.is_success:
            raise failure(step, answer)
        return answer

    def _step(self, action: str, *, deadline: float = 60, commits: bool = False) -> Step:
        return Step(
            NAME,
            action,
            commits=commits,
            deadline=deadline,
            refused=TokenExpired,
            secrets=(self.token,),
        )

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}
