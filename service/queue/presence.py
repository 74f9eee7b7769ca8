"""Workers as they are seen: each tells every few seconds how it is, and is missed when it does not.

A worker serves one queue; a process that serves several has a worker, and an entry here, for each,
all of one name. One key says when each was seen last, and one of each worker what it said then.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Protocol

import msgspec
from arq.connections import ArqRedis

from service.queue.instants import from_ms, to_ms

WORKERS = "almanac:workers:seen"
"""Sorted set: the key of a worker's status → Unix ms at which it was seen last."""
EVERY = 15.0
"""Seconds between two signs of life."""
TOLD_EVERY = 60.0
"""Seconds after which a worker tells of itself although nothing has changed."""
OFFLINE_AFTER = 40.0
"""Seconds without a sign of life after which a worker is taken for dead."""
KEPT = 86_400
"""Seconds for which a dead worker is remembered."""
MOST_SHOWN = 100
"""Running jobs that a worker names, the oldest ones."""
_STATUS = ":worker:"
_CONTROL = ":control:"
_PREFIX = "almanac:"

State = Literal["running", "quiet", "offline"]


class RunningJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that a worker runs."""

    id: str
    name: str
    started_at: datetime
    tries: int
    """Runs begun, this one included."""
    actor: str | None = None
    """Who asked for it."""


class WorkerView(msgspec.Struct, frozen=True, kw_only=True):
    """How a worker was when it was seen last. Instants are UTC, by the clock of Redis."""

    name: str
    """Host and process id, as in the history; one for all queues of a process."""
    host: str
    pid: int
    queue: str
    """Name of the queue: its key without `almanac:`."""
    state: State
    """`quiet`: it claims nothing, since it was told so or stops. `offline`: nothing was heard of it
    for `OFFLINE_AFTER`; all else is as it was then."""
    started_at: datetime
    seen_at: datetime
    open: int
    """Jobs that it runs at a time now; a range may open `most`."""
    most: int
    running: list[RunningJob]
    """At most `MOST_SHOWN`, the oldest first; a job appears in its second second."""
    busy: int
    """Jobs that it holds, all of them."""
    done: int
    """Runs since its start that succeeded; `failed` those that ended otherwise for good."""
    failed: int
    retried: int
    memory_mib: float
    loop_lag_ms: float
    lease: Literal["held", "lost"]
    """`lost` while it still runs a job whose lease is another worker's by now."""
    leases_lost: int
    lease_s: float
    """Seconds for which it holds a job without a sign of life."""
    functions: list[str]
    """Names of the jobs that it can run."""
    load_average: list[float]
    """Of its machine, over 1, 5 and 15 minutes; empty where the system does not say."""
    incarnation: str
    """Signs its claims."""


class _Pipe(Protocol):
    def set(self, name: str, value: bytes, *, px: int) -> object: ...
    def zadd(self, name: str, mapping: dict[str, float]) -> object: ...


class Address(NamedTuple):
    """Where a worker is found: the key of its queue, and the name of its process."""

    queue: str
    name: str

    @property
    def status(self) -> str:
        """The key of its status."""
        return f"{self.queue}{_STATUS}{self.name}"

    @property
    def control(self) -> str:
        """The key of the list of commands for it."""
        return f"{self.queue}{_CONTROL}{self.name}"

    @classmethod
    def of(cls, status: bytes) -> "Address":
        """Return whose key of a status this is."""
        queue, _, name = status.decode(errors="replace").partition(_STATUS)
        return cls(queue, name)


def tell(pipe: _Pipe, address: Address, view: WorkerView) -> None:
    """Add to a pipeline how a worker is."""
    pipe.set(address.status, msgspec.json.encode(view), px=KEPT * 1000)
    beat(pipe, address, view.seen_at)


def beat(pipe: _Pipe, address: Address, seen_at: datetime) -> None:
    """Add to a pipeline that a worker lives; the reply is 1 if nobody knew of it."""
    pipe.zadd(WORKERS, {address.status: to_ms(seen_at)})


async def forget(client: ArqRedis, address: Address) -> None:
    """Remove a worker that has stopped, and those that were seen last before `KEPT`."""
    seconds, _ = await client.time()
    async with client.pipeline(transaction=False) as pipe:
        pipe.delete(address.status, address.control)
        pipe.zrem(WORKERS, address.status)
        pipe.zremrangebyscore(WORKERS, "-inf", (seconds - KEPT) * 1000)
        await pipe.execute()


async def alive(client: ArqRedis, *, now: datetime | None = None) -> list[Address]:
    """Return which workers have been heard of lately; `now` replaces the clock of Redis."""
    since = to_ms(await _time(client, now)) - OFFLINE_AFTER * 1000
    return [Address.of(key) for key in await client.zrangebyscore(WORKERS, since, "+inf")]


async def workers(client: ArqRedis, *, now: datetime | None = None) -> list[WorkerView]:
    """Return all workers of the last day that have not said that they stop, by name and queue.

    Three round trips. A stock arq worker tells nothing of itself; `service.queue.backlog.living`
    counts those too. `now` replaces the clock of Redis. Raises redis-py's errors.
    """
    moment = await _time(client, now)
    since = to_ms(moment) - KEPT * 1000
    seen = await client.zrangebyscore(WORKERS, since, "+inf", withscores=True)
    told = await client.mget([key for key, _ in seen]) if seen else []
    views = (_read(text, ms, moment) for text, (_, ms) in zip(told, seen, strict=True))
    found = [view for view in views if view is not None]
    return sorted(found, key=lambda view: (view.name, view.queue))


async def worker(
    client: ArqRedis, name: str, *, now: datetime | None = None
) -> Sequence[WorkerView]:
    """Return the workers of this name, one for each queue of its process; none if it is unknown."""
    return [view for view in await workers(client, now=now) if view.name == name]


def queue_name(key: str) -> str:
    """Return what a queue is called, whose key is given."""
    return key.removeprefix(_PREFIX)


def _read(text: bytes | None, seen_ms: float, now: datetime) -> WorkerView | None:
    if text is None:
        return None
    try:
        view = msgspec.json.decode(text, type=WorkerView)
    except msgspec.ValidationError:  # of another release
        return None
    seen_at = max(from_ms(int(seen_ms)), view.seen_at)
    gone = (now - seen_at).total_seconds() > OFFLINE_AFTER
    return msgspec.structs.replace(view, seen_at=seen_at, state="offline" if gone else view.state)


async def _time(client: ArqRedis, now: datetime | None) -> datetime:
    if now is not None:
        return now
    seconds, microseconds = await client.time()
    return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)
