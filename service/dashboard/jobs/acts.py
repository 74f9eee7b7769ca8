"""What is done to many jobs: a page that says what and how many, then the act and what it came to.

Each act is the API's own, with its rights and its entry in the audit log.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo

from service.dashboard.jobs import rows as job_rows
from service.dashboard.jobs.rows import Row
from service.dashboard.jobs.search import Query
from service.dashboard.view import View
from service.errors import Conflict, NotFound
from service.monitoring import dead_routes, job_routes
from service.monitoring.schemas import DeadSelection
from service.monitoring.steering import AT_ONCE

MOST: Final = 1000
"""Jobs that one act is done to, unless it is done by the API to all that match."""
READS, PAGE = 10, 200
"""Pages of a search that are read to find these."""
SHOWN: Final = 50
"""Refused jobs that are named."""


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that is done to jobs, in words."""

    title: str
    question: str
    """With `{}` for how many."""
    yes: str
    """On the button that confirms it."""
    done: str
    warning: str
    style: str = "primary"


AGAIN: Final = Act(
    "Run again",
    "Run {} again?",
    "Yes, run again",
    "sent again",
    "Each runs again under its id, as if it had never run.",
)
ACTS: Final = {
    "cancel": Act(
        "Cancel",
        "Cancel {}?",
        "Yes, cancel",
        "cancelled",
        "A job that waits ends at once. One that runs is told to stop, and ends when it has.",
        "danger",
    ),
    "retry": AGAIN,
    "replay": AGAIN,
    "discard": Act(
        "Discard",
        "Discard {}?",
        "Yes, discard",
        "discarded",
        "They are forgotten for good and cannot run again. The history still tells of their runs.",
        "danger",
    ),
}


@dataclass(slots=True)
class Outcome:
    """What an act came to."""

    done: int = 0
    refused: list[tuple[str, str]] = field(default_factory=list)
    """Ids with the reasons, the first of them."""
    left: int = 0
    """Jobs that stayed as they were, the refused ones among them."""
    more: bool = False
    """Whether more may match than one act is done to."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The jobs that an act is for."""

    rows: Sequence[Row]
    more: bool
    """Whether more match."""

    @property
    def ids(self) -> list[str]:
        """Their ids, each once."""
        return list(dict.fromkeys(row.id for row in self.rows))


def all_of(count: int, *, more: bool = False) -> str:
    """Return how many jobs match, in words."""
    if more:
        return f"all of the more than {count:,} jobs that match"
    return "the one job that matches" if count == 1 else f"all {count:,} jobs that match"


def counted(count: int) -> str:
    """Return a number of jobs in words."""
    return "1 job" if count == 1 else f"{count:,} jobs"


async def matching(view: View, query: Query, act: str, zone: ZoneInfo) -> Chosen:
    """Return the jobs that match a search and that an act can be for, `MOST` at most."""
    found: dict[str, Row] = {}
    cursor = None
    for _ in range(READS):
        page = await job_rows.read(view, query, zone, PAGE, cursor)
        for row in page.items:
            if act != "retry" or row.state in {"failed", "cancelled"}:
                found.setdefault(row.id, row)
        cursor = page.next_cursor
        if cursor is None or len(found) > MOST:
            break
    rows = list(found.values())
    return Chosen(rows[:MOST], cursor is not None or len(rows) > MOST)


async def do(view: View, act: str, ids: Sequence[str]) -> Outcome:
    """Do something to each of these jobs."""
    if act == "cancel":
        return await _each(ids, lambda one: job_routes.cancel_job(one, view.caller, view.runtime))
    if act == "retry":
        return await _each(ids, lambda one: job_routes.retry_job(one, view.caller, view.runtime))
    outcome = Outcome()
    for start in range(0, len(ids), MOST):
        selection = DeadSelection(ids=list(ids[start : start + MOST]))
        _add(outcome, await _dead(view, act, selection, len(selection.ids or ())))
    return outcome


async def do_to_all_dead(view: View, act: str, query: Query) -> Outcome:
    """Do something to all dead jobs that match, however many."""
    whole = query.name is None and query.queue is None
    selection = DeadSelection(name=query.name, queue=query.queue, all=whole)
    return await _dead(view, act, selection, None)


async def _dead(view: View, act: str, selection: DeadSelection, count: int | None) -> Outcome:
    if act == "discard":
        discarded = await dead_routes.discard_dead(selection, view.caller, view.runtime)
        left = 0 if count is None else max(count - discarded.discarded, 0)
        return Outcome(discarded.discarded, left=left)
    replayed = await dead_routes.replay_dead(selection, view.caller, view.runtime)
    refused = [(each.id, each.reason) for each in replayed.refused]
    left = replayed.left if count is None else max(count - replayed.replayed, replayed.left)
    return Outcome(replayed.replayed, refused[:SHOWN], left)


def _add(outcome: Outcome, other: Outcome) -> None:
    outcome.done += other.done
    outcome.left += other.left
    outcome.refused = [*outcome.refused, *other.refused][:SHOWN]


async def _each(ids: Sequence[str], act: Callable[[str], Awaitable[object]]) -> Outcome:
    outcome = Outcome()
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        for job_id, why in zip(
            some, await asyncio.gather(*(_try(act, i) for i in some)), strict=True
        ):
            if why is None:
                outcome.done += 1
                continue
            outcome.left += 1
            if len(outcome.refused) < SHOWN:
                outcome.refused.append((job_id, why))
    return outcome


async def _try(act: Callable[[str], Awaitable[object]], job_id: str) -> str | None:
    """Return why an act was refused, None when it was done."""
    try:
        await act(job_id)
    except (NotFound, Conflict) as error:
        return error.message
    return None


def told(act: str, outcome: Outcome) -> str:
    """Return what an act came to, in one sentence."""
    text = f"{counted(outcome.done).capitalize()} {ACTS[act].done}."
    if outcome.left:
        text += f" {counted(outcome.left).capitalize()} stayed as before."
    return text
