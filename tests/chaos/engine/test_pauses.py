"""Workers that stand still or live in another time: R3, R4, R14."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta

import msgspec
import time_machine

from service.queue import inspect
from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import KEY, Site, scenario

AHEAD = 300.0
"""Seconds by which the clocks of workers are wrong."""


@scenario(
    "R3",
    "SIGSTOP of a worker for two leases, then SIGCONT",
    "stale finishes accepted 0; another worker's result stays; the job runs again in time",
)
async def test_stopped_worker(site: Site) -> None:
    """T047: a worker that wakes up late learns that it has lost its jobs."""
    (sleeper,) = await site.fleet.start()
    ids = await site.send(jobs.work(seconds=0.6 * site.lease) for _ in range(5))
    await site.counted("start", 5)
    begun = time.monotonic_ns()
    sleeper.send(signal.SIGSTOP)
    await site.fleet.start()
    await asyncio.sleep(2 * site.lease)
    await site.drained(site.lease * 2 + 5)
    before = await results(site, ids)
    sleeper.send(signal.SIGCONT)
    site.ledger.fault("stop", sleeper.pid, since=begun)
    await asyncio.sleep(site.pick(0.7, 3))
    await site.judge()
    after = await results(site, ids)
    stale = [job for job in ids if before[job] is not None and after[job] != before[job]]
    site.findings.none("stale finishes accepted", stale)
    runs = site.ledger.read().by_job
    late = max((runs[job][1].started - begun) / 1e9 for job in ids if len(runs[job]) > 1)
    site.findings.at_most("taken over s", late, site.lease + 1)


@scenario(
    "R4",
    "a job blocks the event loop for three leases, another worker is idle",
    "runs per job 1; the block is logged",
)
async def test_blocked_loop(site: Site) -> None:
    """A blocked loop does not lose the lease, and is told of."""
    members = await site.fleet.start(2)
    await site.send([jobs.work(seconds=0.2) for _ in range(4)])
    await site.send([jobs.block(seconds=3 * site.lease)])
    await site.drained(3 * site.lease + 10)
    facts = await site.judge()
    site.findings.exactly("hit", facts.hit, 0)
    site.findings.exactly("runs", facts.runs, facts.acknowledged)
    stalls = [number for _, _, number, _ in site.ledger.notes("stall")]
    site.findings.figure("stall ms", max((n for n in stalls if n), default=0))
    site.findings.exactly(
        "block logged", site.logged("event loop is blocked", members) > 0, wanted=True
    )


@scenario(
    "R14",
    "workers' clocks 5 min ahead and behind, one set back 1 h; a client's 5 min behind and ahead",
    "early reclaims 0; early starts 0; a client's skew shifts its own jobs only",
)
async def test_wrong_clocks(site: Site) -> None:
    """Leases and due times follow the server's clock."""
    ahead, behind = [(await site.fleet.start(skew=skew))[0] for skew in (AHEAD, -AHEAD)]
    soon = datetime.now(UTC) + timedelta(seconds=site.pick(1.0, 5))
    deferred = await site.send(jobs.work().deferred(until=soon) for _ in range(10))
    await site.send(jobs.work(seconds=1.6 * site.lease) for _ in range(10))
    await site.counted("start", 5)
    ahead.send(signal.SIGUSR2)
    early = await skewed_send(site, -AHEAD, "early")
    late = await skewed_send(site, site.pick(1.5, 5), "late")
    await site.drained(3 * site.lease + 10)
    facts = await site.judge()
    site.findings.exactly("runs", facts.runs, facts.acknowledged)
    offset = time.time() - time.monotonic()
    starts = {job: runs[0].started / 1e9 for job, runs in site.ledger.read().by_job.items()}
    margins = [starts[job] + offset - soon.timestamp() for job in deferred]
    site.findings.exactly("early starts", sum(margin < 0 for margin in margins), 0)
    site.findings.at_most("late s", max(margins), 1.0)
    acknowledged = site.ledger.read().acknowledged
    shifts = {name: starts[name] - acknowledged[name] / 1e9 for name in (early, late)}
    site.findings.at_most("client behind s", shifts[early], 1.0)
    site.findings.at_most("client ahead s", shifts[late], site.pick(1.5, 5) + 1.0)
    site.findings.none("workers ended", [m.output for m in (ahead, behind) if not m.running])


async def skewed_send(site: Site, skew: float, name: str) -> str:
    """Send a job for now from a client whose wall clock is wrong; return its id."""
    with time_machine.travel(datetime.now(UTC) + timedelta(seconds=skew), tick=True):
        call = msgspec.structs.replace(jobs.work(), job_id=name)
        jobs_sent = await site.client.enqueue_many([call])
    assert jobs_sent[0] is not None, "a new id is accepted"
    site.ledger.acknowledge([name])
    return name


async def results(site: Site, ids: list[str]) -> dict[str, object]:
    """Return the results of jobs; None where there is none."""
    views = [await inspect(site.client, job, queue=KEY) for job in ids]
    return {job: view and view.result for job, view in zip(ids, views, strict=True)}
