"""The emulator of LinkedIn's Images API and Videos API."""

import hashlib
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.linkedin_login import MEMBER, PAGE, LinkedInLogin
from tests.servers.linkedin_rules import refusal
from tests.servers.platform import Refusal

PART = 4_194_304


class LinkedInUploads(LinkedInLogin):
    """Images and videos; processed by being read, or by `ripen`."""

    def reset(self) -> None:
        """Forget every upload."""
        super().reset()
        self.media: dict[str, dict[str, Any]] = {}
        self.puts: list[tuple[str, int]] = []
        """Path and size of each file or part that arrived."""
        self.reads_until_available = 1
        self.media_readable = True
        """Whether the token may read images and videos; members' tokens may not always."""
        self.part_size = PART
        self.upload_seconds = 3_600

    def ripen(self) -> None:
        """Finish the processing of all media that have arrived."""
        for found in self.media.values():
            self._process(found)

    async def _initialized(self, request: Request) -> tuple[dict[str, Any], str]:
        body = (await request.json())["initializeUploadRequest"]
        if body["owner"] not in {MEMBER, PAGE}:
            raise refusal(403, "ACCESS_DENIED", "Not enough permissions to access: images.CREATE")
        return body, f"C4D{next(self._serial)}"

    def _new(self, urn: str, owner: str, parts: dict[int, int]) -> dict[str, Any]:
        found = {
            "owner": owner,
            "status": "WAITING_UPLOAD",
            "reads": 0,
            "bytes": {},
            "parts": parts,
        }
        self.media[urn] = found
        return found

    def _expiry(self) -> int:
        return int((time.time() + self.upload_seconds) * 1000)

    async def _image_action(self, request: Request) -> Response:
        if self._check(request, "action") != {"action": "initializeUpload"}:
            raise refusal(400, "ACTION", "no such action")
        body, number = await self._initialized(request)
        urn = f"urn:li:image:{number}"
        self._new(urn, body["owner"], {0: 0})
        url = f"{self.url}/mediaUpload/{urn}?ca=signed-secret"
        value = {"uploadUrlExpiresAt": self._expiry(), "uploadUrl": url, "image": urn}
        return JSONResponse({"value": value})

    async def _video_action(self, request: Request) -> Response:
        action = self._check(request, "action")["action"]
        if action == "finalizeUpload":
            return await self._finalize(request)
        body, number = await self._initialized(request)
        size, urn = body["fileSizeBytes"], f"urn:li:video:{number}"
        starts = range(0, size, self.part_size)
        sizes = {n: min(self.part_size, size - start) for n, start in enumerate(starts)}
        self._new(urn, body["owner"], sizes)["token"] = f"token-{number}"
        instructions = [
            {
                "uploadUrl": f"{self.url}/dms-uploads/{urn}/{n}?sau=signed-secret",
                "firstByte": start,
                "lastByte": start + sizes[n] - 1,
            }
            for n, start in enumerate(starts)
        ]
        value = {
            "uploadUrlsExpireAt": self._expiry(),
            "video": urn,
            "uploadInstructions": instructions,
            "uploadToken": f"token-{number}",
        }
        return JSONResponse({"value": value})

    async def _finalize(self, request: Request) -> Response:
        body = (await request.json())["finalizeUploadRequest"]
        found = self.media.get(body["video"], {})
        etags = [_etag(found["bytes"].get(n, b"")) for n in found.get("parts", {})]
        if not etags or found["token"] != body["uploadToken"] or body["uploadedPartIds"] != etags:
            raise refusal(400, "INVALID_PARTS", "The uploaded parts do not match")
        found["status"] = "PROCESSING"
        return Response()

    def _uploading(self, request: Request, part: int) -> dict[str, Any]:
        found = self.media.get(request.path_params["urn"])
        if found is None or "signed-secret" not in request.url.query:
            raise Refusal(404, {"message": "not found"})
        if request.headers.get("content-type") != "application/octet-stream":
            self.violation("a file is not sent as application/octet-stream")
        if int(request.headers.get("content-length", -1)) < 0 or part not in found["parts"]:
            raise Refusal(400, {"message": "bad part"})
        return found

    async def _put_image(self, request: Request) -> Response:
        found = self._uploading(request, 0)
        self._authorize(request)
        content = await request.body()
        self.puts.append((request.url.path, len(content)))
        good = content[:4] in (b"\x89PNG", b"GIF8") or content[:2] == b"\xff\xd8"
        found["bytes"][0], found["broken"] = content, not good
        found["status"] = "PROCESSING"
        return Response(status_code=201)

    async def _put_part(self, request: Request) -> Response:
        part = int(request.path_params["part"])
        found = self._uploading(request, part)
        content = await request.body()
        if len(content) != found["parts"][part]:
            raise Refusal(400, {"message": "the part has another size"})
        self.puts.append((request.url.path, len(content)))
        found["bytes"][part] = content
        found["broken"] = found["bytes"].get(0, b"")[4:8] != b"ftyp"
        return Response(headers={"ETag": f'"{_etag(content)}"'})

    def _process(self, found: dict[str, Any]) -> None:
        if found["status"] == "PROCESSING":
            found["status"] = "PROCESSING_FAILED" if found["broken"] else "AVAILABLE"

    async def _read_media(self, request: Request) -> Response:
        self._check(request)
        found = self.media.get(request.path_params["urn"])
        if found is None:
            raise refusal(404, "RESOURCE_NOT_FOUND", "no such media")
        if found["reads"] >= self.reads_until_available:
            self._process(found)
        found["reads"] += 1
        if not self.media_readable:
            self._process(found)
            raise refusal(403, "ACCESS_DENIED", "Not enough permissions to access: images.GET")
        return JSONResponse({"id": request.path_params["urn"], "status": found["status"]})


def _etag(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
