"""What can be measured of an installation at one instant, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from service.queue.backlog import Backlog
from service.queue.consuming import free, reason
from service.queue.presence import WorkerView

USERS = "(users)"
"""Stands for all schedules of people: their names are theirs, and there may be many."""


@dataclass(frozen=True, slots=True)
class QueueMeasures:
    """One queue in Redis.

    Attributes:
        name: without prefix.
        backlog: what it holds.
        workers: how many live workers serve it.
        expected: whether anybody should: it has jobs, or something waits in it.
        outcomes: runs by what came of them, since Redis was new; `crashed` are claims that ended
            without an outcome, `stale` outcomes that came too late.
    """

    name: str
    backlog: Backlog
    workers: int
    expected: bool
    outcomes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RedisMeasures:
    """Redis: its queues and workers, and the server itself.

    Attributes:
        workers: of the last day, also those that are offline.
        memory: bytes in use.
        memory_limit: bytes; 0 for none.
        unrecorded_since: Unix time of the first event that is not in the history; None if all are,
            or where PostgreSQL does not tell which are.
    """

    queues: Sequence[QueueMeasures]
    workers: Sequence[WorkerView]
    version: str
    memory: int
    memory_limit: int
    policy: str
    unrecorded_since: float | None

    def free(self, queue: str) -> list[str]:
        """Return the workers of a queue that could start a job now."""
        return free(queue, self.workers)

    def unserved(self, queue: QueueMeasures) -> str | None:
        """Return why a queue with jobs is not served; None if it is, or is paused."""
        if not queue.expected or queue.backlog.paused:
            return None
        return reason(queue.backlog, queue.workers, self.workers)


@dataclass(frozen=True, slots=True)
class ScheduleMeasures:
    """A rule of the code, or `USERS`; paused ones are left out.

    Attributes:
        missed: ticks of the last hour that did not fire, though they should have.
    """

    name: str
    last_at: datetime | None
    next_at: datetime
    missed: int


@dataclass(frozen=True, slots=True)
class HealthResult:
    """What the health job found last.

    Attributes:
        at: when or, before the first, since when it is planned.
        stride: how many times more seldom than planned the rule ticks.
        failing: checks that did not pass, by name, with what is wrong; none of a result so old that
            there should be another.
    """

    at: datetime
    stride: int
    failing: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RowMeasures:
    """PostgreSQL.

    Attributes:
        open_jobs: durable jobs that have not ended, by state.
        overdue_jobs: those that are due for a minute or more, and held by nobody.
        dead_jobs: dead jobs by the name of their queue, of durable ones the declared queue.
        schedules: what ticks.
        heartbeat: seconds since anybody looked for ticks; None if nobody ever did.
        lost_events: batches of runs that are missing in the history, by queue.
        backup_at: the last good backup or, before the first, since when backups are planned; None
            where they are not.
        health: None where the health job is not planned.
    """

    open_jobs: Mapping[str, int]
    overdue_jobs: int
    dead_jobs: Mapping[str, int]
    schedules: Sequence[ScheduleMeasures]
    heartbeat: float | None
    lost_events: Mapping[str, int]
    backup_at: datetime | None
    health: HealthResult | None


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything; what does not answer is None."""

    at: datetime
    redis: RedisMeasures | None
    rows: RowMeasures | None
