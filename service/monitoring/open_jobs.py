"""Jobs that have not ended, in one list: durable ones by their rows, others by what Redis has.

Both are read by the time at which a job may start. A durable job is in both; its row is the truth,
so what Redis has of it is left out. Each request reads a bounded part of both; a page may be short,
or empty, before the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.access.caller import Caller
from service.db.outbox import DurableJob
from service.monitoring import history_queries, open_queries, showing
from service.monitoring.history_queries import Search
from service.monitoring.open_cursors import START, Cursor, Place, decode, encode
from service.monitoring.open_queries import Due
from service.monitoring.queues import queue_keys
from service.monitoring.scanning_queries import Scan
from service.monitoring.schemas import RunList, RunOut
from service.monitoring.visibility import sees
from service.queue import ROW, JobState
from service.queue.entries import AGEING_MS
from service.queue.instants import to_ms, to_ms_up
from service.queue.listing import Listed, active, scheduled, waiting
from service.runtime import Runtime

OPEN_STATES = (JobState.QUEUED, JobState.RUNNING, JobState.DEFERRED)
PAGE, PAGES = 200, 4
"""Jobs that are read of Redis at a time, and how often at most for one page of a list."""
MOST_RUNNING = 1000
"""Running jobs that are looked at: rows, and those that Redis has."""


class _Item(NamedTuple):
    place: Place
    shown: RunOut
    durable: bool


async def page(
    runtime: Runtime, caller: Caller, wanted: Search, limit: int, cursor: str | None
) -> RunList:
    """Return jobs of an open state: what runs by its start, all else by the time it is due.

    Args:
        runtime: where they are.
        caller: for whom they exist.
        wanted: its state is one of `OPEN_STATES`; of the rest name, queue and actor count.
        limit: at most so many.
        cursor: of the page before, or None.

    Raises InvalidInput for a cursor or a queue that cannot be, redis-py's errors when it is away.
    """
    search = _Search(runtime, caller, wanted, queue_keys(wanted.queue))
    begin = decode(cursor) if cursor else START
    read = search.running if wanted.state == JobState.RUNNING else search.waiting
    items, end = await read(begin, limit)
    async with runtime.unit_of_work() as uow:
        lost = await history_queries.lost_events(uow.session)
    shown = [item.shown for item in items]
    return RunList(items=shown, next_cursor=encode(end) if end else None, lost=lost)


@dataclass(frozen=True, slots=True)
class _Search:
    """One request: which jobs are wanted, for whom, of which queues."""

    runtime: Runtime
    caller: Caller
    wanted: Search
    keys: Sequence[str]

    async def waiting(self, begin: Cursor, limit: int) -> tuple[list[_Item], Cursor | None]:
        """Return a page of jobs that nobody runs, and where the next one begins."""
        after = Due(begin.due_at, begin.job_id) if begin.due_at else None
        found = await self._rows(after, limit)
        rows = [self._of_row(row) for row in found.items]
        rows_end = _place_of(found.last) if found.last else None
        queued, queued_end = await self._queued(begin.queued, rows_end, limit)
        # Behind the first end, one of the two may have jobs that are not read yet.
        ends = [end.moment for end in (rows_end, queued_end) if end is not None]
        items = sorted(rows + queued, key=_moment)  # jobs of one moment stay in their order
        shown = [item for item in items if _moment(item) <= min(ends, default=_moment(item))]
        shown = shown[:limit]
        if len(shown) == len(items) and not ends:
            return shown, None
        last_row = _last_shown(found, sum(item.durable for item in shown))
        if last_row is not None:
            begin = begin.after_row(last_row.due_at, last_row.id)
        places = [item.place for item in shown if not item.durable]
        if len(places) == len(queued) and queued_end is not None:
            places.append(queued_end)
        return shown, begin.after_queued(places[-1]) if places else begin

    async def running(self, begin: Cursor, limit: int) -> tuple[list[_Item], Cursor | None]:
        """Return a page of jobs that run, and where the next one begins."""
        rows = (await self._rows(None, MOST_RUNNING)).items
        listed = await active(self.runtime.queue, self.keys, MOST_RUNNING)
        workers = {job.view.job_id: job.worker for job in listed}
        items = [self._of_row(row, workers.get(row.id)) for row in rows]
        items += [self._of_listed(job) for job in listed if self._fits(job)]
        items.sort(key=lambda item: item.place)
        if begin.queued is not None:
            items = [item for item in items if item.place > begin.queued]
        shown = items[:limit]
        return shown, START.after_queued(shown[-1].place) if len(items) > limit else None

    async def _rows(self, after: Due | None, limit: int) -> Scan[DurableJob]:
        async with self.runtime.unit_of_work() as uow:
            return await open_queries.open_rows(uow.session, self.caller, self.wanted, after, limit)

    async def _queued(
        self, after: Place | None, until: Place | None, limit: int
    ) -> tuple[list[_Item], Place | None]:
        """Read what Redis has up to a place; return it, and where the reading stopped."""
        read = scheduled if self.wanted.state == JobState.DEFERRED else waiting
        items: list[_Item] = []
        for _ in range(PAGES):
            jobs = await read(self.runtime.queue, self.keys, PAGE, after and after.text)
            items += [self._of_listed(job) for job in jobs.items if self._fits(job)]
            after = Place.of(jobs.next) if jobs.next is not None else None
            if after is None or len(items) > limit or (until is not None and after >= until):
                break
        return items, after

    def _fits(self, job: Listed) -> bool:
        view, wanted = job.view, self.wanted
        actor = view.headers.get("actor")
        return (
            ROW not in view.headers
            and wanted.name in (None, view.function)
            and wanted.actor in (None, actor)
            and sees(self.caller, actor, view.function)
        )

    def _of_row(self, row: DurableJob, worker: str | None = None) -> _Item:
        state = str(self.wanted.state)
        shown = showing.open_row(row, state, worker)
        place = _started(shown) if state == JobState.RUNNING else _place_of(row)
        return _Item(place, shown, durable=True)

    def _of_listed(self, job: Listed) -> _Item:
        state = str(self.wanted.state)
        shown = showing.open_view(job.view, state, job.worker)
        if state == JobState.RUNNING or job.view.run_at is None:
            return _Item(_started(shown), shown, durable=False)
        ageing = AGEING_MS if job.view.lane == "low" else 0
        place = Place(to_ms(job.view.run_at) + ageing, job.view.job_id)
        return _Item(place, shown, durable=False)


def _moment(item: _Item) -> int:
    return item.place.moment


def _place_of(row: DurableJob) -> Place:
    return Place(to_ms_up(row.due_at), row.id)


def _started(shown: RunOut) -> Place:
    return Place(to_ms(shown.started_at) if shown.started_at else 0, shown.id)


def _last_shown(found: Scan[DurableJob], count: int) -> DurableJob | None:
    """Return the row behind which the next page begins, when so many of a page are shown."""
    if count == len(found.items) and found.last is not None:
        return found.last
    return found.items[count - 1] if count else None
