"""Why a newsletter cannot be written, beside what its model and its sources say."""

from service.errors import AlmanacError


class NothingToWriteFrom(AlmanacError):
    """There is neither a model nor a source."""

    status = 422
    slug = "nothing-to-write-from"
