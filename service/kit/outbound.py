"""The HTTP client for hosts that came from a request or a row.

A name is resolved once per connection, every address it has is judged, and the connection goes to
one of those very addresses; TLS and the Host header still use the name. Nothing is retried, no
redirect is followed unasked, no cookie is kept, no proxy or certificate is read from the
environment. Connections are pooled under the name, not the address, so that one opened for one
name is never used for another.
"""

import asyncio
import json
import ssl
import zlib
from collections.abc import AsyncIterable, Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self, TypedDict, Unpack

import httpcore
import httpx

from service.errors import AlmanacError
from service.kit import tracing
from service.kit.addresses import AllowedPrivateHosts
from service.kit.guarded_network import GuardedNetwork, OutboundRefused, Resolve, system_resolver
from service.kit.urls import url_problem

__all__ = [
    "Answer",
    "AnswerLost",
    "AnswerTooLarge",
    "NotSent",
    "Outbound",
    "OutboundRefused",
    "url_problem",
]

MAX_ANSWER = 10 * 2**20
MAX_REDIRECTS = 5
TIMEOUT = {"connect": 5.0, "write": 30.0, "read": 30.0, "pool": 10.0}
"""Seconds for each phase; the deadline of a request bounds their sum."""

Trace = Callable[[str, object], Awaitable[None]]

_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ConnectionNotAvailable,
)
# httpcore leaves the text of these empty.
_WORDS = {
    httpcore.ConnectTimeout: "connecting took too long",
    httpcore.ReadTimeout: "the server stopped answering",
    httpcore.WriteTimeout: "the server stopped reading",
    httpcore.PoolTimeout: "all connections were in use",
    httpcore.ReadError: "the connection broke",
    httpcore.WriteError: "the connection broke",
}


@cache
def _public_authorities() -> ssl.SSLContext:
    """Return how public servers are verified; reading all authorities takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


class OutboundFailed(AlmanacError):
    """The call did not come to an answer."""

    status = 502
    slug = "outbound-failed"


class NotSent(OutboundFailed):
    """Nothing of the request had been sent when it failed."""


class AnswerLost(OutboundFailed):
    """The request was sent, at least in part, and no whole answer came back."""


class AnswerTooLarge(AnswerLost):
    """The answer is larger than the caller takes; it was not read to its end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer, of any status."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Decode the body; raises ValueError when it is not JSON."""
        return json.loads(self.body)


class Parts(TypedDict, total=False):
    """What a request carries, in httpx's terms."""

    headers: Mapping[str, str]
    params: Mapping[str, str]
    content: bytes | AsyncIterable[bytes]
    data: Mapping[str, Any]
    files: Mapping[str, Any]
    json: object


class Outbound:
    """An HTTP/1.1 client that reaches public addresses and the listed private hosts only.

    Use it as an async context manager; one per process is enough.

    Args:
        allowed_private_hosts: names, `name:port`, addresses or networks that may be private.
        resolve: how names become addresses.
        ssl_context: how servers are verified; by default against the public authorities.
    """

    def __init__(
        self,
        allowed_private_hosts: Collection[str] = (),
        *,
        resolve: Resolve = system_resolver,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._network = GuardedNetwork(AllowedPrivateHosts(allowed_private_hosts), resolve)
        self._ssl_context = ssl_context or _public_authorities()
        self._reusing = self._pool(keep=20)
        self._fresh = self._pool(keep=0)

    def _pool(self, *, keep: int) -> httpcore.AsyncConnectionPool:
        return httpcore.AsyncConnectionPool(
            ssl_context=self._ssl_context,
            max_connections=100,
            max_keepalive_connections=keep,
            keepalive_expiry=4.0,
            network_backend=self._network,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._reusing.aclose()
        await self._fresh.aclose()

    async def check(self, url: str) -> None:
        """Refuse a URL that `request` would refuse, without connecting.

        Raises:
            OutboundRefused: the URL is malformed or leads to a private address.
            NotSent: its name does not resolve.
        """
        parsed = _parse(url)
        port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
        host = parsed.raw_host.decode("ascii")
        try:
            await self._network.addresses(host, port, TIMEOUT["connect"])
        except _HTTPCORE_ERRORS as error:
            raise NotSent(str(error)) from error

    async def request(  # noqa: PLR0913 - each is one limit of a call
        self,
        method: str,
        url: str,
        *,
        fresh: bool = False,
        deadline: float = 60.0,
        silence: float = TIMEOUT["read"],
        max_answer: int = MAX_ANSWER,
        **parts: Unpack[Parts],
    ) -> Answer:
        """Send one request and read the whole answer, whatever its status.

        Args:
            fresh: use a new connection. On a kept one, a server that is just closing it cannot be
                told from one that took the request, which matters when a repeat would do harm.
            deadline: seconds for everything, from resolving the name to the last byte.
            silence: seconds in which the server may send nothing, such as while it thinks.
            max_answer: bytes of the answer, decompressed.

        Raises:
            OutboundRefused: the URL is malformed or leads to a private address.
            NotSent, AnswerLost: there is no answer.
        """
        request = httpx.Request(method, _parse(url), **parts)
        request.headers.setdefault("User-Agent", "Almanac")
        request.headers.setdefault("Accept-Encoding", "identity")
        sent = False

        async def trace(event: str, _: object) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        try:
            async with asyncio.timeout(deadline):
                pool = self._fresh if fresh else self._reusing
                with _recorded(request) as span:
                    answer = await _exchange(pool, request, trace, silence, max_answer)
                    if span is not None:
                        span.note({"http.response.status_code": answer.status})
                return answer
        except (TimeoutError, *_HTTPCORE_ERRORS) as error:
            timed_out = isinstance(error, TimeoutError)
            text = f"no whole answer within {deadline:g} s" if timed_out else _describe(error)
            raise (AnswerLost if sent else NotSent)(text) from error

    async def fetch(self, url: str, *, max_answer: int = MAX_ANSWER) -> Answer:
        """GET a URL, following up to five redirects; each is judged like the first.

        Raises:
            OutboundRefused: a URL is malformed or leads to a private address, or there were
                more redirects.
            NotSent, AnswerLost: there is no answer.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self.request("GET", url, max_answer=max_answer)
            location = answer.headers.get("location")
            if not 300 <= answer.status < 400 or location is None:
                return answer
            url = _joined(url, location)
        raise OutboundRefused(f"There were more than {MAX_REDIRECTS} redirects.")


def _recorded(request: httpx.Request) -> AbstractContextManager[tracing.Span | None]:
    url = request.url
    return tracing.outgoing(request.method, url.host, url.port, url.path)


def _parse(url: str) -> httpx.URL:
    if problem := url_problem(url):
        raise OutboundRefused(f"The URL {problem}.")
    return httpx.URL(url)


def _joined(url: str, location: str) -> str:
    try:
        return str(httpx.URL(url).join(location))
    except httpx.InvalidURL as error:
        raise OutboundRefused(
            f"The server redirects to something that is no URL: {error}."
        ) from error


async def _exchange(
    pool: httpcore.AsyncConnectionPool,
    request: httpx.Request,
    trace: Trace,
    silence: float,
    max_answer: int,
) -> Answer:
    url = request.url
    assert isinstance(request.stream, httpx.AsyncByteStream)
    response = await pool.handle_async_request(
        httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions={"timeout": {**TIMEOUT, "read": silence}, "trace": trace},
        )
    )
    try:
        body = await _read(response, max_answer)
    finally:
        await response.aclose()
    headers = httpx.Headers(response.headers)
    return Answer(response.status, headers, _decompressed(body, headers, max_answer))


async def _read(response: httpcore.Response, max_answer: int) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_stream():
        body += chunk
        if len(body) > max_answer:
            raise _too_large(max_answer)
    return bytes(body)


def _decompressed(body: bytes, headers: httpx.Headers, max_answer: int) -> bytes:
    """Undo a compression that was not asked for, without letting it grow past the limit."""
    encoding = headers.get("content-encoding", "identity").lower()
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "deflate"):
        raise AnswerLost(f"the answer is encoded as '{encoding}', which was not asked for")
    try:
        plain = zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, max_answer + 1)
    except zlib.error as error:
        raise AnswerLost(f"the answer is not the {encoding} it says: {error}") from error
    if len(plain) > max_answer:
        raise _too_large(max_answer)
    return plain


def _too_large(max_answer: int) -> AnswerTooLarge:
    return AnswerTooLarge(f"the answer is larger than {max_answer:,} bytes")


def _describe(error: Exception) -> str:
    return str(error) or _WORDS.get(type(error), type(error).__name__)
