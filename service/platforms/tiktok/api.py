"""The calls of TikTok's Content Posting and Display APIs that publishing needs.

https://developers.tiktok.com/doc/content-posting-api-get-started/
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from service.kit.outbound import Answer, Outbound
from service.platforms import http
from service.platforms.contract import MediaFile
from service.platforms.failures import Transient
from service.platforms.http import Step
from service.platforms.tiktok.chunks import Chunk
from service.platforms.tiktok.errors import UploadGone, failure
from service.platforms.uploads import opened, piece

T = TypeVar("T")

NAME = "TikTok"
HOST = "open.tiktokapis.com"
JSON = "application/json; charset=UTF-8"
PUBLISH = "/v2/post/publish"


class Creator(msgspec.Struct):
    """The account, and what it may do just now."""

    creator_username: str
    creator_nickname: str = ""
    privacy_level_options: list[str] = []
    comment_disabled: bool = False
    duet_disabled: bool = False
    stitch_disabled: bool = False
    max_video_post_duration_sec: float | None = None


class Begun(msgspec.Struct):
    """A publication that TikTok has opened; without a URL for the bytes, it fetches them."""

    publish_id: str
    upload_url: str = ""


class Status(msgspec.Struct):
    """How far a publication is."""

    status: str
    fail_reason: str = ""
    uploaded_bytes: int | None = None
    publicaly_available_post_id: list[int | str] = []
    """Of the published post, once it is public and moderated; the field's name is TikTok's."""

    @property
    def post_id(self) -> str | None:
        """The public id of the post, if it has one."""
        ids = self.publicaly_available_post_id
        return str(ids[0]) if ids else None


class _Figures(msgspec.Struct):
    videos: list[dict[str, int | str | None]] = []


class _Person(msgspec.Struct):
    user: dict[str, int | str | None] = {}


class _Data(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"{}")


@dataclass(frozen=True, slots=True)
class Api:
    """TikTok, called with one account's token. Methods raise the contract's failures.

    Args:
        root: where TikTok's API is.
        token: the account's access token.
    """

    outbound: Outbound
    root: str
    token: str = field(repr=False)

    async def creator(self) -> Creator:
        """Read what the account may do; 20 calls a minute are allowed."""
        step = self._step("asking what the account may post")
        return _data(step, await self._post(step, f"{PUBLISH}/creator_info/query/"), Creator)

    async def begin_video(self, body: Mapping[str, object], *, inbox: bool) -> Begun:
        """Open a video publication; 6 calls a minute are allowed. Invisible without its bytes."""
        step = self._step("announcing the video")
        path = f"{PUBLISH}/inbox/video/init/" if inbox else f"{PUBLISH}/video/init/"
        return _data(step, await self._post(step, path, body), Begun)

    async def post_photos(self, body: Mapping[str, object], deadline: float) -> Begun:
        """Let TikTok fetch and publish photos: this cannot be taken back."""
        step = self._step("posting the photos", deadline=deadline, commits=True)
        return _data(step, await self._post(step, f"{PUBLISH}/content/init/", body), Begun)

    async def send(
        self, url: str, file: MediaFile, chunk: Chunk, *, last: bool, deadline: float
    ) -> None:
        """Send a part of a video; the last one publishes it.

        Raises:
            UploadGone: the upload has ended after an hour, or is not known.
            Transient: this is not the part that TikTok waits for.
        """
        step = Step(
            NAME,
            "sending the end of the video" if last else "sending the video",
            commits=last,
            deadline=deadline,
            auth_statuses=(),
            secrets=(url, url.rpartition("?")[2]),
        )
        end = chunk.start + chunk.size - 1
        headers = {
            "Content-Type": file.content_type,
            "Content-Length": str(chunk.size),
            "Content-Range": f"bytes {chunk.start}-{end}/{file.size}",
        }
        async with opened(step, file) as handle:
            content = piece(handle, chunk.start, chunk.size)
            answer = await http.send(
                self.outbound, step, "PUT", url, headers=headers, content=content
            )
        if answer.is_success:
            return
        text = f"status {answer.status}: {http.message(answer)}"
        if answer.status in (403, 404):
            raise UploadGone(step.says(f"{text}; it will be sent anew"))
        if answer.status == 416:
            raise Transient(step.says(f"{text}; TikTok will be asked how much it has"))
        raise http.failure(step, answer)

    async def status(self, publish_id: str) -> Status:
        """Read how far a publication is; 30 calls a minute are allowed."""
        step = self._step("asking what became of the post")
        body = {"publish_id": publish_id}
        return _data(step, await self._post(step, f"{PUBLISH}/status/fetch/", body), Status)

    async def figures(self, post_id: str, fields: str) -> Mapping[str, int | str | None]:
        """Read fields of a public post; nothing where it is gone."""
        step = self._step("reading the post's figures")
        body = {"filters": {"video_ids": [post_id]}}
        answer = await self._post(step, f"/v2/video/query/?fields={fields}", body)
        videos = _data(step, answer, _Figures).videos
        return videos[0] if videos else {}

    async def person(self, fields: str) -> Mapping[str, int | str | None]:
        """Read fields of the account."""
        step = self._step("reading the account")
        url = f"{self.root}/v2/user/info/"
        answer = await http.send(
            self.outbound, step, "GET", url, headers=self._headers, params={"fields": fields}
        )
        return _data(step, _checked(step, answer), _Person).user

    async def _post(
        self, step: Step, path: str, body: Mapping[str, object] | None = None
    ) -> Answer:
        headers = {**self._headers, "Content-Type": JSON}
        content = b"" if body is None else msgspec.json.encode(body)
        url = f"{self.root}{path}"
        answer = await http.send(self.outbound, step, "POST", url, headers=headers, content=content)
        return _checked(step, answer)

    def _step(self, action: str, *, deadline: float = 15, commits: bool = False) -> Step:
        return Step(NAME, action, commits=commits, deadline=deadline, secrets=(self.token,))

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def _checked(step: Step, answer: Answer) -> Answer:
    if (error := failure(step, answer)) is not None:
        raise error
    return answer


def _data(step: Step, answer: Answer, type_: type[T]) -> T:
    envelope = http.decode(step, answer, _Data)
    return http.decode(step, Answer(answer.status, answer.headers, bytes(envelope.data)), type_)
