"""Pure rules of calls: which may be made, and what an answer means."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Any, TypeAlias

from service.errors import AlmanacError, Problem
from service.kit.redaction import redact
from service.kit.urls import url_problem

Json: TypeAlias = dict[str, Any] | list[Any] | str | int | float | bool | None
MAX_ANSWER = 1_000_000
"""Bytes of an answer."""
MAX_EXCERPT = 500
"""Characters of a refusal that its error quotes."""
TRANSIENT = frozenset({408, 425, 429})
"""Statuses below 500 after which the same call may succeed."""


class Method(StrEnum):
    """What a call may ask for."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class CallRefused(AlmanacError):
    """The call may not be made, or its receiver refuses it: a repeat would not help."""

    status = 422
    slug = "call-refused"


class CallFailed(AlmanacError):
    """There was no answer, or one that may be another later.

    Args:
        message: what happened.
        retry_after: seconds that the receiver wants us to wait; None: it does not say.
    """

    status = 502
    slug = "call-failed"

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


def problems(endpoint: str, method: str, data: Json) -> Iterator[Problem]:
    """Yield what is wrong with the form of a call; whether its host may be called is not judged."""
    if wrong := url_problem(endpoint):
        yield Problem("endpoint", wrong)
    if method not in set(Method):
        yield Problem("method", f"is one of {', '.join(Method)}")
    elif method == Method.GET and data is not None:
        yield Problem("data", "a GET has no body: put the values into the endpoint's query")


def is_transient(status: int) -> bool:
    """Whether a call may succeed later that was answered so."""
    return status in TRANSIENT or status >= 500


def refusal(status: int, location: str | None, body: bytes) -> str:
    """Say how a call was answered that did not succeed, without secrets that it may quote."""
    if 300 <= status < 400:
        where = f" to {redact(location[:MAX_EXCERPT])}" if location else ""
        return f"answered {status}: redirects are not followed{where}"
    quoted = excerpt(body)
    return f"answered {status}: {quoted}" if quoted else f"answered {status}"


def excerpt(body: bytes) -> str:
    """Return how an answer begins, as one line that a terminal can bear."""
    text = redact(body[: 8 * MAX_EXCERPT].decode("utf-8", "replace"))
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= MAX_EXCERPT else f"{line[:MAX_EXCERPT]}…"
