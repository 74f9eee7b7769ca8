"""What TikTok's error codes and failure reasons mean, as data.

Sources (read in November 2026): https://developers.tiktok.com/doc/tiktok-api-v2-error-handling,
the error tables of the Content Posting API's reference, and `fail_reason` of
https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms import http
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.http import Step


class ScopeMissing(AuthFailed):
    """The person has not allowed this when the account was connected."""


class UploadGone(Transient):
    """The upload has ended or is not known any more; a video must be sent from its beginning."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a code means for the one who made the call; `wait` is of `RateLimited`.

    A `Transient` of `unclear` origin is `Ambiguous` on the commit.
    """

    failure: type[Transient | RateLimited | AuthFailed | Rejected]
    advice: str = ""
    wait: timedelta = timedelta(minutes=1)
    unclear: bool = False


HOUR = timedelta(hours=1)
"""How soon a limit of a rolling day is asked about again: TikTok does not tell when it ends."""

_SCOPE = Meaning(ScopeMissing, "connect the account again and allow all it asks")
_CHANGE_VIDEO = Meaning(Rejected, "convert the video")
_CHANGE_IMAGE = Meaning(Rejected, "make the images smaller")
_PRIVACY = Meaning(Rejected, "choose who may see the post among what this account offers")
_FETCH = Meaning(Transient, "check that the public URL of Almanac can be reached from outside")
_BANNED = Meaning(Rejected, "sign in to TikTok and see what the account is blocked for")
_SPAM = Meaning(Rejected, "TikTok takes it for spam: change the text")
_DAILY = Meaning(RateLimited, "the account's posts of 24 hours are used up", HOUR)
_PENDING = Meaning(RateLimited, "publish or discard what waits in TikTok's inbox", HOUR)

CODES: Mapping[str, Meaning] = {
    **dict.fromkeys(("access_token_invalid", "access_token_expired"), Meaning(TokenExpired)),
    **dict.fromkeys(("scope_not_authorized", "scope_permission_missed"), _SCOPE),
    "rate_limit_exceeded": Meaning(RateLimited),
    "spam_risk_too_many_posts": _DAILY,
    "spam_risk_too_many_pending_share": _PENDING,
    # A quota of the app, but it shuts out only accounts that have not posted within the day.
    "reached_active_user_cap": Meaning(
        RateLimited, "the app may not serve more accounts today: ask TikTok for an audit", HOUR
    ),
    "spam_risk_user_banned_from_posting": _BANNED,
    **dict.fromkeys(("spam_risk", "spam_risk_text"), _SPAM),
    "privacy_level_option_mismatch": _PRIVACY,
    "unaudited_client_can_only_post_to_private_accounts": Meaning(
        Rejected, "until TikTok has audited the app, choose SELF_ONLY"
    ),
    "url_ownership_unverified": Meaning(
        Rejected, "verify Almanac's public address among the app's URL properties at TikTok"
    ),
    "app_version_check_failed": Meaning(Rejected, "update the TikTok app on the phone"),
    **dict.fromkeys(("invalid_param", "invalid_params"), Meaning(Rejected)),
    **dict.fromkeys(("invalid_file_upload", "file_format_check_failed"), _CHANGE_VIDEO),
    **dict.fromkeys(("duration_check_failed", "frame_rate_check_failed"), _CHANGE_VIDEO),
    "picture_size_check_failed": _CHANGE_IMAGE,
    **dict.fromkeys(("internal_error", "internal"), Meaning(Transient, unclear=True)),
    "invalid_publish_id": Meaning(UploadGone),
}
"""By the `code` of an error."""

REASONS: Mapping[str, Meaning] = {
    **CODES,
    **dict.fromkeys(("video_pull_failed", "photo_pull_failed"), _FETCH),
    "internal": Meaning(Transient, "it will be sent anew"),
    "publish_cancelled": Meaning(Rejected, "it was cancelled"),
    "auth_removed": Meaning(AuthFailed, "connect the account again"),
}
"""By the `fail_reason` of a post: TikTok has ended its work on it, and nothing is out."""


class _Error(msgspec.Struct):
    code: str = "ok"
    message: str = ""
    log_id: str = ""


class _Body(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


def failure(step: Step, answer: Answer) -> PlatformError | None:
    """Return what an answer of any status means for this step; None: it is a success.

    Errors are told by their code; only one that nobody has documented is told by its status.
    """
    try:
        error = msgspec.json.decode(answer.body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _Error()
    if error.code == "ok":
        return None if answer.is_success else http.failure(step, answer)
    found = CODES.get(error.code)
    text = f"{error.code}: {error.message or 'no message'}"
    if error.log_id:
        text += f" (log {error.log_id})"
    if found is not None:
        return _made(step, text, found, answer)
    by_status = http.failure(step, answer)
    if isinstance(by_status, RateLimited):
        return RateLimited(step.says(text), until=by_status.until)
    return type(by_status)(step.says(text))


def ended(step: Step, reason: str) -> PlatformError:
    """Return what it means that TikTok has given a post up for a reason; nothing of it is out."""
    text = f"TikTok could not publish it: {reason or 'no reason given'}"
    return _made(step, text, REASONS.get(reason, Meaning(Rejected)), None)


def _made(step: Step, text: str, found: Meaning, answer: Answer | None) -> PlatformError:
    said = step.says(f"{text}; {found.advice}" if found.advice else text)
    if found.failure is RateLimited:
        told = answer is not None and "retry-after" in answer.headers
        until = http.wait_until(answer) if answer is not None and told else now() + found.wait
        return RateLimited(said, until=until)
    if step.commits and found.unclear:
        return Ambiguous(f"{said}; the post may be there")
    return found.failure(said)  # type: ignore[call-arg]  # RateLimited is dealt with above
