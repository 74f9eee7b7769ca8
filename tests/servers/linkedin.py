"""An emulator of LinkedIn's versioned API: one member, who is administrator of one page.

Written from https://learn.microsoft.com/linkedin/marketing/community-management. Media are
processed by being read, or by `ripen`; who may read what is an attribute.
"""

import re
import time
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.servers.linkedin_login import MEMBER, PAGE
from tests.servers.linkedin_rules import check_post, duplicate, refusal, shown
from tests.servers.linkedin_uploads import LinkedInUploads
from tests.servers.platform import Handler


class LinkedInServer(LinkedInUploads):
    """LinkedIn with one member and one page."""

    def reset(self) -> None:
        """Forget everything."""
        super().reset()
        self.stored: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.posts_left = 150
        self.statistics: dict[str, int] | None = None

    def routes(self) -> Sequence[tuple[str, str, Handler]]:
        """Return what is documented."""
        comments = "/rest/socialActions/{urn}/comments"
        return [
            ("POST", "/oauth/v2/accessToken", self._token),
            ("GET", "/v2/userinfo", self._userinfo),
            ("GET", "/rest/organizationAcls", self._roles),
            ("GET", "/rest/organizations/{id}", self._organization),
            ("POST", "/rest/images", self._image_action),
            ("GET", "/rest/images/{urn}", self._read_media),
            ("POST", "/rest/videos", self._video_action),
            ("GET", "/rest/videos/{urn}", self._read_media),
            ("PUT", "/mediaUpload/{urn}", self._put_image),
            ("PUT", "/dms-uploads/{urn}/{part}", self._put_part),
            ("POST", "/rest/posts", self._create),
            ("GET", "/rest/posts", self._find),
            ("DELETE", "/rest/posts/{urn}", self._delete),
            ("POST", comments, self._comment),
            ("GET", comments, self._comments),
            ("DELETE", f"{comments}/{{comment}}", self._delete_comment),
            ("GET", "/rest/organizationalEntityShareStatistics", self._statistics),
            ("GET", "/rest/networkSizes/{urn}", self._followers),
        ]

    @property
    def posts(self) -> list[dict[str, Any]]:
        """Posts and the comments on them."""
        return [*self.stored, *self.comments]

    def add_post(self, text: str, author: str = PAGE, *, age: float = 0) -> str:
        """Post by another client, so many seconds ago, and return the URN."""
        body = {"author": author, "commentary": text}
        return self._store(body, text, [], age)

    async def _userinfo(self, request: Request) -> Response:
        self._authorize(request)
        return JSONResponse({"sub": MEMBER.rpartition(":")[2], "name": "Ada Lovelace"})

    async def _roles(self, request: Request) -> Response:
        self._check(request, "q", "state", "count", "role")
        role = {"roleAssignee": MEMBER, "state": "APPROVED"}
        elements = [
            {**role, "organization": PAGE, "role": "ADMINISTRATOR"},
            {**role, "organization": "urn:li:organization:99", "role": "ANALYST"},
        ]
        return JSONResponse({"elements": elements})

    async def _organization(self, request: Request) -> Response:
        self._check(request)
        if request.path_params["id"] != PAGE.rpartition(":")[2]:
            raise refusal(
                403, "ACCESS_DENIED", "Not enough permissions to access: organizations.GET"
            )
        page = {"id": 2414183, "localizedName": "Wool & Co.", "vanityName": "wool-co"}
        return JSONResponse(page)

    async def _create(self, request: Request) -> Response:
        self._check(request)
        body = await request.json()
        if self.posts_left < 1:
            text = "Resource level throttle MEMBER DAY limit for calls to this resource is reached."
            raise refusal(429, "TOO_MANY_REQUESTS", text, serviceErrorCode=101)
        media = check_post(body, {MEMBER, PAGE}, self.media)
        text = shown(body["commentary"])
        for post in self.stored:
            if (post["text"], post["author"], post["media"]) == (text, body["author"], media):
                raise duplicate(str(post["id"]))
        self.posts_left -= 1
        return Response(status_code=201, headers={"x-restli-id": self._store(body, text, media, 0)})

    def _store(self, body: dict[str, Any], text: str, media: list[str], age: float) -> str:
        kind = "ugcPost" if any(urn.startswith("urn:li:video") for urn in media) else "share"
        urn = f"urn:li:{kind}:{next(self._serial)}"
        created = int((time.time() - age) * 1000)
        state = {"createdAt": created, "lifecycleState": "PUBLISHED"}
        self.stored.append({**body, **state, "id": urn, "text": text, "media": media})
        return urn

    async def _find(self, request: Request) -> Response:
        given = self._check(request, "author", "q", "start", "count", "sortBy")
        if request.headers.get("x-restli-method") != "FINDER" or given["q"] != "author":
            self.violation("not the documented finder")
        if given["author"] != PAGE:
            raise refusal(403, "ACCESS_DENIED", "Not enough permissions to access: posts.FINDER")
        mine = [post for post in self.stored if post["author"] == given["author"]]
        newest = sorted(mine, key=lambda post: -int(post["createdAt"]))
        start = int(given["start"])
        page = newest[start : start + int(given["count"])]
        hidden = {"text", "media"}
        elements = [{k: v for k, v in post.items() if k not in hidden} for post in page]
        return JSONResponse({"elements": elements, "paging": {"start": start}})

    async def _delete(self, request: Request) -> Response:
        self._check(request)
        urn = request.path_params["urn"]
        self.stored[:] = [post for post in self.stored if post["id"] != urn]
        return Response(status_code=204)

    async def _comment(self, request: Request) -> Response:
        self._check(request)
        body, post = await request.json(), request.path_params["urn"]
        if not any(found["id"] == post for found in self.stored):
            raise refusal(404, "RESOURCE_NOT_FOUND", "Unable to obtain activity for this post")
        if set(body) != {"actor", "object", "message"} or body["object"] != post:
            self.violation(f"the comment has {sorted(body)}")
        if not 0 < len(body["message"]["text"]) <= 1_250:
            raise refusal(400, "FIELD_LENGTH_TOO_LONG", "The comment is too long")
        number = str(next(self._serial))
        text = body["message"]["text"]
        created = {"time": int(time.time() * 1000)}
        self.comments.append({**body, "id": number, "text": text, "created": created})
        return JSONResponse({**body, "id": number}, 201, headers={"x-restli-id": number})

    async def _comments(self, request: Request) -> Response:
        self._check(request, "count", "start")
        found = [c for c in self.comments if c["object"] == request.path_params["urn"]]
        return JSONResponse({"elements": found})

    async def _delete_comment(self, request: Request) -> Response:
        self._check(request, "actor")
        number = request.path_params["comment"]
        before = len(self.comments)
        self.comments[:] = [comment for comment in self.comments if comment["id"] != number]
        if len(self.comments) == before:
            raise refusal(404, "RESOURCE_NOT_FOUND", "no such comment")
        return Response(status_code=204)

    async def _statistics(self, request: Request) -> Response:
        given = self._check(request, "q", "organizationalEntity", "shares", "ugcPosts")
        listed = given.get("shares") or given.get("ugcPosts", "")
        if not re.fullmatch(r"List\(urn:li:(?:share|ugcPost):\d+\)", listed):
            self.violation(f"{listed} is no list of posts")
        found = [] if self.statistics is None else [{"totalShareStatistics": self.statistics}]
        return JSONResponse({"elements": found})

    async def _followers(self, request: Request) -> Response:
        given = self._check(request, "edgeType")
        if given != {"edgeType": "COMPANY_FOLLOWED_BY_MEMBER"}:
            raise refusal(400, "INVALID_ENUM", "edgeType")
        return JSONResponse({"firstDegreeSize": 219})
