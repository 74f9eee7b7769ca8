"""The recorder: what the streams of events tell of finished runs becomes rows, each once.

The offset of a stream is moved in the transaction that writes its rows, and the stream forgets what
is before the offset with the next look at it. So a recorder that dies at any moment, or meets a
second one, neither loses a run nor writes it twice.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple

import asyncpg
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from service.kit.clock import now
from service.kit.ids import uuid7
from service.monitoring import history_queries as queries
from service.monitoring import minute_queries
from service.monitoring.models import EventOffset
from service.monitoring.queues import queue_keys
from service.monitoring.runs import Run, run_of
from service.monitoring.sensitive import note_sensitive
from service.queue.errors import DecodeError
from service.queue.events import Event, Offset, Page, read_events, streams_with_events
from service.runtime import Runtime

ENTRIES, BYTES = 200, 4_000_000
"""What is read of a stream at a time, at most; an entry may be larger by itself."""
TOMORROW = timedelta(days=1)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Place:
    """How far a stream was recorded when it was read."""

    offset: Offset
    accounted: int = 0


class Turn(NamedTuple):
    """What a look at the streams came to."""

    runs: int
    """Recorded."""
    found: bool
    """Whether there was anything."""
    more: bool
    """Whether there is more, that is not read yet."""


class Recorder:
    """Records the events of all queues.

    Args:
        runtime: where they are, and where they go.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._places: dict[str, _Place] | None = None
        self._days: set[date] = set()
        self.queues = queue_keys()
        """Their keys."""

    async def catch_up(self) -> int:
        """Record everything that the streams hold; return how many runs that were.

        Raises as `turn`.
        """
        recorded = 0
        while (turn := await self.turn()).found:
            recorded += turn.runs
        return recorded

    async def turn(self) -> Turn:
        """Record one page of each stream.

        Raises SQLAlchemy's and redis-py's errors and OSError; what is recorded stays so.
        """
        await self._prepare(now().date(), (now() + TOMORROW).date())
        queues = await streams_with_events(self._runtime.queue, self.queues)
        turns = [await self._page(queue) for queue in queues]
        return Turn(
            runs=sum(turn.runs for turn in turns),
            found=any(turn.found for turn in turns),
            more=any(turn.more for turn in turns),
        )

    async def _page(self, queue: str) -> Turn:
        place = (await self._known()).get(queue, _Place(Offset()))
        page = await read_events(
            self._runtime.queue, queue, place.offset, entries=ENTRIES, size=BYTES
        )
        accounted = place.accounted if page.offset.generation == place.offset.generation else 0
        lost = max(page.gone - accounted, 0)
        if not page.entries and not lost:
            return Turn(0, found=False, more=False)
        runs = list(self._runs(page.events))
        await self._prepare(*_days(runs))
        async with self._runtime.unit_of_work() as uow:
            row = await queries.lock_offset(uow.session, queue)
            if _place_of(row) != place:
                log.warning("another recorder is at work on %s; its offset is taken over", queue)
                self._places = None
                return Turn(0, found=True, more=True)
            written = await _write(uow.session, runs)
            await minute_queries.add(uow.session, written)
            await note_sensitive(uow.session, runs)
            moved = _move(row, page, lost)
        self._note(queue, place, moved, lost)
        return Turn(len(runs), found=True, more=page.more)

    def _note(self, queue: str, before: _Place, after: _Place, lost: int) -> None:
        assert self._places is not None
        self._places[queue] = after
        if before.offset.generation not in ("", after.offset.generation):
            log.warning("Redis has lost the events of %s, recorded or not", queue)
        if lost:
            log.error("the stream of %s dropped %d entries before they were recorded", queue, lost)

    async def _known(self) -> dict[str, _Place]:
        if self._places is None:
            async with self._runtime.database.session() as session:
                rows = await queries.offsets(session)
            self._places = {queue: _place_of(row) for queue, row in rows.items()}
        return self._places

    async def _prepare(self, *days: date) -> None:
        """Make sure that these days have partitions."""
        if self._days.issuperset(days):
            return
        async with self._runtime.unit_of_work() as uow:
            self._days.update(await queries.days(uow.session))
            for day in sorted(set(days) - self._days):
                await queries.add_day(uow.session, day)
        self._days.update(days)

    def _runs(self, events: Iterable[Event]) -> Iterable[Run]:
        settings = self._runtime.settings
        moment = now()
        kept = max(settings.history_retention, settings.history_retention_failed)
        oldest = datetime.combine((moment - kept).date(), time.min, UTC)
        latest = moment + TOMORROW
        for event in events:
            try:
                run = run_of(event)
            except DecodeError as error:
                log.warning("left out of the history: %s", error.message)
                continue
            if run.finished_at > latest:  # the clock of its worker is wrong
                run = run._replace(finished_at=moment, id=uuid7())
            if run.finished_at >= oldest:  # else it would be deleted at once
                yield run


def _days(runs: Sequence[Run]) -> set[date]:
    """Return the days on which runs ended; nearly always it is one."""
    ends = [run.finished_at for run in runs]
    if not ends or min(ends).date() == max(ends).date():
        return {end.date() for end in ends[:1]}
    return {end.date() for end in ends}


def _place_of(row: EventOffset) -> _Place:
    return _Place(Offset(row.generation, row.last_id), row.accounted)


def _move(row: EventOffset, page: Page, lost: int) -> _Place:
    row.generation, row.last_id = page.offset
    row.accounted = page.gone + page.entries
    row.lost += lost
    row.moved_at = now()
    return _place_of(row)


async def _write(session: AsyncSession, runs: Sequence[Run]) -> Sequence[Run]:
    """Write runs; return those that are written.

    What PostgreSQL refuses is searched for by halves, and stops no other.
    """
    try:
        async with session.begin_nested():
            await queries.add_runs(session, runs)
    except (DataError, OperationalError) as error:
        if not _refused(error):
            raise
        if len(runs) > 1:
            half = len(runs) // 2
            return [*await _write(session, runs[:half]), *await _write(session, runs[half:])]
        (run,) = runs
        log.warning("PostgreSQL refuses a run of job %.200s: %.200s", run.job_id, error.orig)
        bare = run.bare()
        return await _write(session, [bare]) if bare != run else ()
    return runs


def _refused(error: DataError | OperationalError) -> bool:
    """Whether it is the values, and not PostgreSQL that is away."""
    if isinstance(error, DataError):
        return True
    return isinstance(error.orig, asyncpg.PostgresError) and error.orig.sqlstate[:2] in (
        "22",  # a value that its type does not have
        "23",  # no partition
        "54",  # too large or too deep
    )
