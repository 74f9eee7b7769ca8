"""Jobs of a search, as rows of one kind, wherever the API has them from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from service.dashboard.jobs.search import Query, instant, refusal
from service.dashboard.view import View
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.monitoring import dead_routes, routes, schemas
from service.monitoring.schemas import JobError, ProgressOut
from service.queue import declared

OPEN: Final = ("queued", "running", "deferred")
DEAD: Final = "dead"
LONGEST_ARGUMENTS, LONGEST_ERROR = 100, 160
LOOKS, LOOKED_AT = 3, 200
"""Pages of dead jobs that a search looks at before it asks whether to go on, and their size."""
_NAMES = {"argument": "args", "q": "search"}


@dataclass(frozen=True, slots=True)
class Row:
    """One job, or one run of it."""

    id: str
    name: str
    queue: str
    state: str
    arguments: str
    """The beginning of them."""
    at: datetime | None
    """When it ended, began, was sent or will be due: what its list is ordered by."""
    took: timedelta | None
    """How long it ran; of one that runs, up to now."""
    attempt: int
    error: str
    """The beginning of it."""
    actor: str | None
    progress: ProgressOut | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a search."""

    items: Sequence[Row]
    next_cursor: str | None
    searched_to: datetime | None = None
    """How far the search came that stopped before its page was full."""
    lost: int = 0


async def read(
    view: View, query: Query, zone: ZoneInfo, limit: int, cursor: str | None = None
) -> Rows:
    """Return a page of what a search means; raise InvalidInput that says what is wrong with it."""
    query = with_name(query)
    try:
        if query.state == DEAD:
            return await _dead(view, query, zone, limit, cursor)
        return await _listed(view, query, zone, limit, cursor)
    except InvalidInput as error:
        if any(problem.field == "cursor" for problem in error.problems):
            raise
        told = (f"{_NAMES.get(p.field, p.field)}: {p.message}." for p in error.problems)
        raise refusal(" ".join(told)) from error


def with_name(query: Query) -> Query:
    """Return a search whose word is the name of a job as one that gives the name."""
    if not query.words:
        return query
    if len(query.words) > 1 or query.name is not None:
        raise InvalidInput([Problem("name", "give one id or one name of a job; quote longer text")])
    (word,) = query.words
    if word not in declared():
        why = (
            f"'{word[:80]}' is neither the id of a job nor the name of one. To look into errors "
            f"write error:{word[:80]}"
        )
        raise InvalidInput([Problem("search", why)])
    return replace(query, name=word, words=())


async def _listed(view: View, query: Query, zone: ZoneInfo, limit: int, cursor: str | None) -> Rows:
    moment = now()
    found = await routes.list_jobs(
        view.caller,
        view.runtime,
        limit=limit,
        cursor=cursor,
        name=query.name,
        state=query.state,  # type: ignore[arg-type] # the parser knows these states and `dead`
        queue=query.queue,
        argument=[f"{key}:{value}" for key, value in query.arguments],
        actor=query.actor,
        error=query.error,
        since=instant(query.since, moment, zone) if query.since else None,
        until=instant(query.until, moment, zone) if query.until else None,
    )
    rows = [_of_run(run, moment) for run in found.items]
    return Rows(rows, found.next_cursor, found.searched_to, found.lost)


def asked_whole(query: Query) -> bool:
    """Whether the API itself can be asked for exactly the dead jobs that a search means."""
    return query.state == DEAD and query.only("state", "name", "queue")


async def _dead(view: View, query: Query, zone: ZoneInfo, limit: int, cursor: str | None) -> Rows:
    """Return dead jobs; what the API is not asked for is looked for in so many of them."""
    whole = asked_whole(query)
    moment = now()
    since = instant(query.since, moment, zone) if query.since else None
    until = instant(query.until, moment, zone) if query.until else None
    found: list[Row] = []
    looked_to = None
    for _ in range(1 if whole else LOOKS):
        page = await dead_routes.list_dead(
            view.caller, view.runtime, query.name, query.queue, None,
            limit if whole else LOOKED_AT, cursor,
        )  # fmt: skip
        found += [of_dead(job) for job in page.items if _matches(job, query, until)]
        cursor = page.next_cursor
        looked_to = page.items[-1].died_at if page.items else None
        if since is not None and looked_to is not None and looked_to < since:
            found = [row for row in found if row.at is not None and row.at >= since]
            cursor = None
        if cursor is None or len(found) >= limit:
            break
    return Rows(found, cursor, None if whole or cursor is None else looked_to)


def _matches(job: schemas.DeadOut, query: Query, until: datetime | None) -> bool:
    """Whether a dead job is meant, by what the API is not asked for."""
    if query.actor is not None and job.actor != query.actor:
        return False
    if until is not None and job.died_at >= until:
        return False
    if query.error is not None:
        told = f"{job.error.type}: {job.error.message}" if job.error else ""
        if query.error.casefold() not in told.casefold():
            return False
    given = job.arguments if isinstance(job.arguments, dict) else {}
    return all(key in given and _text(given[key]) == value for key, value in query.arguments)


def _of_run(run: schemas.RunOut, moment: datetime) -> Row:
    begun = run.started_at if run.attempt else None
    at = run.finished_at or begun or run.run_at or run.enqueued_at
    return Row(
        id=run.id,
        name=run.name,
        queue=run.queue,
        state=run.state,
        arguments=brief(run.arguments),
        at=at,
        took=(run.finished_at or moment) - begun if begun else None,
        attempt=run.attempt,
        error=first_line(run.error),
        actor=run.actor,
        progress=run.progress,
    )


def of_dead(job: schemas.DeadOut, took: float | None = None) -> Row:
    """Return the row of a dead job, whose last run took so many seconds."""
    return Row(
        id=job.id,
        name=job.name,
        queue=job.queue,
        state=DEAD,
        arguments=brief(job.arguments),
        at=job.died_at,
        took=None if took is None else timedelta(seconds=took),
        attempt=job.tries,
        error=first_line(job.error),
        actor=job.actor,
    )


def brief(arguments: Any) -> str:
    """Return the beginning of arguments in one line: `post=13, dry=true`."""
    if not isinstance(arguments, dict):
        return _cut(_text(arguments), LONGEST_ARGUMENTS)
    parts: list[str] = []
    for name, value in arguments.items():
        parts.append(f"{name}={_text(value)}")
        if sum(map(len, parts)) > LONGEST_ARGUMENTS:
            break
    return _cut(", ".join(parts), LONGEST_ARGUMENTS)


def first_line(error: JobError | None) -> str:
    """Return an error in one line: its class without the module, and how its text begins."""
    if error is None:
        return ""
    lines = error.message.strip().splitlines()
    kind = error.type.rpartition(".")[2]
    return _cut(f"{kind}: {lines[0]}" if lines else kind, LONGEST_ERROR)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[: 2 * LONGEST_ARGUMENTS]
    return msgspec.json.encode(value).decode()[: 2 * LONGEST_ARGUMENTS]


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
