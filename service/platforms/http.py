"""Calls to platforms: every way one can fail, as one of the contract's failures.

Before the request was sent, and on calls that change nothing visible, a failure is transient. On
the commit, a lost answer and a server error are ambiguous: the post may be there.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar, Unpack
from urllib.parse import quote

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer, AnswerLost, NotSent, Outbound, OutboundRefused, Parts
from service.kit.redaction import redact
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    Transient,
)

T = TypeVar("T")

DEFAULT_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=24)
MAX_MESSAGE = 300
_A_BILLION_SECONDS = 1e9
"""A larger reset value is an instant (2001 and later), a smaller one a delay."""


class AddressRefused(Rejected, OutboundRefused):
    """The account's address may not be called from here."""


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of call, as its errors name it."""

    platform: str
    action: str
    commits: bool = False
    deadline: float = 60.0
    """Seconds for the whole call."""
    auth_statuses: Collection[int] = (401,)
    """Statuses that mean that the credentials are refused."""
    refused: type[AuthFailed] = AuthFailed
    """What these raise; TokenExpired where tokens can be renewed."""
    secrets: Collection[str] = ()
    """What must not appear in an error, whoever quotes it."""

    def says(self, text: str) -> str:
        """Return an error's text: platform, step, what happened; never a secret."""
        return redacted(f"{self.platform}, {self.action}: {text}", self.secrets)


def redacted(text: str, secrets: Collection[str]) -> str:
    """Replace each secret, also in its percent-encoded form, and what looks like one."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***").replace(quote(secret, safe=""), "***")
    return redact(text)


async def send(
    outbound: Outbound, step: Step, method: str, url: str, **parts: Unpack[Parts]
) -> Answer:
    """Send one request; an answer of any status is returned.

    Raises:
        AddressRefused: the address may not be called from here; a kind of Rejected.
        Transient: nothing was sent, or the answer of a repeatable step was lost.
        Ambiguous: the answer of the commit was lost.
    """
    try:
        return await outbound.request(
            method, url, fresh=step.commits, deadline=step.deadline, **parts
        )
    except OutboundRefused as error:
        raise AddressRefused(step.says(error.message)) from error
    except NotSent as error:
        raise Transient(step.says(f"no connection: {error.message}")) from error
    except AnswerLost as error:
        if step.commits:
            raise Ambiguous(step.says(f"{error.message}; the post may be there")) from error
        raise Transient(step.says(error.message)) from error


async def check(outbound: Outbound, step: Step, url: str) -> None:
    """Find out whether a URL may be called, without calling it; see `send` for the failures."""
    try:
        await outbound.check(url)
    except OutboundRefused as error:
        raise AddressRefused(step.says(error.message)) from error
    except NotSent as error:
        raise Transient(step.says(f"no connection: {error.message}")) from error


async def call(
    outbound: Outbound, step: Step, method: str, url: str, **parts: Unpack[Parts]
) -> Answer:
    """Send one request and return its answer if that is a success; see `send` and `failure`."""
    answer = await send(outbound, step, method, url, **parts)
    if not answer.is_success:
        raise failure(step, answer)
    return answer


def decode(step: Step, answer: Answer, type_: type[T]) -> T:
    """Read a successful answer's JSON.

    Raises:
        Transient: it is not of that form; Ambiguous on the commit.
    """
    try:
        return msgspec.json.decode(answer.body, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        text = f"status {answer.status}, but the answer is not understood: {error}"
        raise (Ambiguous if step.commits else Transient)(step.says(text)) from error


def failure(step: Step, answer: Answer) -> PlatformError:
    """Turn an answer that is no success into the failure it means for this step."""
    status = answer.status
    text = step.says(f"status {status}: {message(answer)}")
    if status == 429 or (status in (408, 425) and "retry-after" in answer.headers):
        return RateLimited(text, until=wait_until(answer))
    if status in step.auth_statuses:
        return step.refused(text)
    if status in (408, 425):
        return Transient(text)
    if status >= 500:
        return Ambiguous(f"{text}; the post may be there") if step.commits else Transient(text)
    return Rejected(text)


def message(answer: Answer) -> str:
    """Return the platform's own words, shortened."""
    if 300 <= answer.status < 400:
        return "the server redirects elsewhere; connect the account with its present address"
    fields = _json_object(answer)
    words = [fields.get(key) for key in ("error", "message", "description", "error_description")]
    text = ": ".join(word for word in words if isinstance(word, str) and word)
    text = text or answer.body[: 4 * MAX_MESSAGE].decode("utf-8", "replace").strip() or "no message"
    return text if len(text) <= MAX_MESSAGE else text[:MAX_MESSAGE] + "…"


def _json_object(answer: Answer) -> dict[str, object]:
    try:
        value = answer.json()
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def wait_until(answer: Answer) -> datetime:
    """Return when the platform may be called again: 1 s to 24 h from now, 60 s by default.

    Read are Retry-After (RFC 9110 §10.2.3), `retry_after` in the body (Discord, Telegram),
    X-RateLimit-Reset (an ISO instant or seconds), X-Rate-Limit-Reset and RateLimit-Reset (seconds).
    """
    instant = now()
    asked = next(_instants(answer, instant), instant + DEFAULT_WAIT)
    return min(max(asked, instant + timedelta(seconds=1)), instant + LONGEST_WAIT)


REMAINING = ("x-rate-limit-remaining", "x-ratelimit-remaining", "ratelimit-remaining")


def exhausted_until(answer: Answer) -> datetime | None:
    """Return until when a limit is used up by the very call that was answered; None: it is not."""
    left = next((answer.headers[name] for name in REMAINING if name in answer.headers), None)
    return wait_until(answer) if left == "0" else None


def _instants(answer: Answer, instant: datetime) -> Iterator[datetime]:
    fields = _json_object(answer)
    nested = fields.get("parameters")
    asked = [
        answer.headers.get("retry-after"),
        fields.get("retry_after"),
        nested.get("retry_after") if isinstance(nested, dict) else None,
        answer.headers.get("x-ratelimit-reset"),
        answer.headers.get("x-rate-limit-reset"),
        answer.headers.get("ratelimit-reset"),
    ]
    for value in asked:
        if value is not None and (found := _instant(str(value).strip(), instant)):
            yield found


def _instant(text: str, instant: datetime) -> datetime | None:
    """Read a delay in seconds, a Unix time, an HTTP date or an ISO instant."""
    try:
        seconds = float(text)
    except ValueError:
        return _date(text)
    try:
        if seconds > _A_BILLION_SECONDS:
            return datetime.fromtimestamp(seconds, UTC)
        return instant + timedelta(seconds=seconds)
    except (OverflowError, ValueError, OSError):
        return None


def _date(text: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            found = read(text)
        except ValueError:
            continue
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None
