"""What X's errors mean (https://docs.x.com/x-api/fundamentals/response-codes-and-errors).

An error is a problem of RFC 9457 with `type`, `title` and `detail`, a list `errors` of such or of
mere messages, or a list of the numbered errors of API 1.1, which some gates in front still answer.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)
from service.platforms.http import LONGEST_WAIT, MAX_MESSAGE, Step, exhausted_until, wait_until

CAPPED_WAIT = timedelta(hours=1)
"""Between two looks whether somebody has bought credits, raised a cap, or a day is over."""

RATE_CODES = {88}
DAILY_CODES = {185, 344}
DUPLICATE_CODES = {187}
CLOSED_CODES = {64, 326}
"""Suspended, locked until its owner signs in."""


class DuplicateContent(Rejected):
    """The account has posted this text before."""


class MediaGone(Transient):
    """An uploaded file is not there any more."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What an error answer says."""

    kinds: frozenset[str]
    """The last parts of the problem types, and titles."""
    codes: frozenset[int]
    words: str

    def says(self, *needles: str) -> bool:
        """Whether one of these stands in its words, whatever the case."""
        lower = self.words.lower()
        return any(needle in lower for needle in needles)


def trouble(answer: Answer) -> Trouble:
    """Read an error answer, of whatever form."""
    found = list(_parts(answer))
    kinds = {str(part.get(key, "")).rpartition("/")[2] for part in found for key in _KIND_KEYS}
    codes = {code for part in found if isinstance(code := part.get("code"), int)}
    words: list[str] = []
    for part in found:
        said = [str(part[key]) for key in _WORD_KEYS if part.get(key)]
        words += [word for word in dict.fromkeys(said) if word not in words]
    text = (
        ": ".join(words).rstrip(".")
        or answer.body.decode("utf-8", "replace").strip()
        or "no message"
    )
    text = text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"
    return Trouble(frozenset(kinds), frozenset(codes), text)


_KIND_KEYS = ("type", "title")
_WORD_KEYS = ("title", "detail", "error", "error_description", "message")


def _parts(answer: Answer) -> Iterator[dict[str, Any]]:
    try:
        value = answer.json()
    except ValueError:
        return
    if isinstance(value, dict):
        yield value
        errors = value.get("errors")
        yield from (part for part in errors or () if isinstance(part, dict))


def failure(step: Step, answer: Answer, *, scope: str | None = None) -> PlatformError:
    """Turn an answer that is no success into the failure that it means for this step.

    Args:
        step: what was asked for.
        answer: of a status other than 2xx.
        scope: of OAuth that the step takes; a 403 without a reason then means that it is missing.
    """
    said = trouble(answer)
    text = step.says(f"status {answer.status}: {said.words}")
    if limited := _limited(answer, said, text):
        return limited
    if answer.status == 401:
        return step.refused(text)
    if answer.status >= 500:
        return Ambiguous(f"{text}; the post may be there") if step.commits else Transient(text)
    if answer.status in (408, 425):
        return Transient(text)
    if advice := _closed(answer, said, scope):
        return AuthFailed(f"{text}. {advice}")
    return _rejected(said, text)


def _limited(answer: Answer, said: Trouble, text: str) -> RateLimited | None:
    capped = said.kinds & {"usage-capped", "UsageCapExceeded", "credits", "CreditsDepleted"}
    if capped or answer.status == 402:
        text = f"{text}. The app has used up what it may; see the usage in X's developer console"
        return RateLimited(text, until=now() + CAPPED_WAIT, scope="app")
    if answer.status == 429 or said.codes & RATE_CODES:
        until, scope = limited_until(answer)
        return RateLimited(text, until=until, scope=scope)
    if said.codes & DAILY_CODES or said.says("daily limit"):
        return RateLimited(text, until=now() + CAPPED_WAIT)
    return None


def limited_until(answer: Answer) -> tuple[datetime, Literal["account", "app"]]:
    """Return until when, and for whom, the limit holds that a 429 speaks of.

    A limit of 24 hours has headers of its own: that of the app ends all accounts' calls.
    """
    if until := _day_over(answer, "app"):
        return until, "app"
    return _day_over(answer, "user") or wait_until(answer), "account"


def used_up_until(answer: Answer) -> datetime | None:
    """Return until when a limit is used up by the very call that was answered; None: it is not."""
    ends = [_day_over(answer, "app"), _day_over(answer, "user"), exhausted_until(answer)]
    return max((end for end in ends if end), default=None)


def _day_over(answer: Answer, whose: str) -> datetime | None:
    headers, name = answer.headers, f"x-{whose}-limit-24hour"
    if headers.get(f"{name}-remaining") != "0":
        return None
    instant = now()
    try:
        ends = datetime.fromtimestamp(float(headers[f"{name}-reset"]), UTC)
    except (KeyError, ValueError, OverflowError, OSError):
        return instant + CAPPED_WAIT
    return min(max(ends, instant + timedelta(seconds=1)), instant + LONGEST_WAIT)


def _closed(answer: Answer, said: Trouble, scope: str | None) -> str | None:
    """Return what to do when the account, or our app, is not let in at all."""
    if said.codes & CLOSED_CODES or said.says("account is suspended", "temporarily locked"):
        return "Sign in to X with this account and do what it asks, then connect it again"
    if "client-forbidden" in said.kinds:
        return "X does not let this app do that: see its project and access in the console"
    if said.kinds & {"unsupported-authentication", "Unsupported Authentication"}:
        return "The token is not that of a user: connect the account again"
    if scope and answer.status == 403 and said.words in ("Forbidden", "no message"):
        return f"The account may not have allowed {scope}: connect it again"
    return None


def _rejected(said: Trouble, text: str) -> PlatformError:
    if said.codes & DUPLICATE_CODES or said.says("duplicate content"):
        return DuplicateContent(f"{text}. X takes no text twice within some hours: change it")
    if said.says(*_GONE):
        return MediaGone(f"{text}; the media will be uploaded again")
    if said.words == "Forbidden":
        return Rejected(f"{text}. X gives no reason: see whether the account may post by hand")
    for needle, advice in _ADVICE:
        if said.says(needle):
            return Rejected(f"{text}. {advice}")
    return Rejected(text)


_GONE = (
    *("media ids are invalid", "media id is invalid", "badrequest: not found"),
    "segments do not add up",
)
_ADVICE = (
    ("cashtag", "Leave all cashtags but one out"),
    ("post a video longer than", "Shorten the video"),
    ("invalid url", "Mend or remove the link"),
    ("reply", "X lets an app answer its own posts, and posts that mention the account"),
)
