"""Workers as people think of them: one process with its queues, and how it is in words."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from service.dashboard.formats import duration
from service.dashboard.operations.wording import Words, count
from service.kit.clock import now
from service.monitoring.worker_schemas import RunningOut, WorkerOut
from service.queue.backlog import Backlog
from service.queue.consuming import PATIENCE
from service.queue.presence import EVERY, queue_name

LATE = 2 * EVERY
"""Seconds without a sign of life that are worth a word."""
LAGGING = 1000.0
"""Milliseconds that an event loop is late by when its jobs feel it."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process that runs jobs; it has a worker for each of its queues."""

    workers: Sequence[WorkerOut]
    idle: Sequence[str]
    """Queues of which it has a free slot, while a job of them has been due for long."""

    @property
    def first(self) -> WorkerOut:
        """One of its workers: what they say of the process is the same."""
        return self.workers[0]

    @property
    def name(self) -> str:
        """Host and process id."""
        return self.first.name

    @property
    def alive(self) -> bool:
        """Whether it was heard of lately."""
        return any(worker.state != "offline" for worker in self.workers)

    @property
    def seen_at(self) -> datetime:
        """When it was heard of last."""
        return max(worker.seen_at for worker in self.workers)

    @property
    def queues(self) -> list[str]:
        """The names of its queues."""
        return [worker.queue for worker in self.workers]

    @property
    def running(self) -> list[RunningOut]:
        """The jobs that it runs, as far as they are told of, the oldest first."""
        found = [job for worker in self.workers for job in worker.running]
        return sorted(found, key=lambda job: job.started_at)

    @property
    def busy(self) -> int:
        """Jobs that it holds."""
        return sum(worker.busy for worker in self.workers)

    @property
    def slots(self) -> int:
        """Jobs that it may run at a time now."""
        return sum(worker.open for worker in self.workers)

    @property
    def done(self) -> int:
        """Runs since its start that succeeded; likewise `failed` and `retried`."""
        return sum(worker.done for worker in self.workers)

    @property
    def failed(self) -> int:
        """Runs that failed for good."""
        return sum(worker.failed for worker in self.workers)

    @property
    def retried(self) -> int:
        """Runs that failed and were tried again."""
        return sum(worker.retried for worker in self.workers)

    @property
    def rate(self) -> float:
        """Runs that ended per minute of its life."""
        minutes = max((self.seen_at - self.first.started_at).total_seconds(), 60) / 60
        return (self.done + self.failed + self.retried) / minutes

    @property
    def uptime(self) -> float:
        """Seconds since its start, as long as it was heard of."""
        end = now() if self.alive else self.seen_at
        return (end - self.first.started_at).total_seconds()

    @property
    def memory(self) -> float:
        """Bytes."""
        return self.first.memory_mib * 2**20

    @property
    def lag(self) -> float:
        """Seconds by which its event loop was late, at the most."""
        return max(worker.loop_lag_ms for worker in self.workers) / 1000

    @property
    def functions(self) -> list[str]:
        """Names of the jobs that it can run."""
        return sorted({name for worker in self.workers for name in worker.functions})

    @property
    def is_quiet(self) -> bool:
        """Whether it was told to claim nothing, or stops."""
        return all(worker.state == "quiet" for worker in self.workers)

    @property
    def words(self) -> Words:
        """How it is, the worst first."""
        silent = (now() - self.seen_at).total_seconds()
        if not self.alive:
            return Words("down", f"Dead: not heard of for {duration(round(silent))}")
        if any(worker.lease == "lost" for worker in self.workers):
            return Words("down", "Runs a job that another worker has taken over")
        if self.idle:
            which = " and ".join(self.idle)
            return Words("down", f"Not consuming {which}, though a slot is free")
        if silent > LATE:
            return Words("held", f"Late: not heard of for {duration(round(silent))}")
        if self.is_quiet:
            return Words("held", "Quiet: takes no new jobs")
        if self.lag * 1000 > LAGGING:
            return Words("held", f"Its event loop is late by {duration(self.lag)}")
        if self.busy:
            return Words("running", f"Runs {count(self.busy, 'job')}")
        return Words("ok", "Listens")


def processes(workers: Iterable[WorkerOut], backlogs: Iterable[Backlog]) -> list[Process]:
    """Return the processes of these workers, the living first, then by name.

    Args:
        workers: of any queues.
        backlogs: of the queues that they serve.
    """
    late = {queue_name(q.queue) for q in backlogs if q.oldest > PATIENCE and not q.paused}
    by_name = sorted(workers, key=lambda worker: (worker.name, worker.queue))
    found = [
        Process(each, [w.queue for w in each if w.queue in late and _is_free(w)])
        for each in (list(group) for _, group in groupby(by_name, lambda worker: worker.name))
    ]
    return sorted(found, key=lambda process: (not process.alive, process.name))


def _is_free(worker: WorkerOut) -> bool:
    return worker.state == "running" and worker.busy < worker.open
