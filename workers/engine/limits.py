"""Rate, concurrency and singleton limits of jobs, asked for between a job's claim and its start.

A rate is GCRA (the generic cell rate algorithm, ITU-T I.371) with a burst of its limit: `limit`
jobs may start at once, then one every `per / limit`, so that in any time t at most `limit + t ·
limit / per` start. Concurrency is a set of slots held by leases. Who finds no place gets one in a
line, which is in the order of first refusals and common to all workers, and the time at which to
ask again; whoever frees a place calls the next one earlier.

Whatever `acquire` answered, `free` is due once the job's outcome is written: also after a wait was
written to the queue, because a place that became free in between could not call a claimed job.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
from arq.connections import ArqRedis

from service.queue.declaration import JobType
from service.queue.entries import AGEING_MS
from service.queue.limiting import limit_name
from service.queue.scripting import SERVER_CLOCK, batches

SCRIPT = Path(__file__).with_name("scripts").joinpath("limits.lua").read_text()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `limit` starts at once, and one more every `per_ms / limit` milliseconds."""

    name: str
    limit: int
    per_ms: int


@dataclass(frozen=True, slots=True)
class Slots:
    """At most `limit` runs at a time; a job that finds them taken waits, or is skipped."""

    name: str
    limit: int
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Want:
    """A claimed job that asks to start.

    `claim` is the token of its claim, which must differ from those of its other claims: the same
    claim may ask twice and counts once.
    """

    job_id: str
    claim: str
    limits: tuple[RateLimit | Slots, ...]


@dataclass(frozen=True, slots=True)
class Go:
    """It may start, and holds its slots until `free` or until its lease ends."""


@dataclass(frozen=True, slots=True)
class Wait:
    """It may not start now; it is to be visible again at `until_ms`, a Unix time."""

    until_ms: int


@dataclass(frozen=True, slots=True)
class Skip:
    """It is not to run, because the job `holder` does."""

    holder: str


Answer = Go | Wait | Skip


class RunScript(Protocol):
    """How a script is run: its text, keys and arguments in, Redis's reply out."""

    async def __call__(self, script: str, keys: Sequence[str], args: Sequence[str | bytes]) -> Any:
        """Run it; when the reply was lost it may be sent again as it is."""


def script_runner(client: ArqRedis) -> RunScript:
    """Return what runs the script over a client's pool.

    Not over the connection that wakes a worker: a job that a freed place calls must do that.
    """

    async def run(script: str, keys: Sequence[str], args: Sequence[str | bytes]) -> Any:
        command = ("EVAL", script, len(keys), *keys, *args)
        return await client.execute_command(*command)  # type: ignore[no-untyped-call] # redis-py

    return run


class Limits:
    """The limits of one queue's jobs.

    Args:
        run: runs a script in the Redis of the queue; what it raises, every method here raises. Its
            connection must not be one that listens for writes to the queue: a job that is called
            has to wake idle workers, this one too.
        queue_key: key of the queue.
        clock: Unix milliseconds, for tests; else Redis's own clock.
    """

    def __init__(
        self, run: RunScript, queue_key: str, clock: Callable[[], int] | None = None
    ) -> None:
        self._run = run
        self._keys = (queue_key,)
        self._clock = clock

    async def acquire(self, wants: Sequence[Want], lease_ms: int) -> list[Answer]:
        """Ask whether jobs may start; answer each in the order given.

        A job gets all its limits or none. Up to 100 jobs are one script call.
        """
        answers: list[Answer] = []
        for chunk in batches(_encoded(wants)):
            replies = await self._call("acquire", lease_ms, chunk)
            answers += [_answer(*reply) for reply in replies]
        return answers

    async def renew(self, wants: Sequence[Want], lease_ms: int) -> None:
        """Extend the slots of jobs that run; whose claim is lost keeps nothing."""
        for chunk in batches(_encoded(_holding(wants))):
            await self._call("renew", lease_ms, chunk)

    async def free(self, wants: Sequence[Want]) -> None:
        """Give back the slots of jobs with an outcome, and call those whose turn it is.

        A job that holds none, or that runs again under another claim, gives nothing back.
        """
        for chunk in batches(_encoded(wants)):
            await self._call("free", 0, chunk)

    async def free_all(self, incarnation: str, job_ids: Sequence[str]) -> None:
        """Free what these jobs hold by claims of a dead worker.

        The tokens of its claims are `<incarnation>:…`; jobs that run again elsewhere keep theirs.
        """
        for chunk in batches([job_id.encode() for job_id in job_ids]):
            await self._call("free_all", 0, [incarnation.encode(), *chunk])

    async def _call(self, verb: str, lease_ms: int, args: Sequence[bytes]) -> Any:
        now = str(self._clock()) if self._clock else SERVER_CLOCK
        return await self._run(SCRIPT, self._keys, _arguments(verb, lease_ms, args, now))


def renewal(wants: Sequence[Want], lease_ms: int) -> list[str | bytes] | None:
    """Return SCRIPT's arguments that renew at most 100 jobs, or None when none of them has slots.

    For a thread that renews leases over a connection of its own; the key is the queue's.
    """
    held = _encoded(_holding(wants))
    return _arguments("renew", lease_ms, held) if held else None


def wants_of(
    job: JobType[..., Any], job_id: str, claim: str, arguments: Mapping[str, object]
) -> Want | None:
    """Return what a job must ask for before it starts, or None when it is not limited.

    `arguments` are by name, decoded; one that is missing has its default.
    """
    limits: list[RateLimit | Slots] = []
    if job.concurrency:
        name = limit_name(job, job.concurrency.key, arguments)
        limits.append(Slots(name, job.concurrency.limit, skip=job.concurrency.busy == "skip"))
    if job.rate:
        per_ms = math.ceil(job.rate.per * 1000)
        limits.append(RateLimit(limit_name(job, job.rate.key, arguments), job.rate.limit, per_ms))
    return Want(job_id, claim, tuple(limits)) if limits else None


def _arguments(
    verb: str, lease_ms: int, rest: Sequence[bytes], now: str = SERVER_CLOCK
) -> list[str | bytes]:
    return [now, verb, str(lease_ms), str(AGEING_MS), *rest]


def _holding(wants: Sequence[Want]) -> list[Want]:
    return [want for want in wants if any(isinstance(limit, Slots) for limit in want.limits)]


def _encoded(wants: Sequence[Want]) -> list[bytes]:
    return [msgspec.json.encode(want) for want in wants]


def _answer(code: int, value: int | str | bytes) -> Answer:
    if code == 0:
        return Go()
    if code == 1:
        return Wait(int(value))
    return Skip(value.decode() if isinstance(value, bytes) else str(value))
