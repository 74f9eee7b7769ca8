"""Jobs that belong to a row: who acts on the row in their stead.

The row is the truth: cancelled, purged or replayed in Redis alone, such a job would come back, or
run against a row that says otherwise.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from service.errors import Conflict
from service.queue.declaration import declared
from service.queue.headers import ROW
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
"""Returns the owner at a dotted path, or the one that `ROW_OWNER` stands for."""


ROW_OWNER = "row"
"""In place of a dotted path: the owner of every durable job."""


def owner_path(function: str, headers: Mapping[str, str]) -> str | None:
    """Return what names the owner of a job, None for a job without."""
    job = declared().get(function)
    if job is not None and job.owner is not None:
        return job.owner
    return ROW_OWNER if ROW in headers else None


def owner_of(function: str, headers: Mapping[str, str], resolve: Resolve | None) -> Owner | None:
    """Return the owner of a job, None for one without.

    Raises Conflict when there is an owner and nobody can say who: the caller gave no `resolve`.
    """
    path = owner_path(function, headers)
    if path is None:
        return None
    if resolve is None:
        raise Conflict(f"job {function} belongs to a row: its owner {path} must act on it")
    return resolve(path)
