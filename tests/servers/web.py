"""A web server with feeds and pages, also such as no honest server has."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.servers.threaded import ThreadedServer

CHUNK = b"<item><title>Again</title><description>And again.</description></item>" * 900


@dataclass
class Page:
    """What is at a path."""

    body: bytes
    content_type: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class WebServer(ThreadedServer):
    """Serves what it is given; `/huge/N` is a feed of N MB, `/round` redirects to itself."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[str] = []
        self.sent = 0
        """Bytes of huge feeds that were handed to the network."""
        routes = [
            Route("/huge/{megabytes:int}", self._huge),
            Route("/round", self._round),
            Route("/moved/{path:path}", self._moved),
            Route("/{path:path}", self._page),
        ]
        super().__init__(Starlette(routes=routes))

    def serve(
        self,
        path: str,
        body: str | bytes,
        content_type: str = "application/rss+xml",
        *,
        status: int = 200,
        **headers: str,
    ) -> str:
        """Put something at a path; return its URL."""
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.pages[path] = Page(raw, content_type, status, named)
        return f"{self.url}/{path}"

    def bomb(self, path: str, megabytes: int) -> str:
        """Put a small file at a path that grows to so many MB; return its URL."""
        packed = gzip.compress(b"<rss>" + b" " * (megabytes * 1_000_000), 9)
        return self.serve(path, packed, content_encoding="gzip")

    async def _page(self, request: Request) -> Response:
        self.asked.append(request.url.path)
        page = self.pages.get(request.path_params["path"])
        if page is None:
            return Response("nothing here", 404)
        headers = {"content-type": page.content_type, **page.headers}
        return Response(page.body, page.status, headers)

    async def _huge(self, request: Request) -> Response:
        async def endless() -> AsyncIterator[bytes]:
            yield b'<rss version="2.0"><channel><title>Huge</title>'
            for _ in range(request.path_params["megabytes"] * 1_000_000 // len(CHUNK)):
                self.sent += len(CHUNK)
                yield CHUNK
                await asyncio.sleep(0)
            yield b"</channel></rss>"

        return StreamingResponse(endless(), media_type="application/rss+xml")

    async def _round(self, _: Request) -> Response:
        return RedirectResponse("/round")

    async def _moved(self, request: Request) -> Response:
        return RedirectResponse(f"/{request.path_params['path']}")


def rss(title: str, *entries: tuple[str, str, str, str]) -> str:
    """Return an RSS feed of entries: title, link, date and text, which may be HTML."""
    items = "".join(
        f"<item><title><![CDATA[{name}]]></title><link>{link}</link><pubDate>{date}</pubDate>"
        f"<description><![CDATA[{text}]]></description></item>"
        for name, link, date, text in entries
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><rss version="2.0"><channel><title>{title}</title>'
        f"{items}</channel></rss>"
    )
