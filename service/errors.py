"""The error tree. A class's docstring is its default message; `status` is its HTTP status.

AlmanacError
├── InvalidInput          422  every problem of a request, field by field
├── Unauthenticated       401
├── Forbidden             403
├── NotFound              404
├── Conflict              409
├── PayloadTooLarge       413
├── TooManyRequests       429  says when to try again
├── Unavailable           503
└── ConfigurationError    500  the process cannot start with these settings
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input: where, what, and what would be right."""

    field: str
    message: str
    code: str = "invalid"


class AlmanacError(Exception):
    """Something went wrong."""

    status = 500
    slug = "internal"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


class InvalidInput(AlmanacError):
    """The request has problems."""

    status = 422
    slug = "invalid-input"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in self.problems))


class Unauthenticated(AlmanacError):
    """A valid API key is needed, in the header Authorization as 'Bearer <key>'; or a session."""

    status = 401
    slug = "unauthenticated"


class Forbidden(AlmanacError):
    """This key may not do that."""

    status = 403
    slug = "forbidden"


class NotFound(AlmanacError):
    """There is no such thing here."""

    status = 404
    slug = "not-found"


class Conflict(AlmanacError):
    """The present state does not allow that."""

    status = 409
    slug = "conflict"


class PayloadTooLarge(AlmanacError):
    """The payload is larger than allowed."""

    status = 413
    slug = "payload-too-large"


class TooManyRequests(AlmanacError):
    """Too many attempts.

    Args:
        seconds: until the next one may be made.
    """

    status = 429
    slug = "too-many-requests"

    def __init__(self, seconds: float) -> None:
        self.retry_after = max(1, math.ceil(seconds))
        super().__init__(f"Too many attempts: try again in {self.retry_after} s")


class Unavailable(AlmanacError):
    """A server that Almanac needs does not answer."""

    status = 503
    slug = "unavailable"


class ConfigurationError(AlmanacError):
    """The settings do not allow a start."""

    slug = "configuration"
