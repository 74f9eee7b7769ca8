"""What running durable jobs tell of themselves, progress and log lines, written once a second."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.db import outbox
from service.db.session import Database
from service.kit.redaction import redact
from service.kit.text import storable
from workers.engine.running import CURRENT

EVERY = 1.0
"""Seconds between two writes of one job."""
LINE = 500
"""Characters of a log line that are kept."""
TEXT = 200
"""Characters that are kept of what a job says beside its progress."""

ANNOUNCE = 0.25
"""Seconds that Redis may take to hear of it."""
Announce = Callable[[str, int, str | None], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Note:
    """What one run has told since it was written last, and the token of its claim."""

    token: str
    progress: int = 0
    announced: int = 0
    text: str | None = None
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=outbox.LOG_LINES))
    dirty: bool = False
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)


class Notes:
    """The notes of the runs that hold claims.

    Args:
        database: where their rows are.
        announce: told of each job, how far it is and what it says, after that was written.
    """

    def __init__(self, database: Database, announce: Announce | None = None) -> None:
        self._database = database
        self._announce = announce
        self._notes: dict[str, Note] = {}

    def open(self, job_id: str, token: str) -> None:
        """Take notes of a run."""
        self._notes[job_id] = Note(token)

    def tell(self, job_id: str, progress: int, text: str | None) -> None:
        """Note how far a run is, in percent, and what it says of it."""
        if note := self._notes.get(job_id):
            note.progress = max(note.progress, progress)
            note.text = storable(redact(text)[:TEXT]) if text is not None else note.text
            note.dirty = True

    def line(self, job_id: str, line: str) -> None:
        """Note a line that a run has logged."""
        if note := self._notes.get(job_id):
            note.lines.append(storable(redact(line)[:LINE]))
            note.dirty = True

    async def close(self, job_id: str) -> None:
        """Write what is left of a run that ends, and take no more; raises SQLAlchemy's errors."""
        if (note := self._notes.get(job_id)) is not None:
            await self._write(job_id, note)
        self.drop(job_id)

    def drop(self, job_id: str) -> None:
        """Take no more notes of a run, and forget what is not written."""
        self._notes.pop(job_id, None)

    async def serve(self) -> None:
        """Write notes, until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            for job_id, note in list(self._notes.items()):
                try:
                    await self._write(job_id, note)
                except (SQLAlchemyError, OSError) as error:
                    log.warning("notes of job %s could not be written: %s", job_id, error)

    async def _write(self, job_id: str, note: Note) -> None:
        async with note.writing:
            if not note.dirty:
                return
            lines = list(note.lines)
            note.lines.clear()
            note.dirty = False
            try:
                told = (note.progress, note.text, lines)
                await self._database.execute(outbox.note(job_id, note.token, *told))
            except BaseException:  # raised again; what was not written is kept
                note.lines.extendleft(reversed(lines))
                note.dirty = True
                raise
            if self._announce is not None and note.progress != note.announced:
                note.announced = note.progress
                with suppress(RedisError, OSError, TimeoutError):  # it is in the row
                    async with asyncio.timeout(ANNOUNCE):
                        await self._announce(job_id, note.progress, note.text)


class RunLog(logging.Handler):
    """Notes what jobs log while their own code runs; sensitive ones are left out.

    Args:
        notes: of the runs of this process.
    """

    def __init__(self, notes: Notes) -> None:
        super().__init__()
        self._notes = notes

    def emit(self, record: logging.LogRecord) -> None:
        """Note a line of the job in whose context it was logged."""
        run = CURRENT.get()
        if run is None or run.row is None or not run.body or (run.job and run.job.sensitive):
            return
        moment = datetime.fromtimestamp(record.created, UTC)
        try:
            line = f"{moment:%H:%M:%S} {record.levelname} {record.getMessage()}"
        except Exception:  # noqa: BLE001 - arguments that do not fit the text, as any handler
            self.handleError(record)
            return
        self._notes.line(run.job_id, line)
