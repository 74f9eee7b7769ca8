"""Refuses bodies that are too large, while they arrive and whatever their header says."""

from collections.abc import Collection

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: 413 for what is too large.

    Args:
        app: what it guards.
        max_bytes: of a body.
        max_upload_bytes: of a multipart form.
        max_file_bytes: of a multipart form sent to one of `file_paths`.
        file_paths: paths of routes that read a form piece by piece.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        max_bytes: int,
        max_upload_bytes: int,
        max_file_bytes: int,
        file_paths: Collection[str],
    ) -> None:
        self.app = app
        self.max_bytes = max_bytes
        self.max_upload_bytes = max_upload_bytes
        self.max_file_bytes = max_file_bytes
        self.file_paths = file_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self._limit(scope)
        seen = 0

        async def limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, f"The body may have at most {limit:,} bytes")
            return message

        await self.app(scope, limited, send)

    def _limit(self, scope: Scope) -> int:
        if not Headers(scope=scope).get("content-type", "").startswith("multipart/"):
            return self.max_bytes
        takes_files = scope["method"] == "POST" and scope["path"] in self.file_paths
        return self.max_file_bytes if takes_files else self.max_upload_bytes
