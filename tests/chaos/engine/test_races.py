"""Everybody at once: R23, R24, R25, R26."""

import asyncio
import random
import signal
import time
from collections import Counter

from arq.connections import ArqRedis
from arq.jobs import Job
from arq.worker import JobExecutionFailed
from redis.asyncio import ConnectionPool

from service.queue import JobState, cancel, connect, inspect
from service.queue.codec import deserialize, serialize
from tests.chaos.engine import jobs
from tests.chaos.engine.ledger import Run
from tests.chaos.engine.scenario import KEY, Site, scenario

CLIENTS = 20
STUBBORN = ("swallow", "shield", "thread")


@scenario(
    "R23",
    "200 clients enqueue the same id, or the same unique key, while it runs and ends",
    "accepted 1 of each; runs 1 of each; left over 0",
)
async def test_duplicate_enqueue(site: Site) -> None:
    """One of many equal enqueues is accepted, whatever the job does meanwhile."""
    await site.fleet.start()
    clients = [connect(site.valkey.url) for _ in range(CLIENTS)]
    rounds, accepted = site.many(10, 100), Counter[str]()

    async def attempt(number: int, client: int) -> None:
        await asyncio.sleep(random.Random(client).random() * 0.03)
        same_id = jobs.work(seconds=0.005).deferred(job_id=f"same{number}")
        if await clients[client % CLIENTS].enqueue(same_id) is not None:
            accepted[f"same{number}"] += 1
        same_key = jobs.work(seconds=0.005).unique(60, key=f"key{number}")
        if await clients[client % CLIENTS].enqueue(same_key) is not None:
            accepted[f"key{number}"] += 1

    for number in range(rounds):
        await asyncio.gather(*(attempt(number, client) for client in range(site.many(60, 200))))
    await asyncio.gather(*(client.aclose() for client in clients))
    site.ledger.acknowledge(f"same{number}" for number in range(rounds))
    await site.drained()
    facts = await site.judge()
    wrong = [f"{name}: {times}" for name, times in accepted.items() if times != 1]
    site.findings.none("not accepted once", wrong)
    site.findings.exactly("runs", facts.runs, 2 * rounds)


@scenario(
    "R24",
    "cancel at any moment, by us and by arq's abort; then the same id again",
    "one terminal state each; the second life is never killed; marks left 0",
)
async def test_cancel_races(site: Site) -> None:
    """A cancelled job ends once, and its mark does not reach the next job of its id."""
    await site.fleet.start(2)
    pool = ConnectionPool.from_url(site.valkey.url)
    stock = ArqRedis(pool, serialize, deserialize, KEY)
    chosen, count = random.Random(3), site.many(100, 1000)
    moments = [chosen.random() * 0.06 for _ in range(count)]

    async def one(number: int) -> str:
        job_id = f"c{number}"
        await site.send([jobs.work(seconds=0.03).deferred(job_id=job_id)])
        await asyncio.sleep(moments[number])
        if number % 2:
            await cancel(site.client, job_id)
        else:
            try:
                await Job(job_id, stock, KEY, deserialize).abort(timeout=10, poll_delay=0.02)
            except JobExecutionFailed as error:
                raised.append(f"{job_id}: {error}")
        return job_id

    ids: list[str] = []
    raised: list[str] = []
    for start in range(0, count, 20):
        ids += await asyncio.gather(*(one(n) for n in range(start, min(start + 20, count))))
    site.findings.exactly(
        "cancel of an unknown id", await cancel(site.client, "never"), wanted=False
    )
    await site.drained()
    states = await _states(site, ids)
    site.findings.figure("cancelled", states[JobState.CANCELLED])
    site.findings.figure("succeeded", states[JobState.SUCCEEDED])
    ended = states[JobState.CANCELLED] + states[JobState.SUCCEEDED]
    site.findings.exactly("ended", ended, count)
    await site.client.requeue_many(jobs.work().deferred(job_id=job) for job in ids)
    site.ledger.acknowledge(ids)
    await site.drained()
    second = await _states(site, ids)
    site.findings.exactly("second lives that succeed", second[JobState.SUCCEEDED], count)
    await pool.aclose()
    cancelled_runs = [run for run in site.ledger.read().runs if run.how == "cancelled"]
    site.findings.figure("cancelled while running", len(cancelled_runs))
    await site.judge()


async def _states(site: Site, ids: list[str]) -> Counter[JobState]:
    views = [await inspect(site.client, job, queue=KEY) for job in ids]
    return Counter(view.state for view in views if view is not None)


def at_once(runs: list[Run]) -> int:
    """Return how many of these runs were alive together, at most."""
    steps = sorted([(r.started, 1) for r in runs] + [(r.ended or r.started, -1) for r in runs])
    now = worst = 0
    for _, step in steps:
        now += step
        worst = max(worst, now)
    return worst


@scenario(
    "R25",
    "jobs that swallow the cancellation, shield, or block in a thread beyond their time limit",
    "all terminal; afterwards every slot is free",
)
async def test_stubborn_jobs(site: Site) -> None:
    """A job that does not stop at its time limit costs no slot for ever."""
    slots = 3
    await site.fleet.start(slots=slots)
    ids = await site.send(
        jobs.stubborn(way=way, seconds=1.5).deferred(job_id=way) for way in STUBBORN
    )
    await site.drained(10)
    after = await site.send(jobs.work(seconds=0.1) for _ in range(4 * slots))
    await site.drained(10)
    await asyncio.sleep(0.2)
    await site.judge(undone=ids)
    states = await _states(site, ids)
    # Who swallows the cancellation and returns has succeeded, as in arq.
    site.findings.exactly("failed", states[JobState.FAILED], len(ids) - 1)
    site.findings.exactly("succeeded", states[JobState.SUCCEEDED], 1)
    history = site.ledger.read()
    site.findings.exactly("slots used", at_once([history.by_job[j][0] for j in after]), slots)


@scenario(
    "R26",
    "SIGTERM with a grace shorter and longer than the jobs, and twice",
    "others start them < 1 s after the grace; no try is used; exit 0",
    lease=(2.0, 10.0),
)
async def test_told_to_stop(site: Site) -> None:
    """A worker that is told to stop finishes what it can and hands over the rest at once."""
    for name, grace, seconds, twice in (
        ("short", 0, 4.0, False),  # longer than another worker takes to start
        ("long", 5, 0.6, False),
        ("twice", 5, 4.0, True),
    ):
        (leaving,) = await site.fleet.start(slots=5, grace=grace)
        before = site.ledger.count("start")
        ids = await site.send(jobs.work(seconds=seconds) for _ in range(5))
        await site.counted("start", before + 5)
        (staying,) = await site.fleet.start()
        leaving.hurt = True
        told = time.monotonic_ns()
        leaving.send(signal.SIGTERM)
        if twice:
            await asyncio.sleep(0.1)
            leaving.send(signal.SIGTERM)
        site.findings.exactly(f"exit {name}", await leaving.ended(10), 0)
        site.ledger.fault("told to stop", leaving.pid, since=told)
        await site.drained(site.lease + 5)
        runs = [site.ledger.read().by_job[job] for job in ids]
        again = sum(len(each) > 1 for each in runs)
        site.findings.exactly(f"run again {name}", again, 0 if name == "long" else 5)
        handover = max(
            ((each[1].started - told) / 1e9 for each in runs if len(each) > 1), default=0
        )
        site.findings.at_most(f"handover {name} s", handover, 1.0)
        staying.hurt = True
        staying.process.kill()
        staying.process.wait()
    await site.judge()
    tries = {run.tries for run in site.ledger.read().runs}
    site.findings.exactly("tries", str(tries), "{1}")
