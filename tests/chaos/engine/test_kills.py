"""Workers that die: R1, R2, R15, R27."""

import asyncio

from service.kit.tasks import end
from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import KEY, Site, scenario
from workers.engine.release import release_incarnation

FAILPOINTS = ("after-claim", "before-finish", "after-finish-sent")
RECOVERY = 1.0
"""Seconds beyond the lease within which a dead worker's jobs must start again."""


@scenario(
    "R1",
    "SIGKILL of a random worker again and again",
    "lost 0; doubled 0; restart <= lease + 1 s",
)
async def test_random_kills(site: Site) -> None:
    """G060, T047, T048, T056, T057: killed jobs run again, others once, none is lost."""
    slots, seconds = site.many(5, 20), site.pick(0.05, 0.04)
    await site.fleet.start(site.many(2, 4), slots=slots)
    await site.send(jobs.work(seconds=seconds) for _ in range(site.many(250, 10_000)))
    await site.fleet.kill_randomly(site.pick(0.5, 2.0), site.many(2, 8), slots=slots)
    await site.drained(site.pick(15, 300))
    facts = await site.judge(restart=site.lease + RECOVERY)
    site.findings.exactly("a kill met a run", facts.hit > 0, wanted=True)
    site.findings.none("dead", await site.dead())


@scenario(
    "R2",
    "SIGKILL after the claim, before the finish, after the finish was sent",
    "lost 0; one terminal outcome; every run is try 1",
)
async def test_failpoints(site: Site) -> None:
    """T047, T056: at-least-once at each step, and a crash uses no try."""
    for point in FAILPOINTS:
        (victim,) = await site.fleet.start(environment={"ALMANAC_FAILPOINT": point})
        await site.send(jobs.work(seconds=0.02) for _ in range(10))
        code = await victim.ended(5)
        site.findings.exactly(f"exit {point}", code, -9)
        site.fleet.kill(victim)
    await site.fleet.start()
    await site.drained(site.lease + 10)
    facts = await site.judge(restart=site.lease * 2 + RECOVERY)
    tries = {run.tries for run in site.ledger.read().runs}
    site.findings.exactly("tries seen", str(sorted(tries)), "[1]")
    site.findings.exactly("some ran twice", facts.runs > facts.acknowledged, wanted=True)


@scenario(
    "R15",
    "a job that aborts its process, among others",
    "dead after max_crashes kills with its reason; the others succeed",
    lease=(1.0, 5.0),
)
async def test_poison(site: Site) -> None:
    """T048, T057: a poison job is dead after N crashes; innocents beside it are never blamed."""
    crashes = site.many(2, 3)
    keeper = asyncio.create_task(site.fleet.keep(1, max_crashes=crashes))
    try:
        calls = [jobs.work(seconds=0.1) for _ in range(9)]
        await site.send([*calls, jobs.poison().deferred(job_id="poison"), *calls])
        await site.drained(crashes * (site.lease + 5) + 5)
    finally:
        await end(keeper)
    facts = await site.judge(undone=["poison"])
    runs = site.ledger.read().by_job["poison"]
    site.findings.exactly("kills", len(runs), crashes)
    site.findings.exactly("dead", str(await site.dead()), "['poison']")
    site.findings.figure("others ran", facts.runs - len(runs))
    reasons = await site.valkey.redis.exists(f"{KEY}:attempts:poison")
    site.findings.exactly("its reason is kept", reasons, 1)


@scenario(
    "R27",
    "SIGKILL of the holder of a per-key limit",
    "slot free <= lease + 1 s; never two at once",
    lease=(1.0, 10.0),
)
async def test_limit_holder(site: Site) -> None:
    """A dead holder frees its slot, and the limit holds meanwhile."""
    (holder,) = await site.fleet.start()
    await site.send([jobs.limited(key="a", seconds=2.5 * site.lease + 3)])
    await site.counted("start", 1)
    await site.fleet.start()
    await site.send([jobs.limited(key="a", seconds=0.05) for _ in range(5)])
    await site.send([jobs.limited(key="b", seconds=0.05)])
    await asyncio.sleep(site.pick(0.3, 2))
    site.fleet.kill(holder)
    died = site.ledger.read().faults[-1].over
    await site.drained(4 * site.lease + 10)
    facts = await site.judge(restart=site.lease + RECOVERY)
    site.findings.exactly("most at once", facts.most_at_once, 1)
    waiting = [run for run in site.ledger.read().runs if run.started > died and run.key == "a"]
    freed = min((run.started - died) / 1e9 for run in waiting)
    site.findings.at_most("slot free s", freed, site.lease + RECOVERY)
    other = [run for run in site.ledger.read().runs if run.key == "b"]
    site.findings.exactly("other key waited", other[0].started > died, wanted=False)


@scenario(
    "R1-supervised",
    "SIGKILL of a worker whose supervisor releases what it held",
    "lost 0; restart <= 1 s, with a lease of 10 s",
    lease=(10.0, 10.0),
)
async def test_a_supervised_kill(site: Site) -> None:
    """T048, T056: who has reaped the process needs not wait for its lease; its places are free."""
    (victim,) = await site.fleet.start(environment={"ALMANAC_INCARNATION": "beef"})
    await site.send([jobs.work(seconds=4), jobs.limited(key="a", seconds=4)])
    while len(site.ledger.read().runs) < 2:  # noqa: ASYNC110 - written by another process
        await asyncio.sleep(0.02)
    await site.fleet.start()  # idle, and woken by the release
    site.fleet.kill(victim)
    released = await release_incarnation(site.client, [KEY], "beef")
    site.findings.exactly("leases released", released, 2)
    await site.drained(15)
    await site.judge(restart=RECOVERY)
