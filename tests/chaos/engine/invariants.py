"""Judge a scenario afterwards: the ledger against what Redis has kept.

I1 nothing acknowledged is lost. I2 one terminal outcome. I3 no more runs than faults explain.
I4 no stale finish counts. I5 nothing is left over. I6 tries within the policy. I7 limits hold.
I8 a dead worker's jobs start again in time. I9 an idle worker picks up in time.
"""

import itertools
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import quantiles

from arq.constants import result_key_prefix
from redis.asyncio import Redis

from tests.chaos.engine.ledger import EVERY_PROCESS, Fault, History, Ledger, Run

SECOND = 1_000_000_000
FINISH_MARGIN = SECOND // 4
"""A run that ended this shortly before the fault may not have been reported to Redis yet."""
CHUNK = 1000
KEPT = ("counts", "events", "call:", "gone:", "health", "worker:", "dead", "cursor", "epoch")
"""What may stay beside an empty queue, after its key and a colon."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the history shows; lists hold the ids or keys that are wrong."""

    acknowledged: int
    runs: int
    hit: int
    """Runs that a fault met."""
    lost: list[str]
    """Acknowledged, with neither a result nor a dead job."""
    not_done: list[str]
    """Acknowledged, and no body ever came to its end."""
    doubled: list[str]
    """Ran more often than faults and failures explain."""
    ran_again: int
    """Jobs with more than one run, whatever the reason."""
    finished_twice: list[str]
    """With more accepted terminal outcomes than acknowledgements."""
    left_over: list[str]
    most_tries: int
    """Runs of one job that raised."""
    most_at_once: int
    """Runs of one key at a time."""
    overlap: float
    """Seconds that two runs of one job were alive together, at worst."""
    restart: float
    """Seconds from a worker's death to the next start of what it ran, at worst."""
    pickup: list[float]
    """Milliseconds from the acknowledgement to the first start, in order."""

    def percentile(self, percent: int) -> float:
        """Return a percentile of the pick-up in milliseconds."""
        return quantiles(self.pickup, n=100)[percent - 1] if len(self.pickup) > 1 else 0.0


async def check(ledger: Ledger, redis: Redis, queue: str) -> Facts:
    """Read both sides and compare them; the queue must have come to rest.

    Args:
        ledger: what happened.
        redis: a plain connection to the server.
        queue: the queue's key.
    """
    history = ledger.read()
    hits = {run.id: fault for run in history.runs if (fault := hit_by(run, history.faults))}
    return Facts(
        acknowledged=len(history.acknowledged),
        runs=len(history.runs),
        hit=len(hits),
        lost=await _lost(redis, queue, history.acknowledged),
        not_done=[job for job in history.acknowledged if not _done(history.by_job.get(job, []))],
        doubled=[
            job
            for job, runs in history.by_job.items()
            if _unexplained(runs, hits) > history.times.get(job, 1)
        ],
        ran_again=sum(len(runs) > 1 for runs in history.by_job.values()),
        finished_twice=[
            job
            for job, times in Counter(await terminal_events(redis, queue)).items()
            if times > history.times.get(job, 1)
        ],
        left_over=await left_over(redis, queue),
        most_tries=max((_raised(runs) for runs in history.by_job.values()), default=0),
        most_at_once=_most_at_once(history, hits),
        overlap=max((_overlap(runs, hits) for runs in history.by_job.values()), default=0.0),
        restart=max(_restarts(history, hits), default=0.0),
        pickup=_pickups(history),
    )


def hit_by(run: Run, faults: Iterable[Fault]) -> Fault | None:
    """Return the first fault that met a run."""
    for fault in faults:
        met = fault.pid in (EVERY_PROCESS, run.pid) and run.started <= fault.over
        if met and (run.ended is None or run.ended >= fault.begun - FINISH_MARGIN):
            return fault
    return None


def _done(runs: list[Run]) -> bool:
    return any(run.how == "done" for run in runs)


def _raised(runs: list[Run]) -> int:
    return sum(run.how == "raised" for run in runs)


def _unexplained(runs: list[Run], hits: dict[int, Fault]) -> int:
    """Count the runs that neither a fault met nor an error ended."""
    return sum(run.id not in hits and run.how != "raised" for run in runs)


def _end(run: Run, hits: dict[int, Fault]) -> int:
    """When a run was over; a killed one when its process died."""
    if run.ended is not None:
        return run.ended
    return hits[run.id].over if run.id in hits else run.started


def _overlap(runs: list[Run], hits: dict[int, Fault]) -> float:
    pairs = itertools.pairwise(runs)
    return max((_end(a, hits) - b.started for a, b in pairs), default=0) / SECOND


def _most_at_once(history: History, hits: dict[int, Fault]) -> int:
    worst = 0
    for key in {run.key for run in history.runs if run.key}:
        runs = [run for run in history.runs if run.key == key]
        steps = sorted([(run.started, 1) for run in runs] + [(_end(run, hits), -1) for run in runs])
        now = 0
        for _, step in steps:
            now += step
            worst = max(worst, now)
    return worst


def _restarts(history: History, hits: dict[int, Fault]) -> Iterable[float]:
    for runs in history.by_job.values():
        for before, after in itertools.pairwise(runs):
            fault = hits.get(before.id)
            if before.ended is None and fault is not None:
                yield (after.started - fault.over) / SECOND


def _pickups(history: History) -> list[float]:
    firsts = ((runs[0].started, job) for job, runs in history.by_job.items())
    return sorted(
        (started - history.acknowledged[job]) / 1e6
        for started, job in firsts
        if job in history.acknowledged
    )


async def _lost(redis: Redis, queue: str, acknowledged: Iterable[str]) -> list[str]:
    """Return the ids that have neither a result nor a dead job."""
    lost, ids = [], list(acknowledged)
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        async with redis.pipeline(transaction=False) as pipe:
            for job in chunk:
                pipe.exists(result_key_prefix + job)
                pipe.zscore(f"{queue}:dead", job)
            replies = await pipe.execute()
        for job, result, dead in zip(chunk, replies[::2], replies[1::2], strict=True):
            if not result and dead is None:
                lost.append(job)
    return lost


async def terminal_events(redis: Redis, queue: str) -> list[str]:
    """Return the id of each accepted terminal outcome, in order."""
    entries: list[tuple[bytes, dict[bytes, bytes]]] = await redis.xrange(f"{queue}:events")
    ends = (pair for _, fields in entries for pair in fields.items() if pair[0])
    return [job.decode() for job, end in ends if json.loads(end)["s"] is not None]


async def left_over(redis: Redis, queue: str) -> list[str]:
    """Return the keys that a queue at rest must not have."""
    keys = [key.decode() async for key in redis.scan_iter(count=CHUNK)]
    dead = {job.decode() for job in await redis.zrange(f"{queue}:dead", 0, -1)}
    return [key for key in keys if not _may_stay(key, queue, dead)]


def _may_stay(key: str, queue: str, dead: set[str]) -> bool:
    if key.startswith(result_key_prefix):
        return True
    if key.startswith(f"{queue}:attempts:"):
        return key.removeprefix(f"{queue}:attempts:") in dead
    if key.startswith(f"{queue}:"):
        return key.removeprefix(f"{queue}:").startswith(KEPT)
    return key.startswith(("almanac:epoch", "almanac:unique:", "almanac:workers:seen"))
