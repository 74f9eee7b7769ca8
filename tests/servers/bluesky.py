"""An emulator of a Bluesky server: the XRPC calls of publishing, as documented and as observed.

Sessions expire (400 ExpiredToken), refresh tokens work once, a record key is overwritten by
putRecord and refused with 500 by createRecord and applyWrites, a missing record is 400
RecordNotFound, its removal 200. The video service answers at the same address.
"""

import hashlib
import json
import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.bluesky_lexicon import TID, Invalid, check_record
from tests.servers.bluesky_tokens import Received, bearer, cid_of, expiry, jwt, xrpc_error
from tests.servers.bluesky_video import VideoEmulator
from tests.servers.platform import Handler, PlatformServer

POST = "app.bsky.feed.post"
SESSIONS_IN_5_MINUTES = 30
POINTS = {"create": 3, "update": 2, "delete": 1}
"""What a write costs of 5,000 points an hour (https://docs.bsky.app/docs/advanced-guides/rate-limits)."""


class BlueskyServer(PlatformServer):
    """One server with one account."""

    handle = "alice.test"
    password = "abcd-efgh-ijkl-mnop"
    did = "did:plc:ewvi7nxzyoun6zhxrhs64oiz"

    def __init__(self) -> None:
        self.known_handles = {"bob.test": "did:plc:44ybard66vv44zksje25o7dz"}
        self._serial = count(1)
        super().__init__()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.records: dict[tuple[str, str], dict[str, Any]] = {}
        self.blobs: dict[str, dict[str, Any]] = {}
        self.access: set[str] = set()
        self.refresh: set[str] = set()
        self.logins = self.refreshes = self.uploads = self.writes = 0
        self.access_seconds = 7_200
        self.password = type(self).password
        self.max_blob = 50 * 2**20
        self.points = 5_000
        self.numbers: dict[str, int] = {}
        """A post's counts, by the lexicon's names."""
        self.videos = VideoEmulator(self.did, lambda: self.url, self._store, self.violation)

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return what the server and the video service serve."""
        calls: dict[str, tuple[str, Handler]] = {
            "com.atproto.server.createSession": ("POST", self._create_session),
            "com.atproto.server.refreshSession": ("POST", self._refresh_session),
            "com.atproto.server.getServiceAuth": ("GET", self._service_auth),
            "com.atproto.repo.uploadBlob": ("POST", self._upload_blob),
            "com.atproto.repo.putRecord": ("POST", self._put_record),
            "com.atproto.repo.createRecord": ("POST", self._create_record),
            "com.atproto.repo.applyWrites": ("POST", self._apply_writes),
            "com.atproto.repo.deleteRecord": ("POST", self._delete_record),
            "com.atproto.repo.getRecord": ("GET", self._get_record),
            "com.atproto.identity.resolveHandle": ("GET", self._resolve_handle),
            "app.bsky.feed.getPosts": ("GET", self._get_posts),
            "app.bsky.actor.getProfile": ("GET", self._get_profile),
        }
        own = [(method, f"/xrpc/{name}", handler) for name, (method, handler) in calls.items()]
        return [*own, *((m, path, self._late(path)) for m, path, _ in self.videos.routes())]

    def _late(self, path: str) -> Handler:
        """Return a handler of the video service as it is then: `reset` makes it anew."""

        async def handler(request: Request) -> Response:
            [found] = [each for _, known, each in self.videos.routes() if known == path]
            return await found(request)

        return handler

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The posts with their `uri`, `cid` and `record`."""
        return [found for (collection, _), found in self.records.items() if collection == POST]

    def gate(self, collection: str, rkey: str) -> dict[str, Any] | None:
        """The record of a threadgate or postgate, if there is one."""
        found = self.records.get((collection, rkey))
        return found["record"] if found else None

    def expire_access(self) -> None:
        """Let every access token given out so far be refused as expired."""
        self.access.clear()

    def revoke_refresh(self) -> None:
        """Let every refresh token given out so far be refused."""
        self.refresh.clear()

    def revoke_password(self) -> None:
        """Let the account's app password be refused."""
        self.password = ""

    def forget_blobs(self) -> None:
        """Collect the uploaded blobs as garbage."""
        self.blobs.clear()

    def _store(self, blob: dict[str, Any]) -> None:
        self.blobs[blob["ref"]["$link"]] = blob

    def _guarded(self, handler: Handler) -> Handler:
        guarded = super()._guarded(handler)

        async def limited(request: Request) -> Response:
            answer = await guarded(request)
            writes = "com.atproto.repo" in request.url.path and request.method == "POST"
            answer.headers.setdefault("RateLimit-Limit", "5000" if writes else "3000")
            left = max(self.points, 0) if writes else 2_999
            answer.headers.setdefault("RateLimit-Remaining", str(left))
            answer.headers.setdefault("RateLimit-Reset", str(int(time.time()) + 300))
            answer.headers.setdefault("RateLimit-Policy", "5000;w=3600" if writes else "3000;w=300")
            return answer

        return limited

    def open_session(self) -> dict[str, Any]:
        """Return a new session, as a login answers it."""
        serial = next(self._serial)
        access = jwt({"scope": "com.atproto.access"}, self.access_seconds, serial)
        refresh = jwt({"scope": "com.atproto.refresh"}, 5_184_000, serial)
        self.access.add(access)
        self.refresh.add(refresh)
        service = {
            "id": "#atproto_pds",
            "type": "AtprotoPersonalDataServer",
            "serviceEndpoint": self.url,
        }
        return {
            "did": self.did,
            "handle": self.handle,
            "active": True,
            "accessJwt": access,
            "refreshJwt": refresh,
            "didDoc": {"id": self.did, "service": [service]},
        }

    async def _create_session(self, request: Request) -> Response:
        body = await self._body(request, {"identifier", "password"})
        if self.logins >= SESSIONS_IN_5_MINUTES:
            raise xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded")
        if (body["identifier"], body["password"]) != (self.handle, self.password):
            raise xrpc_error(401, "AuthenticationRequired", "Invalid identifier or password")
        self.logins += 1
        return JSONResponse(self.open_session())

    async def _refresh_session(self, request: Request) -> Response:
        token = bearer(request)
        if token not in self.refresh:
            raise xrpc_error(400, "ExpiredToken", "Token has been revoked")
        self.refresh.remove(token)
        self.refreshes += 1
        return JSONResponse(self.open_session())

    async def _service_auth(self, request: Request) -> Response:
        self._authorize(request)
        asked = request.query_params
        token = self.videos.token(asked["aud"], asked["lxm"], asked.get("exp"))
        return JSONResponse({"token": token})

    def _authorize(self, request: Request) -> None:
        token = bearer(request)
        if token in self.refresh:
            raise xrpc_error(400, "InvalidToken", "Bad token scope")
        if token not in self.access or expiry(token) < time.time():
            raise xrpc_error(400, "ExpiredToken", "Token has expired")

    async def _body(
        self, request: Request, required: set[str], optional: Sequence[str] = ()
    ) -> dict[str, Any]:
        """Read a procedure's input; fields that its lexicon does not know are violations."""
        body = await request.json()
        if not isinstance(body, dict) or not required <= body.keys():
            raise xrpc_error(400, "InvalidRequest", f"Input must have {sorted(required)}")
        for name in body.keys() - required - set(optional):
            self.violation(f"{request.url.path} with the unknown field {name}")
        return body

    async def _upload_blob(self, request: Request) -> Response:
        received = await Received.of(request)
        self._authorize(request)
        if received.size > self.max_blob:
            raise xrpc_error(413, "PayloadTooLarge", "request entity too large")
        self.uploads += 1
        blob = received.blob(request.headers["content-type"])
        self._store(blob)
        return JSONResponse({"blob": blob})

    async def _write_body(self, request: Request) -> dict[str, Any]:
        fields = {"repo", "collection", "rkey", "record"}
        body = await self._body(request, fields, ["validate"])
        self._authorize(request)
        if body["repo"] != self.did:
            raise xrpc_error(400, "InvalidRequest", "not your repository")
        self._check(body["collection"], body["rkey"], body["record"])
        return body

    def _check(self, collection: str, rkey: str, record: Any) -> None:
        if not TID.fullmatch(rkey):
            raise xrpc_error(400, "InvalidRequest", "Invalid record key: tid")
        try:
            blobs = check_record(collection, record, f"at://{self.did}", rkey)
        except Invalid as error:
            text = f"Invalid {collection} record: {error}"
            raise xrpc_error(400, "InvalidRequest", text) from error
        for blob in blobs:
            if self.blobs.get(blob["ref"]["$link"]) != blob:
                text = f"Could not find blob: {blob['ref']['$link']}"
                raise xrpc_error(400, "BlobNotFound", text)
        for name, reference in record.get("reply", {}).items():
            _, key = self._key(reference["uri"])
            known = self.records.get((POST, key))
            if known is None or known["cid"] != reference["cid"]:
                self.violation(f"{name} is no post: {reference}")

    def _key(self, uri: str) -> tuple[str, str]:
        _, collection, rkey = uri.removeprefix("at://").split("/")
        return collection, rkey

    def _spend(self, *writes: str) -> None:
        cost = sum(POINTS[write] for write in writes)
        if cost > self.points:
            raise xrpc_error(429, "RateLimitExceeded", "Rate Limit Exceeded")
        self.points -= cost

    async def _put_record(self, request: Request) -> Response:
        body = await self._write_body(request)
        key = body["collection"], body["rkey"]
        self._spend("update" if key in self.records else "create")
        return JSONResponse({**self._put(key, body["record"]), "validationStatus": "valid"})

    async def _create_record(self, request: Request) -> Response:
        body = await self._write_body(request)
        key = body["collection"], body["rkey"]
        if key in self.records:
            raise xrpc_error(500, "InternalServerError", "Internal Server Error")
        self._spend("create")
        return JSONResponse({**self._put(key, body["record"]), "validationStatus": "valid"})

    async def _apply_writes(self, request: Request) -> Response:
        """Create records, all or none; nothing else is done here."""
        body = await self._body(request, {"repo", "writes"}, ["validate"])
        self._authorize(request)
        if body["repo"] != self.did or not 1 <= len(body["writes"]) <= 200:
            raise xrpc_error(400, "InvalidRequest", "not your repository, or too many writes")
        keys = []
        for write in body["writes"]:
            if write["$type"] != "com.atproto.repo.applyWrites#create" or len(write) != 4:
                self.violation(f"applyWrites with {sorted(write)}")
            self._check(write["collection"], write["rkey"], write["value"])
            keys.append((write["collection"], write["rkey"]))
        if any(key in self.records for key in keys):
            raise xrpc_error(500, "InternalServerError", "Internal Server Error")
        self._spend(*("create" for _ in keys))
        made = [self._put(key, w["value"]) for key, w in zip(keys, body["writes"], strict=True)]
        kind = {"$type": "com.atproto.repo.applyWrites#createResult"}
        return JSONResponse({"results": [{**kind, **each} for each in made]})

    def _put(self, key: tuple[str, str], record: dict[str, Any]) -> dict[str, str]:
        self.writes += 1
        uri = f"at://{self.did}/{key[0]}/{key[1]}"
        digest = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).digest()
        made = {"uri": uri, "cid": cid_of(digest)}
        text = {"text": record["text"]} if "text" in record else {}
        self.records[key] = {"id": uri, **text, **made, "record": record}
        return made

    async def _delete_record(self, request: Request) -> Response:
        body = await self._body(request, {"repo", "collection", "rkey"})
        self._authorize(request)
        self._spend("delete")
        self.records.pop((body["collection"], body["rkey"]), None)
        return JSONResponse({})

    async def _get_record(self, request: Request) -> Response:
        asked = request.query_params
        found = self.records.get((asked["collection"], asked["rkey"]))
        if found is None or asked["repo"] != self.did:
            raise xrpc_error(400, "RecordNotFound", f"Could not locate record: {asked['rkey']}")
        return JSONResponse({"uri": found["uri"], "cid": found["cid"], "value": found["record"]})

    async def _resolve_handle(self, request: Request) -> Response:
        did = self.known_handles.get(request.query_params["handle"])
        if did is None:
            raise xrpc_error(400, "InvalidRequest", "Unable to resolve handle")
        return JSONResponse({"did": did})

    async def _get_posts(self, request: Request) -> Response:
        self._authorize(request)
        uris = request.query_params.getlist("uris")
        shown = [
            {"uri": post["uri"], "cid": post["cid"], "record": post["record"], **self.numbers}
            for post in self.posts
            if post["uri"] in uris
        ]
        return JSONResponse({"posts": shown})

    async def _get_profile(self, request: Request) -> Response:
        self._authorize(request)
        if request.query_params["actor"] not in (self.did, self.handle):
            raise xrpc_error(400, "InvalidRequest", "Profile not found")
        counts = {"followersCount": 12, "followsCount": 3, "postsCount": len(self.posts)}
        return JSONResponse({"did": self.did, "handle": self.handle, **counts})
