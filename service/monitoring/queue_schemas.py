"""Requests and replies about queues."""

from datetime import datetime

from pydantic import Field

from service.schema import Reply, Schema


class PercentilesOut(Reply):
    """Seconds that half of the jobs, and 95 % of them, stay below."""

    p50: float
    p95: float


class QueueOut(Reply):
    """One queue as it is now."""

    name: str
    depth: int
    """Ids in the queue, as Redis counts them: ready, running and deferred ones."""
    ready: int
    """Jobs that are due and run nowhere."""
    running: int
    deferred: int
    """Jobs whose time is still to come, those between two tries included."""
    dead: int
    """Jobs that are not tried again by themselves, wherever they are kept."""
    oldest_age: float
    """Seconds since the first ready job was due."""
    rate: float
    """Runs that ended, per minute, over the last hour or the last 1,000 runs."""
    wait: PercentilesOut | None
    """From the sending of a job to its first start, a planned delay included; of those runs."""
    duration: PercentilesOut | None
    workers: int
    paused: bool
    problem: str | None
    """What keeps its jobs from running, in words."""


class ServerOut(Reply):
    """The server that holds the queues."""

    name: str
    """`valkey` or `redis`."""
    version: str
    used_memory: int
    """Bytes."""
    max_memory: int
    """Bytes; 0 is no limit."""
    policy: str
    """What it does when memory is full; anything but `noeviction` may lose jobs."""
    clients: int
    uptime: int
    """Seconds."""


class QueueList(Reply):
    """All queues, by name."""

    items: list[QueueOut]
    next_cursor: None = None
    """There is one page."""
    server: ServerOut


class PausedOut(Reply):
    """A queue after it was paused or resumed."""

    name: str
    paused: bool


class PurgeIn(Schema):
    """What is to be purged."""

    confirm: str | None = Field(None, max_length=100)
    """The name of the queue, once more; or `?yes=true` instead."""
    cancel_owners: bool = False
    """Whether what jobs belong to (posts, durable jobs) is cancelled, and the jobs with it."""


class PurgedOut(Reply):
    """What became of the jobs of a purged queue, in numbers."""

    removed: int
    kept_owned: int
    """Jobs that belong to a row, and were left to it."""
    running_left: int


class ScaleOut(Reply):
    """How much there is to do, for an autoscaler."""

    value: int
    """Jobs that are ready or run."""


class TaskCounts(Reply):
    """Jobs as Celery counts tasks."""

    active: int
    """They run."""
    scheduled: int
    """Their time is still to come."""
    reserved: int
    """They are due and wait for a worker."""
    pending: int
    """All that wait: scheduled and reserved."""


class QueueStatus(Reply):
    """All queues, for those who come from Celery."""

    timestamp: datetime
    workers: list[str]
    """Names of those that live."""
    queues: dict[str, TaskCounts]
    total_tasks: TaskCounts
