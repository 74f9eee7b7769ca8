"""The closed set of ways in which a platform does not take a post."""

from datetime import datetime
from typing import Literal

from service.errors import AlmanacError


class PlatformError(AlmanacError):
    """The platform did not take the post."""

    status = 502
    slug = "platform"


class Transient(PlatformError):
    """A passing failure before anything became visible: try again by policy."""


class RateLimited(PlatformError):
    """The platform asks to wait; waiting costs no attempt.

    Args:
        message: which platform, which step, what it said.
        until: when it may be called again.
        scope: who has to wait: everything of the `account`, or of all accounts of our `app`.
    """

    status = 429

    def __init__(
        self, message: str, *, until: datetime, scope: Literal["account", "app"] = "account"
    ) -> None:
        super().__init__(message)
        self.until = until
        self.scope = scope


class AuthFailed(PlatformError):
    """The platform refuses the credentials: the account must be reconnected."""

    status = 422


class TokenExpired(AuthFailed):
    """The platform refuses the access token, which may only be old: a refresh may help.

    Nothing was done; the refused call may be repeated with a new token.
    """


class Rejected(PlatformError):
    """The platform will never take this as it is."""

    status = 422


class Ambiguous(PlatformError):
    """The commit was sent and its outcome is unknown."""
