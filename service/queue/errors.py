"""What can go wrong with a payload. Each error is also arq's own, so arq's callers catch it."""

from arq.jobs import DeserializationError, SerializationError

from service.errors import AlmanacError
from service.errors import PayloadTooLarge as PayloadTooLargeError


class EncodeError(AlmanacError, SerializationError):
    """A value of the job cannot be written as JSON without changing it."""

    slug = "not-encodable"


class PayloadTooLarge(PayloadTooLargeError, SerializationError):
    """The job's payload is larger than allowed."""


class DecodeError(AlmanacError, DeserializationError):
    """A stored payload cannot be read."""

    slug = "not-decodable"


class NotJSON(DecodeError):
    """The stored payload is not JSON."""


class RemoteError(AlmanacError):
    """A job failed with an exception that is not rebuilt here: its class is only named.

    `type` is the dotted name of the class, `message` its text, `traceback` where it was raised.
    """

    slug = "job-failed"

    def __init__(self, type_name: str, message: str, traceback: str = "") -> None:
        self.type = type_name
        self.traceback = traceback
        super().__init__(f"{type_name}: {message}" if message else type_name)
        self.message = message
