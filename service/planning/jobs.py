"""Jobs of planning."""

from service.queue import Queue, job


@job(
    "planning.recur",
    queue=Queue.MAINTENANCE,
    coroutine="workers.planning.recur",
    timeout=50,
)
async def recur() -> int:
    """Schedule the next post of every recurring post whose coming one is due.

    One post of each is there ahead, so that calendars show it. An instant is claimed in the table
    of occurrences and thus made once, whatever crashes; after an outage only the next one that is
    still to come is made. Returns how many posts were scheduled.
    """
    raise NotImplementedError
