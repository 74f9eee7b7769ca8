"""What the error codes of Meta's Graph API mean to Instagram, Facebook and Threads, as data.

Sources (read in 2026): https://developers.facebook.com/docs/graph-api/guides/error-handling,
https://developers.facebook.com/docs/instagram-platform/instagram-graph-api/reference/error-codes,
and of what those leave out what other publishers met.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from service.platforms.failures import AuthFailed, RateLimited, Rejected, TokenExpired, Transient


class ContainerGone(Transient):
    """What was uploaded has expired or is not known any more: it must be made anew."""


class Duplicate(Rejected):
    """The same was posted already."""


class Missing(Rejected):
    """What was asked for is not there, or the token may not see it."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code or a subcode means for the one who made the call.

    A `Transient` of `unclear` origin is `Ambiguous` on the commit: the server broke down while it
    worked and may have done it. `wait` and `scope` are of `RateLimited`; Retry-After and the usage
    headers know better.
    """

    failure: type[Transient | RateLimited | AuthFailed | Rejected]
    advice: str = ""
    unclear: bool = False
    wait: timedelta = timedelta(minutes=5)
    scope: Literal["account", "app"] = "account"


BROKEN = Meaning(Transient, unclear=True)
_NOT_DONE = Meaning(Transient)
_GONE = Meaning(ContainerGone, "it will be uploaded again")
_FETCH = Meaning(Transient, "check that the public URL of Almanac can be reached from outside")
_APP_LIMIT = Meaning(RateLimited, scope="app")
_ACCOUNT_LIMIT = Meaning(RateLimited)
_DAILY_LIMIT = Meaning(RateLimited, "the daily limit of posts is used up", wait=timedelta(hours=1))
_BLOCKED = Meaning(
    RateLimited, "sign in there and see what the account is blocked for", wait=timedelta(hours=1)
)
_EXPIRED = Meaning(TokenExpired, "connect the account again")
REVOKED = Meaning(AuthFailed, "connect the account again")
_NOT_ALLOWED = Meaning(Rejected, "connect the account again and allow all it asks")
_CHANGE = Meaning(Rejected, "change the post")
_CHANGE_IMAGE = Meaning(Rejected, "change the image")
_CHANGE_VIDEO = Meaning(Rejected, "change the video")

ACTION_BLOCKED = 2207051
"""Called spam; seen to be answered after the post had gone live, so the commit is ambiguous."""
NOT_READY = 2207027
"""The container is still being processed."""

SUBCODES: Mapping[int, Meaning] = {
    33: Meaning(Missing),
    # Sessions, with code 190 or 102.
    **dict.fromkeys((458, 459, 460, 464, 492), REVOKED),
    **dict.fromkeys((463, 467), _EXPIRED),
    # Instagram.
    2207001: BROKEN,
    **dict.fromkeys((2207003, 2207082, 2207052), _FETCH),
    **dict.fromkeys((2207006, 2207008, 2207020, 2207032, 2207053), _GONE),
    NOT_READY: _NOT_DONE,
    2207042: _DAILY_LIMIT,
    ACTION_BLOCKED: _BLOCKED,
    2207050: Meaning(Rejected, "sign in to Instagram and lift the restriction of the account"),
    **dict.fromkeys((2207004, 2207005, 2207009), _CHANGE_IMAGE),
    **dict.fromkeys((2207026, 2207057), _CHANGE_VIDEO),
    **dict.fromkeys((2207010, 2207023, 2207028, 2207040), _CHANGE),
    # Threads.
    4279009: _GONE,
    # Facebook.
    **dict.fromkeys((1363047, 1609010), BROKEN),
    **dict.fromkeys((1363030, 1363041), _GONE),
    1390008: Meaning(RateLimited, "too many posts in a short time", wait=timedelta(minutes=30)),
    1404078: Meaning(AuthFailed, "pass the page's publishing authorisation on Facebook"),
    1404006: Meaning(Rejected, "sign in to Facebook and pass its security check"),
    1366046: Meaning(Rejected, "photos must be JPEG or PNG of at most 4 MB"),
    1366051: Meaning(Rejected, "the same photo is in the post twice"),
    **dict.fromkeys((1346003, 1404102, 1349125, 1609008, 2061006), _CHANGE),
}
"""By subcode, whatever the code: subcodes are unique."""

CODES: Mapping[int, Meaning] = {
    **dict.fromkeys((-1, 1, 2), BROKEN),
    -2: _FETCH,
    3: _NOT_ALLOWED,
    **dict.fromkeys((4, 341), _APP_LIMIT),
    9: _DAILY_LIMIT,
    10: _NOT_ALLOWED,
    **dict.fromkeys((17, 32, 613), _ACCOUNT_LIMIT),
    **dict.fromkeys(range(80000, 80015), _ACCOUNT_LIMIT),
    24: _GONE,
    100: Meaning(Rejected),
    **dict.fromkeys((102, 190), _EXPIRED),
    **dict.fromkeys(range(200, 300), _NOT_ALLOWED),
    352: _CHANGE_VIDEO,
    368: _BLOCKED,
    506: Meaning(Duplicate, "it was posted already: change the text"),
    9004: _FETCH,
    9007: _NOT_DONE,
    **dict.fromkeys((36000, 36001, 36003), _CHANGE_IMAGE),
    36004: _CHANGE,
}
"""By code, where the subcode is absent or says nothing."""

LOST_RIGHTS = ("REVOKED_ACCESS_TOKEN", "not an instagram business")
"""In texts of errors whose code says less."""
