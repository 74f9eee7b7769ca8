"""Which queues there are to look into."""

from service.errors import InvalidInput, Problem
from service.queue import Queue, declared, queue_key


def queue_keys(name: str | None = None) -> list[str]:
    """Return the key of one queue or, without a name, of Almanac's and all declared jobs' queues.

    Raises InvalidInput when no queue can have this name.
    """
    names = [name] if name is not None else [*Queue, *(job.queue for job in declared().values())]
    try:
        return list(dict.fromkeys(map(queue_key, names)))
    except ValueError as error:
        raise InvalidInput([Problem("queue", str(error))]) from error
