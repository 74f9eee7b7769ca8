"""The ways in which a source cannot be read."""

from service.errors import AlmanacError


class SourceFailed(AlmanacError):
    """The source cannot be read."""

    status = 502
    slug = "source"


class SourceAway(SourceFailed):
    """The source cannot be read now: it may be, later.

    Args:
        message: names the host, and what happened.
        retry_after: seconds until it may be asked again; None: it does not say.
    """

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceRefused(SourceFailed):
    """The source is not there, may not be read, or is nothing to write from."""

    status = 422
