"""An emulator of X's API v2, written from its documentation and OpenAPI document (docs.x.com).

One account, one app. Errors are the documented problems; `advance` moves the server's clock, over
which tokens, uploads and windows of limits end.
"""

import re
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.platform import Handler, PlatformServer, Refusal
from tests.servers.x_logins import Logins
from tests.servers.x_media import Media, MediaStore
from tests.servers.x_text import shown, weight

PROBLEMS = "https://api.twitter.com/2/problems"
WINDOW = 900
LIMITS = {
    "POST /2/tweets": 100,
    "DELETE /2/tweets/{id}": 50,
    "GET /2/tweets/{id}": 900,
    "GET /2/users/{id}/tweets": 900,
    "GET /2/users/me": 75,
    "POST /2/media/upload": 500,
    "GET /2/media/upload": 1_000,
    "POST /2/media/upload/initialize": 1_875,
    "POST /2/media/upload/{id}/append": 1_875,
    "POST /2/media/upload/{id}/finalize": 1_875,
    "POST /2/media/metadata": 500,
}
USER_FIELDS = {"id", "name", "username", "public_metrics", "subscription_type", "verified_type"}
TWEET_FIELDS = {"attachments", "created_at", "entities", "note_tweet", "public_metrics"}
REPLY_SETTINGS = {"following", "mentionedUsers", "subscribers", "verified"}
TWEET = {
    *("text", "media", "reply", "reply_settings", "made_with_ai", "paid_partnership"),
    *("community_id", "share_with_followers"),
}
_CASHTAG = re.compile(r"(?<!\S)\$[A-Za-z]{1,6}\b")


class XServer(PlatformServer):
    """X with the account @alice."""

    user_id = "2244994945"
    username = "alice"
    client_id = "client-id"

    def __init__(self) -> None:
        self.media = MediaStore(self)
        self.logins = Logins(self)
        super().__init__()

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.client_secret = "client-secret"
        self.subscription_type, self.verified_type = "None", "none"
        self.limits = dict(LIMITS)
        self.app_day_limit: int | None = None
        self.user_day_limit: int | None = None
        self.lag = 0.0
        """Seconds until a post is seen in the timeline."""
        self.tweets: dict[str, dict[str, Any]] = {}
        self._ids = count(1_900_000_000_000_000_000)
        self._offset = 0.0
        self._used: dict[str, list[float]] = {}
        self.media.reset()
        self.logins.reset()

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """The documented requests."""
        called: list[tuple[str, str, Handler]] = [
            ("POST", "/2/tweets", self._post),
            ("DELETE", "/2/tweets/{id}", self._delete),
            ("GET", "/2/tweets/{id}", self._tweet),
            ("GET", "/2/users/me", self._me),
            ("GET", "/2/users/{id}/tweets", self._timeline),
            ("POST", "/2/media/upload", self.media.upload),
            ("GET", "/2/media/upload", self.media.status),
            ("POST", "/2/media/upload/initialize", self.media.initialize),
            ("POST", "/2/media/upload/{id}/append", self.media.append),
            ("POST", "/2/media/upload/{id}/finalize", self.media.finalize),
            ("POST", "/2/media/metadata", self.media.describe),
        ]
        return [
            ("GET", "/i/oauth2/authorize", self.logins.authorize),
            ("POST", "/2/oauth2/token", self.logins.token),
            *(
                (method, path, self._let_in(f"{method} {path}", handler))
                for method, path, handler in called
            ),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """The account's posts: id, text, media (ids, in order), reply_to and what else was sent."""
        return list(self.tweets.values())

    def time(self) -> float:
        """The server's clock."""
        return time.time() + self._offset

    def advance(self, seconds: float) -> None:
        """Move the server's clock."""
        self._offset += seconds

    def next_id(self) -> str:
        """Return a number that nothing has yet."""
        return str(next(self._ids))

    def add_post(self, text: str, *, ago: float = 0) -> str:
        """Let the account post by hand."""
        return str(self._add({"text": text}, [], self.time() - ago)["id"])

    # Errors, as documented.

    def problem(self, status: int, title: str, detail: str, kind: str = "") -> Refusal:
        """Return an error answer."""
        type_ = f"{PROBLEMS}/{kind}" if kind else "about:blank"
        body = {"title": title, "detail": detail, "type": type_, "status": status}
        return Refusal(status, body)

    def invalid(self, text: str, parameters: dict[str, Any]) -> Refusal:
        """Return the error answer of a wrong parameter."""
        detail = "One or more parameters to your request was invalid."
        body = self.problem(400, "Invalid Request", detail, "invalid-request").body
        return Refusal(400, {"errors": [{"parameters": parameters, "message": text}], **body})

    def undocumented(self, text: str) -> Refusal:
        """Note that a request is not as documented, and return its error answer."""
        self.violation(text)
        return self.invalid(text, {})

    def query(self, request: Request, known: set[str]) -> dict[str, str]:
        """Return the query of a request that knows these parameters."""
        query = dict(request.query_params)
        if unknown := set(query) - known:
            raise self.undocumented(f"The query parameters {sorted(unknown)} are not known.")
        return query

    async def body(self, request: Request, known: set[str]) -> dict[str, Any]:
        """Return the JSON body of a request that knows these fields."""
        if request.headers.get("content-type") != "application/json":
            raise self.undocumented("Requests with bodies must have content-type application/json.")
        body: dict[str, Any] = await request.json()
        if unknown := set(body) - known:
            raise self.undocumented(f"The fields {sorted(unknown)} are not known.")
        return body

    def _let_in(self, name: str, handler: Handler) -> Handler:
        """Check the token and the limits, and tell of these in each answer."""

        async def let_in(request: Request) -> Response:
            headers: dict[str, str] = {}
            try:
                self.logins.check(request)
                headers = self._limit(name)
                answer = await handler(request)
            except Refusal as refusal:
                refusal.headers = {**headers, **refusal.headers}
                raise
            answer.headers.update(headers)
            return answer

        return let_in

    def _limit(self, name: str) -> dict[str, str]:
        days = {"app": self.app_day_limit, "user": self.user_day_limit}
        windows: list[tuple[str, int, float]] = [("x-rate-limit", self.limits[name], WINDOW)]
        if name == "POST /2/tweets":
            windows += [
                (f"x-{whose}-limit-24hour", most, 86_400) for whose, most in days.items() if most
            ]
        headers, over = {}, False
        for prefix, most, seconds in windows:
            used = self._used.setdefault(f"{prefix} {name}", [])
            used[:] = [at for at in used if at > self.time() - seconds]
            over = over or len(used) >= most
            used.append(self.time())
            headers[f"{prefix}-limit"] = str(most)
            headers[f"{prefix}-remaining"] = str(max(0, most - len(used)))
            headers[f"{prefix}-reset"] = str(int(used[0] + seconds))
        if over:
            body = self.problem(429, "Too Many Requests", "Too Many Requests").body
            raise Refusal(429, body, headers)
        return headers

    # Requests.

    async def _me(self, request: Request) -> Response:
        query = self.query(request, {"user.fields"})
        self._check_fields(query.get("user.fields"), USER_FIELDS)
        metrics = {"followers_count": 507, "following_count": 12, "tweet_count": len(self.tweets)}
        data = {
            "id": self.user_id,
            "name": "Alice A.",
            "username": self.username,
            "subscription_type": self.subscription_type,
            "verified_type": self.verified_type,
            "public_metrics": metrics,
        }
        return JSONResponse({"data": data})

    def _check_fields(self, given: str | None, known: set[str]) -> None:
        if given and (unknown := set(given.split(",")) - known):
            raise self.undocumented(f"The fields {sorted(unknown)} cannot be had.")

    async def _post(self, request: Request) -> Response:
        body = await self.body(request, TWEET)
        media = self._check_media(body)
        text = body.get("text", "")
        if not text and not media:
            raise self.undocumented("A post needs text or media.")
        if weight(text) > (280 if self.subscription_type == "None" else 25_000):
            raise self.invalid("Your Tweet text is too long.", {"text": [text]})
        self._check_settings(body)
        if len(_CASHTAG.findall(text)) > 1:
            detail = "Posts created via the API are limited to a maximum of 1 cashtag per post."
            raise self.problem(403, "Forbidden", detail)
        self._check_reply(body)
        if text and any(tweet["text"] == text for tweet in self._fresh()):
            detail = "You are not allowed to create a Tweet with duplicate content."
            raise self.problem(403, "Forbidden", detail)
        tweet = self._add(body, media, self.time())
        data = {"id": tweet["id"], "text": tweet["shown"], "edit_history_tweet_ids": [tweet["id"]]}
        return JSONResponse({"data": data}, 201)

    def _fresh(self) -> list[dict[str, Any]]:
        return [tweet for tweet in self.posts if tweet["at"] > self.time() - 86_400]

    def _check_media(self, body: dict[str, Any]) -> list[Media]:
        if "media" not in body:
            return []
        ids = body["media"].get("media_ids", [])
        if set(body["media"]) != {"media_ids"} or not 1 <= len(ids) <= 4:
            raise self.undocumented(f"media is {body['media']}")
        media = [found for media_id in ids if (found := self.media.attachable(media_id))]
        if len(media) != len(ids):
            raise self.invalid("Your media IDs are invalid.", {"media.media_ids": ids})
        if len(media) > 1 and any(found.category != "tweet_image" for found in media):
            raise self.invalid("4 photos, 1 animated GIF or 1 video.", {"media.media_ids": ids})
        return media

    def _check_settings(self, body: dict[str, Any]) -> None:
        if body.get("reply_settings", "verified") not in REPLY_SETTINGS:
            raise self.undocumented("reply_settings is not one of them")
        if not re.fullmatch("[0-9]{1,19}", body.get("community_id", "1")):
            raise self.undocumented("community_id is no number")
        for name in ("made_with_ai", "paid_partnership", "share_with_followers"):
            if not isinstance(body.get(name, True), bool):
                raise self.undocumented(f"{name} is no boolean")

    def _check_reply(self, body: dict[str, Any]) -> None:
        if "reply" not in body:
            return
        if set(body["reply"]) != {"in_reply_to_tweet_id"} or "reply_settings" in body:
            raise self.undocumented(f"reply is {body['reply']}")
        if body["reply"]["in_reply_to_tweet_id"] not in self.tweets:
            detail = "You attempted to reply to a Tweet that is deleted or not visible to you."
            raise self.problem(403, "Forbidden", detail)

    def _add(self, body: dict[str, Any], media: list[Media], at: float) -> dict[str, Any]:
        number, text = self.next_id(), body.get("text", "")
        keys = [found.key for found in media]
        text_shown, urls = shown(text, keys, number)
        more = {name: value for name, value in body.items() if name not in ("text", "media")}
        self.tweets[number] = {
            "id": number,
            "text": text,
            "shown": text_shown,
            "urls": urls,
            "media": [found.id for found in media],
            "media_keys": keys,
            "alts": [found.alt for found in media],
            "reply_to": body.get("reply", {}).get("in_reply_to_tweet_id"),
            "at": at,
            **more,
        }
        return self.tweets[number]

    async def _delete(self, request: Request) -> Response:
        if self.tweets.pop(request.path_params["id"], None) is None:
            raise self.problem(404, "Not Found", "Not Found")
        return JSONResponse({"data": {"deleted": True}})

    async def _tweet(self, request: Request) -> Response:
        query = self.query(request, {"tweet.fields"})
        fields = query.get("tweet.fields", "")
        self._check_fields(fields, TWEET_FIELDS | {"non_public_metrics"})
        number = request.path_params["id"]
        tweet = self.tweets.get(number)
        old = tweet and tweet["at"] < self.time() - 30 * 86_400
        if tweet is None or (old and "non_public" in fields):
            kind = "not-authorized-for-field" if old else "resource-not-found"
            error = self.problem(200, "Error", f"Could not find tweet with id: [{number}].", kind)
            return JSONResponse({"errors": [error.body]})
        names = ("retweet_count", "reply_count", "like_count", "quote_count", "bookmark_count")
        public = {name: index for index, name in enumerate(names, 1)} | {"impression_count": 90}
        data: dict[str, Any] = {"id": number, "text": tweet["shown"], "public_metrics": public}
        if "non_public_metrics" in fields:
            data["non_public_metrics"] = {"impression_count": 90, "url_link_clicks": 7}
        return JSONResponse({"data": data})

    async def _timeline(self, request: Request) -> Response:
        names = {"max_results", "start_time", "exclude", "tweet.fields", "pagination_token"}
        query = self.query(request, names)
        self._check_fields(query.get("tweet.fields"), TWEET_FIELDS)
        size, start = int(query.get("max_results", "10")), query.get("start_time", "")
        if not 5 <= size <= 100 or not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", start):
            raise self.undocumented("max_results or start_time is wrong")
        since, skip = datetime.fromisoformat(start).timestamp(), query.get("pagination_token", "p0")
        seen = [
            tweet
            for tweet in reversed(self.posts)
            if since <= tweet["at"] <= self.time() - self.lag and "community_id" not in tweet
        ]
        first = int(skip.removeprefix("p"))
        page = [_in_timeline(tweet) for tweet in seen[first : first + size]]
        meta: dict[str, Any] = {"result_count": len(page)}
        if first + size < len(seen):
            meta["next_token"] = f"p{first + size}"
        return JSONResponse({"data": page, "meta": meta} if page else {"meta": meta})


def _in_timeline(tweet: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromtimestamp(int(tweet["at"]), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    data: dict[str, Any] = {"id": tweet["id"], "text": tweet["shown"], "created_at": at}
    if tweet["urls"]:
        data["entities"] = {"urls": tweet["urls"]}
    if tweet["media_keys"]:
        data["attachments"] = {"media_keys": tweet["media_keys"]}
    if weight(tweet["text"]) > 280:
        data["note_tweet"] = {"text": data["text"], "entities": {"urls": tweet["urls"]}}
        data["text"] = data["text"][:279] + "…"
    return data
