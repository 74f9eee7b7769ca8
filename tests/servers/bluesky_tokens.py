"""Tokens and content ids as a Bluesky server makes them."""

import base64
import hashlib
import hmac
import json
import time

from starlette.requests import Request

from tests.servers.platform import Refusal


def xrpc_error(status: int, error: str, message: str) -> Refusal:
    """Return an error in the form of https://atproto.com/specs/xrpc#error-responses."""
    return Refusal(status, {"error": error, "message": message})


def bearer(request: Request) -> str:
    """Return the token of a request."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise xrpc_error(401, "AuthMissing", "Authentication Required")
    return token


def jwt(claims: dict[str, object], seconds: int, serial: int) -> str:
    """Return a signed token with such claims that ends after some seconds."""
    issued = int(time.time())
    whole = {**claims, "iat": issued, "exp": issued + seconds, "jti": str(serial)}
    parts = [{"alg": "HS256", "typ": "at+jwt"}, whole]
    signed = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{_base64url(hmac.digest(b'key', signed.encode(), 'sha256'))}"


def expiry(token: str) -> int:
    """Return when a token ends, as Unix time."""
    payload = token.split(".")[1]
    found: int = json.loads(base64.urlsafe_b64decode(payload + "==="))["exp"]
    return found


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def cid_of(digest: bytes) -> str:
    """A CIDv1 of raw bytes with this SHA-256: https://github.com/multiformats/cid."""
    multihash = b"\x01\x55\x12\x20" + digest
    return "b" + base64.b32encode(multihash).decode().lower().rstrip("=")


_SIGNATURES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}


class Received:
    """The body of an upload: counted, hashed and looked at, but never kept whole."""

    def __init__(self) -> None:
        self.size = 0
        self.head = b""
        self._hash = hashlib.sha256()

    @classmethod
    async def of(cls, request: Request) -> "Received":
        """Read a request's body; it must be as long as its Content-Length says."""
        received = cls()
        async for chunk in request.stream():
            received.size += len(chunk)
            received.head = (received.head + chunk[:16])[:16]
            received._hash.update(chunk)
        if request.headers.get("content-length") != str(received.size):
            raise xrpc_error(400, "InvalidRequest", "content-length does not match")
        return received

    @property
    def cid(self) -> str:
        """The id of the content."""
        return cid_of(self._hash.digest())

    def type_or(self, claimed: str) -> str:
        """Return the type that the content shows, or else the claimed one."""
        if self.head[4:8] == b"ftyp":
            return "video/mp4"
        if self.head[:4] == b"RIFF" and self.head[8:12] == b"WEBP":
            return "image/webp"
        found = [kind for start, kind in _SIGNATURES.items() if self.head.startswith(start)]
        return found[0] if found else claimed

    def blob(self, claimed: str) -> dict[str, object]:
        """Return what a record refers to the content by."""
        kind = self.type_or(claimed)
        link = {"$link": self.cid}
        return {"$type": "blob", "ref": link, "mimeType": kind, "size": self.size}
