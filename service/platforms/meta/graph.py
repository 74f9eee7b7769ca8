"""Calls of Meta's Graph API, as Instagram, Facebook and Threads share it.

Errors are told by code and subcode (meta_codes.py), never by the HTTP status, which is 400 for
nearly all of them. Tokens travel in the Authorization header, so that no log of URLs holds one.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Unpack

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer, Outbound, Parts
from service.platforms import http
from service.platforms.failures import Ambiguous, PlatformError, RateLimited
from service.platforms.http import Step
from service.platforms.meta.codes import (
    ACTION_BLOCKED,
    BROKEN,
    CODES,
    LOST_RIGHTS,
    REVOKED,
    SUBCODES,
    ContainerGone,
    Duplicate,
    Meaning,
    Missing,
)
from service.platforms.meta.usage import used_up_until

__all__ = [
    "ContainerGone",
    "Duplicate",
    "Graph",
    "GraphError",
    "Missing",
    "failure",
    "graph_error",
    "used_up_until",
]


class GraphError(msgspec.Struct, frozen=True):
    """What an error answer says; every field may be missing."""

    message: str | None = None
    code: int | None = None
    error_subcode: int | None = None
    is_transient: bool | None = None
    error_user_msg: str | None = None
    fbtrace_id: str | None = None

    @property
    def text(self) -> str:
        """All it says, for people and for Meta's support."""
        said = dict.fromkeys(filter(None, (self.message, self.error_user_msg)))
        numbers = f"code {self.code}"
        if self.error_subcode is not None:
            numbers += f", subcode {self.error_subcode}"
        trace = f", trace {self.fbtrace_id}" if self.fbtrace_id else ""
        return f"{': '.join(said) or 'no message'} ({numbers}{trace})"


class _Body(msgspec.Struct):
    error: GraphError


def graph_error(answer: Answer) -> GraphError | None:
    """Return the error that an answer, of whatever status, holds; None when there is none."""
    try:
        return msgspec.json.decode(answer.body, type=_Body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def meaning(error: GraphError) -> Meaning | None:
    """Return what an error means; None when nobody has documented it."""
    if any(words.lower() in (error.message or "").lower() for words in LOST_RIGHTS):
        return REVOKED
    for number, table in ((error.error_subcode, SUBCODES), (error.code, CODES)):
        if number is not None and number in table:
            return table[number]
    return BROKEN if error.is_transient else None


def failure(step: Step, answer: Answer) -> PlatformError:
    """Turn an error answer into the failure it means for this step.

    A token that may only be old is `TokenExpired`, one that was revoked `AuthFailed`. A limit of
    the whole app has the scope `app`. `ContainerGone`, a `Transient`, asks for a new upload.
    """
    error = graph_error(answer)
    found = None if error is None else meaning(error)
    if error is None:
        return http.failure(step, answer)
    text = step.says(f"{error.text}{_advice(found)}")
    if found is None:
        return _by_status(step, answer, text)
    blocked = error.error_subcode == ACTION_BLOCKED
    if step.commits and (found.unclear or blocked):
        return Ambiguous(f"{text}; the post may be there")
    if found.failure is RateLimited:
        until = _wait_until(answer, found.wait)
        return RateLimited(text, until=until, scope=found.scope)
    return found.failure(text)  # type: ignore[call-arg]  # RateLimited is dealt with above


def _by_status(step: Step, answer: Answer, text: str) -> PlatformError:
    """Sort an error of unknown code; only here the HTTP status counts."""
    sorted_out = http.failure(step, answer)
    if isinstance(sorted_out, RateLimited):
        return RateLimited(text, until=sorted_out.until)
    unclear = isinstance(sorted_out, Ambiguous)
    return type(sorted_out)(f"{text}; the post may be there" if unclear else text)


def _advice(found: Meaning | None) -> str:
    return f": {found.advice}" if found is not None and found.advice else ""


def _wait_until(answer: Answer, wait: timedelta) -> datetime:
    if "retry-after" in answer.headers:
        return http.wait_until(answer)
    return used_up_until(answer) or now() + wait


@dataclass(frozen=True, slots=True)
class Graph:
    """Calls of one host with one token.

    Args:
        token: of the account; empty: none is sent.
        scheme: of the Authorization header; Meta's upload hosts want `OAuth`.
    """

    outbound: Outbound
    token: str = field(repr=False)
    scheme: str = "Bearer"

    async def call(self, step: Step, method: str, url: str, **parts: Unpack[Parts]) -> Answer:
        """Send one request and return its answer if that is a success; see `failure`."""
        headers = dict(parts.get("headers", {}))
        if self.token:
            headers["Authorization"] = f"{self.scheme} {self.token}"
        parts["headers"] = headers
        answer = await http.send(self.outbound, step, method, url, **parts)
        # A few edges answer errors with status 200.
        if not answer.is_success or graph_error(answer) is not None:
            raise failure(step, answer)
        return answer
