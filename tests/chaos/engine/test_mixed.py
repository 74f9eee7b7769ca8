"""Unmodified arq beside us and after us: R29, R30."""

import asyncio
import signal
import time
from datetime import UTC, datetime, timedelta

from arq.connections import ArqRedis
from arq.jobs import Job, JobStatus
from redis.asyncio import ConnectionPool

from service.queue.codec import deserialize, serialize
from tests.chaos.engine import jobs
from tests.chaos.engine.fleet import STOCK
from tests.chaos.engine.scenario import KEY, Site, scenario


@scenario(
    "R29",
    "arq's own workers and clients on the same queue",
    "runs = jobs; result, status and abort of arq's client work",
)
async def test_mixed_fleet(site: Site) -> None:
    """Workers of both kinds share a queue, and clients of both kinds see every job."""
    await site.fleet.start(2, slots=5)
    await site.fleet.start(1, program=STOCK, slots=5)
    pool = ConnectionPool.from_url(site.valkey.url)
    stock = ArqRedis(pool, serialize, deserialize, KEY)
    handles = []
    for number in range(site.many(50, 2000)):
        handle = await stock.enqueue_job("plain", 0.02, _job_id=f"stock{number}")
        assert handle is not None, "a new id is accepted"
        handles.append(handle)
        site.ledger.acknowledge([handle.job_id])
    await site.send(jobs.work(seconds=0.02) for _ in range(site.many(150, 5000)))
    results = await asyncio.gather(*(handle.result(timeout=60) for handle in handles))
    site.findings.exactly("results read by arq", len(results), len(handles))
    await site.drained(60)
    statuses = {await handle.status() for handle in handles}
    site.findings.exactly("statuses", str(statuses), str({JobStatus.complete}))
    by_pid = {run.pid for run in site.ledger.read().runs}
    site.findings.exactly("workers that took part", len(by_pid), 3)
    ids = await site.send(jobs.work(seconds=20) for _ in range(6))
    await site.counted("start", site.ledger.count("end") + 6)
    aborted = await asyncio.gather(
        *(Job(job, stock, KEY, deserialize).abort(timeout=10, poll_delay=0.05) for job in ids)
    )
    site.findings.exactly("aborted by arq's client", sum(aborted), len(ids))
    await site.drained()
    await pool.aclose()
    facts = await site.judge(undone=ids)
    site.findings.exactly("runs", facts.runs, facts.acknowledged)


@scenario(
    "R30",
    "all our workers go, one by SIGTERM and one by SIGKILL; only arq's are left",
    "every job runs, those in flight too",
    lease=(1.0, 5.0),
)
async def test_rollback(site: Site) -> None:
    """Nothing that our workers leave behind keeps arq's from any job."""
    told, killed = await site.fleet.start(2, slots=4)
    soon = datetime.now(UTC) + timedelta(seconds=site.pick(2, 10))
    await site.send(jobs.work(seconds=0.6) for _ in range(16))
    await site.send(jobs.work().deferred(until=soon) for _ in range(5))
    await site.send(jobs.work().in_lane("high") for _ in range(3))
    if site.size.full:  # for arq's workers a low job is due five minutes later
        await site.send(jobs.work().in_lane("low") for _ in range(3))
    await site.counted("start", 8)
    told.hurt, begun = True, time.monotonic_ns()
    told.send(signal.SIGTERM)
    site.fleet.kill(killed)
    await told.ended()
    site.ledger.fault("told to stop", told.pid, since=begun)
    await site.fleet.start(2, program=STOCK)
    await site.drained(site.pick(20, 340))
    # arq's workers do not know our indexes; our next claim, if ever, cleans them.
    ours = [f"{KEY}:{name}" for name in ("claims", "crashes", "high", "low")]
    await site.judge(restart=2 * site.lease + 2, stays=ours)
