"""Replies about workers."""

from datetime import datetime
from typing import Literal

from service.schema import Reply


class RunningOut(Reply):
    """A job that a worker runs."""

    id: str
    name: str
    started_at: datetime
    tries: int


class WorkerOut(Reply):
    """How a worker was when it was seen last, within the last seconds if it lives.

    A process that serves several queues is a worker for each of them, all of one name.
    """

    name: str
    """Host and process id, as the history names it."""
    host: str
    pid: int
    queue: str
    state: Literal["running", "quiet", "offline"]
    """`quiet`: it claims nothing, since it was told so or stops. `offline`: nothing was heard of it
    for 40 s; all else is as it was then."""
    started_at: datetime
    seen_at: datetime
    open: int
    """Jobs that it runs at a time now; it may open `most`."""
    most: int
    running: list[RunningOut]
    """Of the first 100 those that the caller may see; a job appears in its second second."""
    busy: int
    """Jobs that it holds, all of them."""
    done: int
    """Runs since its start that succeeded; `failed`: those that ended otherwise for good."""
    failed: int
    retried: int
    memory_mib: float
    loop_lag_ms: float
    """How late its event loop was lately, at the most."""
    lease: Literal["held", "lost"]
    """`lost` while it still runs a job whose lease is another worker's by now."""
    leases_lost: int
    functions: list[str]
    """Names of the jobs that it can run."""
    load_average: list[float]
    """Of its machine, over 1, 5 and 15 minutes; empty where the system does not say."""
    incarnation: str
    """Signs its claims."""


class WorkerList(Reply):
    """Workers by name, those of the last day that did not stop by themselves."""

    items: list[WorkerOut]
    next_cursor: None = None
    """There is one page."""


class AnswerOut(Reply):
    """What a worker says to a command."""

    worker: str
    said: Literal["pong", "quiet", "running", "stopping"]
    """Its new state, if it is no ping; one that stops says so to everything."""
    loop_lag_ms: float
    busy: int
    """Jobs that it runs."""


class Pool(Reply):
    """Room for running jobs."""

    open: int
    most: int
    busy: int
    processes: list[int]


class WorkerStat(Reply):
    """A worker as Celery describes one; the queues of a process together."""

    status: Literal["running", "quiet", "offline"]
    total_tasks: dict[str, int]
    """Runs since its start: `succeeded`, `failed`, `retried` and `all`."""
    pool: Pool
    uptime: int
    """Seconds, until it was seen last."""
    load_avg: list[float]
    registered_tasks: list[str]
    queues: list[str]


class WorkerStats(Reply):
    """All workers, for those who come from Celery."""

    timestamp: datetime
    workers: dict[str, WorkerStat]
