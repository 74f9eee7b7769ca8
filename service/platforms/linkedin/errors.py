"""What LinkedIn's errors mean.

Source: https://learn.microsoft.com/linkedin/shared/api-guide/concepts/error-handling and, for the
messages that pass by themselves, what clients have observed.
"""

import re
from datetime import UTC, datetime, timedelta

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms import http
from service.platforms.failures import AuthFailed, PlatformError, RateLimited, Rejected, Transient
from service.platforms.http import Step, wait_until

SITE = "https://www.linkedin.com"
REVOKED = "REVOKED_ACCESS_TOKEN"
DUPLICATE = "DUPLICATE_POST"
PASSING = ("unable to obtain activity", "resource is forbidden")
"""Said of media and posts that another of LinkedIn's services does not know of yet."""

_DAILY = re.compile(r"\bDAY\b")
_POST = re.compile(r"urn:li:(?:share|ugcPost):\d+")


class _Input(msgspec.Struct):
    code: str = ""


class _Details(msgspec.Struct):
    input_errors: tuple[_Input, ...] = msgspec.field(default=(), name="inputErrors")


class _Body(msgspec.Struct):
    message: str = ""
    code: str = ""
    details: _Details = msgspec.field(default_factory=_Details, name="errorDetails")


def midnight_utc(instant: datetime) -> datetime:
    """Return when daily limits are reset: the first midnight in UTC after an instant."""
    return datetime.combine(
        instant.astimezone(UTC).date() + timedelta(days=1), datetime.min.time(), UTC
    )


def post_url(urn: str) -> str:
    """Return where people see a post."""
    return f"{SITE}/feed/update/{urn}/"


def failure(step: Step, answer: Answer) -> PlatformError:
    """Turn an answer that is no success into the failure that its code and message mean."""
    found, body = http.failure(step, answer), _body(answer)
    text, status = found.message, answer.status
    if status == 429:
        return _limited(text, body, answer)
    if any(words in body.message.lower() for words in PASSING):
        return Transient(text)
    if status == 401 and body.code == REVOKED:
        return AuthFailed(f"{text}; connect the account again")
    if status == 403:
        advice = "connect the account again, allow all it asks, and have a role on the page"
        return AuthFailed(f"{text}; {advice}")
    if any(error.code == DUPLICATE for error in body.details.input_errors):
        return Rejected(step.says(_duplicate(body.message)))
    if status == 426:
        return Rejected(f"{text}; this version of Almanac is too old for LinkedIn: update it")
    return found


def _limited(text: str, body: _Body, answer: Answer) -> RateLimited:
    """A limit of a day ends at midnight UTC, any other when the answer says."""
    daily = _DAILY.search(body.message) and "retry-after" not in answer.headers
    until = midnight_utc(now()) if daily else wait_until(answer)
    return RateLimited(
        text, until=until, scope="app" if "APPLICATION" in body.message else "account"
    )


def _duplicate(message: str) -> str:
    found = _POST.search(message)
    where = f" at {post_url(found[0])}" if found else ""
    return f"LinkedIn has a post of this text already{where}: change the text to post it again"


def _body(answer: Answer) -> _Body:
    try:
        return msgspec.json.decode(answer.body, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Body()
