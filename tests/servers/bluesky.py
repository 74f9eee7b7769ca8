"""An emulator of a Bluesky server: the XRPC calls of publishing, as documented and as observed.

Sessions expire (400 ExpiredToken), refresh tokens work once, a record key is overwritten by
putRecord and refused with 500 by createRecord, a missing record is 400 RecordNotFound.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.bluesky_lexicon import TID, Invalid, check_post
from tests.servers.faults import Fault, Faults
from tests.servers.threaded import ThreadedServer

MAX_BLOB = 50 * 2**20
SESSIONS_IN_5_MINUTES = 30
Handler = Callable[[Request], Awaitable[Response]]


class XrpcError(Exception):
    """An error answer."""

    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": error, "message": message}


class BlueskyServer(ThreadedServer):
    """One server with one account."""

    handle = "alice.test"
    password = "abcd-efgh-ijkl-mnop"
    did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"

    def __init__(self) -> None:
        self.known_handles = {"bob.test": "did:plc:44ybard66vv44zksje25o7dz"}
        self.access_seconds = 7_200
        self._faults = Faults()
        self._serial = count(1)
        self.reset()
        calls: dict[str, tuple[str, Handler]] = {
            "server.createSession": ("POST", self._create_session),
            "server.refreshSession": ("POST", self._refresh_session),
            "repo.uploadBlob": ("POST", self._upload_blob),
            "repo.putRecord": ("POST", self._put_record),
            "repo.createRecord": ("POST", self._create_record),
            "repo.getRecord": ("GET", self._get_record),
            "identity.resolveHandle": ("GET", self._resolve_handle),
        }
        routes = [
            Route(f"/xrpc/com.atproto.{name}", self._guarded(handler), methods=[method])
            for name, (method, handler) in calls.items()
        ]
        super().__init__(Starlette(routes=routes))

    def reset(self) -> None:
        """Forget everything."""
        self.records: dict[str, dict[str, Any]] = {}
        self.blobs: dict[str, dict[str, Any]] = {}
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.logins = self.refreshes = self.uploads = self.writes = 0
        self.access_seconds = 7_200
        self._faults.clear()

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The records with their `uri` and `cid`."""
        return list(self.records.values())

    def fail(self, fault: Fault) -> None:
        """Arm a fault."""
        self._faults.arm(fault)

    def expire_access(self) -> None:
        """Let every access token given out so far be refused as expired."""
        self.access.clear()

    def revoke_refresh(self) -> None:
        """Let every refresh token given out so far be refused."""
        self.refresh.clear()

    def forget_blobs(self) -> None:
        """Collect the uploaded blobs as garbage."""
        self.blobs.clear()

    def _guarded(self, handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            answer = await self._faults.answer(request)
            if answer is None:
                try:
                    answer = await handler(request)
                except XrpcError as error:
                    answer = JSONResponse(error.body, error.status)
            answer.headers.setdefault("RateLimit-Limit", "3000")
            answer.headers.setdefault("RateLimit-Remaining", "2999")
            answer.headers.setdefault("RateLimit-Reset", str(int(time.time()) + 300))
            answer.headers.setdefault("RateLimit-Policy", "3000;w=300")
            return answer

        return guarded

    def _session(self) -> Response:
        tokens = {
            "accessJwt": _jwt("com.atproto.access", self.access_seconds, next(self._serial)),
            "refreshJwt": _jwt("com.atproto.refresh", 5_184_000, next(self._serial)),
        }
        self.access.add(tokens["accessJwt"])
        self.refresh.add(tokens["refreshJwt"])
        return JSONResponse({"did": self.did, "handle": self.handle, "active": True, **tokens})

    async def _create_session(self, request: Request) -> Response:
        body = await request.json()
        if self.logins >= SESSIONS_IN_5_MINUTES:
            raise XrpcError(429, "RateLimitExceeded", "Rate Limit Exceeded")
        if (body["identifier"], body["password"]) != (self.handle, self.password):
            raise XrpcError(401, "AuthenticationRequired", "Invalid identifier or password")
        self.logins += 1
        return self._session()

    async def _refresh_session(self, request: Request) -> Response:
        token = _bearer(request)
        if token not in self.refresh:
            raise XrpcError(400, "ExpiredToken", "Token has been revoked")
        self.refresh.remove(token)
        self.refreshes += 1
        return self._session()

    def _authorize(self, request: Request) -> None:
        token = _bearer(request)
        if token in self.refresh:
            raise XrpcError(400, "InvalidToken", "Bad token scope")
        if token not in self.access or _expiry(token) < time.time():
            raise XrpcError(400, "ExpiredToken", "Token has expired")

    async def _upload_blob(self, request: Request) -> Response:
        body = await request.body()
        self._authorize(request)
        if len(body) > MAX_BLOB:
            raise XrpcError(413, "PayloadTooLarge", "request entity too large")
        if int(request.headers["content-length"]) != len(body):
            raise XrpcError(400, "InvalidRequest", "content-length does not match")
        self.uploads += 1
        link = _cid(body)
        blob = {
            "$type": "blob",
            "ref": {"$link": link},
            "mimeType": request.headers["content-type"],
            "size": len(body),
        }
        self.blobs[link] = blob
        return JSONResponse({"blob": blob})

    async def _checked(self, request: Request) -> tuple[str, Any]:
        body = await request.json()
        self._authorize(request)
        if body["repo"] != self.did or body["collection"] != "app.bsky.feed.post":
            raise XrpcError(400, "InvalidRequest", "not your repository or collection")
        if not TID.fullmatch(body["rkey"]):
            raise XrpcError(400, "InvalidRequest", "Invalid record key: tid")
        try:
            blobs = check_post(body["record"])
        except Invalid as error:
            text = f"Invalid app.bsky.feed.post record: {error}"
            raise XrpcError(400, "InvalidRequest", text) from error
        for blob in blobs:
            if self.blobs.get(blob["ref"]["$link"]) != blob:
                text = f"Could not find blob: {blob['ref']['$link']}"
                raise XrpcError(400, "BlobNotFound", text)
        return body["rkey"], body["record"]

    async def _put_record(self, request: Request) -> Response:
        return self._write(*await self._checked(request))

    async def _create_record(self, request: Request) -> Response:
        rkey, record = await self._checked(request)
        if rkey in self.records:
            raise XrpcError(500, "InternalServerError", "Internal Server Error")
        return self._write(rkey, record)

    def _write(self, rkey: str, record: Any) -> Response:
        self.writes += 1
        uri = f"at://{self.did}/app.bsky.feed.post/{rkey}"
        cid = _cid(json.dumps(record, sort_keys=True).encode())
        self.records[rkey] = {"uri": uri, "cid": cid, "record": record}
        return JSONResponse({"uri": uri, "cid": cid, "validationStatus": "valid"})

    async def _get_record(self, request: Request) -> Response:
        rkey = request.query_params["rkey"]
        if rkey not in self.records:
            raise XrpcError(400, "RecordNotFound", f"Could not locate record: {rkey}")
        found = self.records[rkey]
        return JSONResponse({"uri": found["uri"], "cid": found["cid"], "value": found["record"]})

    async def _resolve_handle(self, request: Request) -> Response:
        did = self.known_handles.get(request.query_params["handle"])
        if did is None:
            raise XrpcError(400, "InvalidRequest", "Unable to resolve handle")
        return JSONResponse({"did": did})


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise XrpcError(401, "AuthMissing", "Authentication Required")
    return token


def _jwt(scope: str, seconds: int, serial: int) -> str:
    issued = int(time.time())
    claims = {"scope": scope, "iat": issued, "exp": issued + seconds, "jti": str(serial)}
    parts = [{"alg": "HS256", "typ": "at+jwt"}, claims]
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64url(hmac.digest(b'key', signed.encode(), 'sha256'))}"


def _expiry(token: str) -> int:
    payload = token.split(".")[1]
    expiry: int = json.loads(base64.urlsafe_b64decode(payload + "==="))["exp"]
    return expiry


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _cid(data: bytes) -> str:
    """A CIDv1 of raw bytes: https://github.com/multiformats/cid."""
    multihash = b"\x01\x55\x12\x20" + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(multihash).decode().lower().rstrip("=")
