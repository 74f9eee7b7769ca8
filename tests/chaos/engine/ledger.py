"""What really happened, written outside Redis: a SQLite file that survives any SIGKILL.

Producers write what was acknowledged, job bodies when they start and end, and the scenario which
processes it hurt and when. Times are `time.monotonic_ns()`, which all processes of a machine share.
"""

import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, event TEXT, job TEXT, pid INTEGER, ns INTEGER,
    run INTEGER, number INTEGER, text TEXT
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS ends ON events (run) WHERE event = 'end'"
_INSERT = "INSERT INTO events (event, job, pid, ns, run, number, text) VALUES (?,?,?,?,?,?,?)"
_RUNS = """
SELECT s.id, s.job, s.pid, s.ns, s.number, s.text, e.ns, coalesce(e.text, '')
FROM events s LEFT JOIN events e ON e.event = 'end' AND e.run = s.id
WHERE s.event = 'start' ORDER BY s.ns
"""
EVERY_PROCESS = 0
"""Instead of a process id: the fault concerned all."""


@dataclass(frozen=True, slots=True)
class Run:
    """One start of a job's body."""

    id: int
    job: str
    pid: int
    started: int
    tries: int
    """arq's `job_try`: 1 for the first."""
    key: str
    """What a limit counts by; empty where there is none."""
    ended: int | None = None
    how: str = ""
    """`done`, `raised` or `cancelled`; empty when the body never got there."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What was done to a process, or to all of them."""

    what: str
    pid: int
    begun: int
    over: int


@dataclass(frozen=True, slots=True)
class History:
    """The ledger as it was read."""

    acknowledged: dict[str, int]
    """Job id → when its enqueue first returned."""
    times: dict[str, int]
    """Job id → how often it was acknowledged; more than once where ids are used again."""
    runs: list[Run]
    faults: list[Fault]
    by_job: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for run in self.runs:
            self.by_job[run.job].append(run)


class Ledger:
    """One open file; each process has its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=OFF")  # a SIGKILL loses nothing, the kernel has it
        self._file.execute(_SCHEMA)
        self._file.execute(_INDEX)

    def acknowledge(self, jobs: Iterable[str]) -> None:
        """Record that these enqueues have returned."""
        now = time.monotonic_ns()
        rows = [("acknowledged", job, os.getpid(), now, None, None, None) for job in jobs]
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany(_INSERT, rows)
        self._file.execute("COMMIT")

    def start(self, job: str, tries: int, key: str = "") -> int:
        """Record that a body starts; return the run's id."""
        return self._write("start", job, number=tries, text=key)

    def end(self, run: int, job: str, how: str) -> None:
        """Record how a body ended."""
        self._write("end", job, run=run, text=how)

    def note(self, event: str, text: str = "", number: int | None = None) -> None:
        """Record anything else of this process."""
        self._write(event, None, number=number, text=text)

    def fault(self, what: str, pid: int = EVERY_PROCESS, *, since: int | None = None) -> None:
        """Record a fault that begun at `since` (or now) and is over now."""
        now = time.monotonic_ns()
        row = (f"fault {what}", None, pid, now, None, now if since is None else since, None)
        self._file.execute(_INSERT, row)

    def notes(self, event: str) -> list[tuple[int, int, int | None, str]]:
        """Return process, time, number and text of the notes of a kind."""
        query = "SELECT pid, ns, number, text FROM events WHERE event = ? ORDER BY id"
        return list(self._file.execute(query, (event,)))

    def count(self, event: str) -> int:
        """Return how many events of a kind there are: `start`, `end` or a note's."""
        query = "SELECT count(*) FROM events WHERE event = ?"
        return int(self._file.execute(query, (event,)).fetchone()[0])

    def first_starts(self, jobs: Collection[str]) -> dict[str, int]:
        """Return when each of these jobs first started; a few only, of those that have."""
        marks = ",".join("?" * len(jobs))
        query = (
            f"SELECT job, min(ns) FROM events WHERE event = 'start' AND job IN ({marks}) "
            "GROUP BY job"
        )
        return dict(self._file.execute(query, tuple(jobs)).fetchall())

    def read(self) -> History:
        """Return everything."""
        runs = self._file.execute(_RUNS)
        faults = self._file.execute(
            "SELECT event, pid, number, ns FROM events WHERE event LIKE 'fault %' ORDER BY ns"
        )
        acknowledged = self._file.execute(
            "SELECT job, min(ns), count(*) FROM events WHERE event = 'acknowledged' GROUP BY job"
        ).fetchall()
        return History(
            acknowledged={job: first for job, first, _ in acknowledged},
            times={job: times for job, _, times in acknowledged},
            runs=[Run(*row) for row in runs],
            faults=[Fault(*row) for row in faults],
        )

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(
        self,
        event: str,
        job: str | None,
        *,
        run: int | None = None,
        number: int | None = None,
        text: str = "",
    ) -> int:
        row = (event, job, os.getpid(), time.monotonic_ns(), run, number, text)
        inserted = self._file.execute(_INSERT, row).lastrowid
        assert inserted is not None, "an INSERT has a row id"
        return inserted
