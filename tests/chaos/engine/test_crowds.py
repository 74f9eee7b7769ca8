"""Very many jobs, very many workers: R31, R32."""

import asyncio
from datetime import UTC, datetime, timedelta

from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import Site, scenario

CLAIM = 2000
"""Microseconds of server time that a script may take, p99."""


@scenario(
    "R31",
    "a backlog due at the same millisecond, then one job of the high lane",
    "script p99 <= 2 ms; the high job starts <= 200 ms",
)
async def test_backlog(site: Site) -> None:
    """The size of the backlog neither slows the claims nor starves what is urgent."""
    count = site.many(5000, site.size.backlog)
    due = datetime.now(UTC) + timedelta(seconds=site.pick(0.5, 5))
    await site.send(jobs.work(seconds=0.005).deferred(until=due) for _ in range(count))
    await site.fleet.start(2)
    await site.counted("start", 50, 60)
    await site.valkey.redis.config_resetstat()
    urgent = []
    for _ in range(5):
        urgent += await site.send([jobs.work().in_lane("high")])
        await asyncio.sleep(0.1)

    async def all_started() -> bool:
        return len(site.ledger.first_starts(urgent)) == len(urgent)

    await site.until(all_started, 10, "the high lane's jobs start")
    acknowledged = site.ledger.read().acknowledged
    starts = site.ledger.first_starts(urgent)
    waits = [(started - acknowledged[job]) / 1e6 for job, started in starts.items()]
    site.findings.at_most("high lane ms", max(waits, default=0), 200)
    await site.drained(site.pick(40, 1200))
    slow = await site.valkey.latency("evalsha")
    site.findings.at_most("script p99 us", slow.get("p99", 0), CLAIM)
    site.findings.figure("script p50 us", slow.get("p50", 0))
    facts = await site.judge()
    site.findings.exactly("runs", facts.runs, facts.acknowledged)


@scenario(
    "R32",
    "one job every 10 ms for a herd of idle workers",
    "runs = jobs; requests per job <= 10",
)
async def test_herd(site: Site) -> None:
    """A job wakes the herd and runs once, at a bounded price."""
    processes, each = site.many(2, 4), site.many(10, 50)
    await site.fleet.start(processes, instances=each)
    await site.counted("ready", processes * each)
    await asyncio.sleep(0.5)
    requests, count = await site.valkey.requests(), site.many(100, 1000)
    for _ in range(count):
        await site.send([jobs.work()])
        await asyncio.sleep(0.01)
    await site.counted("end", count)
    per_job = (await site.valkey.requests() - requests) / count
    await site.drained()
    facts = await site.judge()
    site.findings.at_most("requests per job", per_job, 10)
    site.findings.figure("pickup p50 ms", facts.percentile(50))
    site.findings.figure("pickup p99 ms", facts.percentile(99))
    site.findings.exactly("runs", facts.runs, facts.acknowledged)
