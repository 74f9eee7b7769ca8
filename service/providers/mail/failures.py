"""Why a provider takes no mail at all; what becomes of single recipients is in `contract`."""

import re

from service.errors import AlmanacError

_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]+@[^\s<>()\[\]\"',;:]+")


class MailRefused(AlmanacError):
    """The mail server will never take this mail."""

    status = 502
    slug = "mail-refused"


class MailDelayed(AlmanacError):
    """The mail server does not take this mail now.

    Args:
        message: why.
        retry_after: seconds until it may, where the server says so.
    """

    status = 502
    slug = "mail-delayed"

    def __init__(self, message: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def without_addresses(text: str) -> str:
    """Return what a server said as it may be logged: whom it speaks of is nobody's business."""
    return _ADDRESS.sub("(address)", text)
