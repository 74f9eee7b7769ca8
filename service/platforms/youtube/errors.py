"""What YouTube's error reasons mean: https://developers.google.com/youtube/v3/docs/errors."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms import http
from service.platforms.failures import AuthFailed, PlatformError, RateLimited, Rejected, Transient
from service.platforms.http import Step, wait_until

PACIFIC = ZoneInfo("America/Los_Angeles")
UPLOAD_PAUSE = timedelta(hours=24)

OUT_OF_QUOTA = frozenset({"quotaExceeded", "dailyLimitExceeded"})
APP_TOO_FAST = frozenset({"rateLimitExceeded"})
ACCOUNT_TOO_FAST = frozenset({"userRateLimitExceeded", "uploadRateLimitExceeded"})
CLOSED = frozenset(
    {
        "accountClosed",
        "accountSuspended",
        "authenticatedUserAccountClosed",
        "authenticatedUserAccountSuspended",
        "channelClosed",
        "channelSuspended",
    }
)
UNSCOPED = frozenset({"insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"})
PASSING = frozenset({"backendError", "internalError", "SERVICE_UNAVAILABLE"})

ADVICE: Mapping[str, str] = {
    "youtubeSignupRequired": "the account has no channel: create one on youtube.com",
    "commentsDisabled": "comments are off for this video; they always are for one made for kids",
    "forbiddenPrivacySetting": "the account may not use this visibility",
    "insufficientPermissions": "connect the account again and allow all it asks",
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": "connect the account again and allow all it asks",
    "quotaExceeded": "the app's quota of today is used up; YouTube resets it at midnight Pacific",
    "uploadLimitExceeded": "the channel has uploaded as much as it may within 24 hours",
}


class _Item(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    errors: tuple[_Item, ...] = ()
    details: tuple[_Item, ...] = ()


class _Body(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def midnight_pacific(instant: datetime) -> datetime:
    """Return when quotas are next reset: the first midnight in Los Angeles after an instant."""
    tomorrow = instant.astimezone(PACIFIC).date() + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=PACIFIC)


def failure(step: Step, answer: Answer) -> PlatformError:
    """Turn an answer that is no success into the failure that its reason means."""
    error = _error(answer)
    reasons = [item.reason for item in (*error.errors, *error.details) if item.reason]
    said = {"error": reasons[0] if reasons else "", "message": error.message}
    if reasons or error.message:
        answer = replace(answer, body=msgspec.json.encode(said))
    found = http.failure(step, answer)
    advice = next((ADVICE[reason] for reason in reasons if reason in ADVICE), None)
    text = f"{found.message}; {advice}" if advice else found.message
    return _meant(set(reasons), text, answer) or _with_text(found, text)


def _meant(reasons: set[str], text: str, answer: Answer) -> PlatformError | None:
    """Return the failure of a documented reason; None: the status tells enough."""
    instant = now()
    if reasons & OUT_OF_QUOTA:
        return RateLimited(text, until=midnight_pacific(instant), scope="app")
    if "uploadLimitExceeded" in reasons:
        return RateLimited(text, until=instant + UPLOAD_PAUSE)
    if reasons & APP_TOO_FAST:
        return RateLimited(text, until=wait_until(answer), scope="app")
    if reasons & ACCOUNT_TOO_FAST:
        return RateLimited(text, until=wait_until(answer))
    if reasons & (CLOSED | UNSCOPED):
        return AuthFailed(text)
    if reasons & PASSING and answer.status < 500:
        return Transient(text)
    return None


def _with_text(found: PlatformError, text: str) -> PlatformError:
    # Only refusals carry advice that `_meant` has not dealt with.
    return Rejected(text) if type(found) is Rejected else found


def _error(answer: Answer) -> _Error:
    try:
        return msgspec.json.decode(answer.body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Error()
