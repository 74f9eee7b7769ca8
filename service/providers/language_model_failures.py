"""The closed set of ways in which a language model does not answer."""

from service.errors import AlmanacError


class ModelFailed(AlmanacError):
    """The language model did not answer."""

    status = 502
    slug = "language-model"


class RateLimited(ModelFailed):
    """The server asks to wait.

    Args:
        message: what it said.
        retry_after: seconds until it may be asked again; None: it does not say.
    """

    status = 429

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(ModelFailed):
    """The server is away, too slow, or fails by itself: the same may be asked again.

    Args:
        message: what happened.
        retry_after: seconds until it may be asked again; None: it does not say.
    """

    status = 503

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceeded(ModelFailed):
    """The account has no credit left: asking again does not help, paying does."""


class KeyRefused(ModelFailed):
    """The server does not take the key, or not for this."""


class Refused(ModelFailed):
    """The server will never answer this request: it says why, and the text what to do."""


class BadAnswer(ModelFailed):
    """The answer is not what was asked for, also after the model was told what is wrong."""
