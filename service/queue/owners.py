"""Jobs that belong to a row: who acts on the row in their stead.

The row is the truth: cancelled, purged or replayed in Redis alone, such a job would come back, or
run against a row that says otherwise.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from service.errors import Conflict
from service.queue.declaration import declared
from service.queue.views import JobView

if TYPE_CHECKING:
    from service.queue.client import QueueClient


class Owner(Protocol):
    """Acts on the rows that the jobs of a declaration belong to."""

    async def cancel(self, client: "QueueClient", view: JobView) -> bool:
        """Cancel the row of a job; return whether it is cancelled."""

    async def replay(self, client: "QueueClient", view: JobView) -> bool:
        """Make the row of a dead job run again, by a job of its own; return whether it will."""


Resolve = Callable[[str], Owner]
"""Returns the owner at a dotted path."""


def owner_of(function: str, resolve: Resolve | None) -> Owner | None:
    """Return the owner of a function's jobs, None for one without.

    Raises Conflict when there is an owner and nobody can say who: the caller gave no `resolve`.
    """
    job = declared().get(function)
    if job is None or job.owner is None:
        return None
    if resolve is None:
        raise Conflict(f"job {function} belongs to a row: its owner {job.owner} must act on it")
    return resolve(job.owner)
