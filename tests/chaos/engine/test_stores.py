"""The server goes away, is full, evicts or forgets: R5, R6, R11, R12, R13."""

import asyncio
import time

from redis.exceptions import RedisError

from service.queue import connect
from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import KEY, Site, scenario
from tests.chaos.engine.valkey import APPEND_ALWAYS, APPEND_EVERYSEC

RESUME = 2.0
"""Seconds after the server's return within which work must go on."""
LOST_WINDOW = 2.0
"""Seconds before its death from which `everysec` may lose acknowledged jobs."""


async def _restarts(site: Site) -> tuple[list[int], list[int]]:
    """SIGKILL the server under load; return when it died and when it was back."""
    await site.fleet.start(2)
    stop = asyncio.Event()
    producer = asyncio.create_task(_produce(site, stop))
    died, back = [], []
    for _ in range(site.many(2, 5)):
        await asyncio.sleep(site.pick(0.4, 4))
        died.append(time.monotonic_ns())
        back.append(await site.away(site.pick(0.3, 3)))
    await asyncio.sleep(site.pick(0.4, 4))
    stop.set()
    await producer
    await site.drained(site.lease * 2 + 10)
    starts = [run.started for run in site.ledger.read().runs]
    gaps = [min((s - b for s in starts if s > b), default=10**12) / 1e9 for b in back]
    site.findings.at_most("resumed s", max(gaps), RESUME)
    return died, back


async def _produce(site: Site, stop: asyncio.Event) -> None:
    """Send small batches until told to stop; what raises was not acknowledged."""
    refused = 0
    while not stop.is_set():
        try:
            await site.send(jobs.work(seconds=0.02) for _ in range(3))
        except (RedisError, OSError):
            refused += 1
        await asyncio.sleep(0.03)
    site.findings.figure("enqueues refused", refused)


@scenario(
    "R5",
    "SIGKILL of the server under load, appendfsync always",
    "lost 0; workers ended 0; resumed <= 2 s",
    valkey=APPEND_ALWAYS,
)
async def test_killed_server_always(site: Site) -> None:
    """T057: what was acknowledged survives the server's death, and so do the workers."""
    await _restarts(site)
    await site.judge()


@scenario(
    "R5-everysec",
    "SIGKILL of the server under load, appendfsync everysec",
    "lost only of the last second; workers ended 0; resumed <= 2 s",
    valkey=APPEND_EVERYSEC,
)
async def test_killed_server_everysec(site: Site) -> None:
    """T057: at most the last second of acknowledged jobs goes."""
    died, _ = await _restarts(site)
    acknowledged = site.ledger.read().acknowledged
    window = int(LOST_WINDOW * 1e9)
    late = [job for job, ns in acknowledged.items() if any(0 < d - ns < window for d in died)]
    await site.judge(wiped=late)


@scenario(
    "R6",
    "the server is away for longer than every timeout",
    "first job after the return <= 2 s; a job that ran all the time runs once",
    valkey=APPEND_ALWAYS,
)
async def test_outage(site: Site) -> None:
    """Workers live through an outage of any length, and so do their jobs."""
    seconds = site.pick(3.5 * site.lease, site.size.outage)
    await site.fleet.start(2)
    (long,) = await site.send([jobs.work(seconds=seconds + 1)])
    await site.send(jobs.work(seconds=0.5) for _ in range(4))
    await site.counted("start", 5)
    back = await site.away(seconds)
    fresh = connect(site.valkey.url, retries=0)
    await site.send([jobs.work()], fresh)
    await fresh.aclose()
    await site.counted("start", 6, RESUME + 1)
    await site.drained(site.lease * 2 + 10)
    await site.judge()
    runs = site.ledger.read().by_job
    first = min(runs[job][0].started for job in runs if runs[job][0].started > back)
    site.findings.at_most("first job s", (first - back) / 1e9, RESUME)
    site.findings.exactly("runs of the long job", len(runs[long]), 1)


@scenario(
    "R11",
    "memory is full for more than a lease, noeviction",
    "enqueue refuses with a Redis error; running jobs end and keep their leases; doubled 0",
)
async def test_full_memory(site: Site) -> None:
    """Nothing is half done when memory is full, and finishing and renewing still work."""
    await site.fleet.start(slots=5)
    starting = 4  # seconds that the second worker may take meanwhile
    short = await site.send(jobs.work(seconds=starting + 1.2 * site.lease) for _ in range(3))
    await site.send(jobs.work(seconds=starting + 2.5 * site.lease) for _ in range(2))
    await site.counted("start", 5)
    await site.fleet.start()
    ballast = await _fill_memory(site)
    refusal = ""
    try:
        await site.send([jobs.work(text="x" * 50_000)])
    except RedisError as error:
        refusal = type(error).__name__
    site.findings.exactly("refusal", refusal, "OutOfMemoryError")
    stored = await site.valkey.redis.zcard(KEY)
    site.findings.exactly("in queue", stored, 5)

    async def finished() -> bool:
        left: int = await site.valkey.redis.zcard(KEY)
        return bool(left == stored - len(short))

    patience = starting + 1.2 * site.lease + 2
    await site.until(finished, patience, "running jobs finish in full memory")
    await asyncio.sleep(0.4 * site.lease)
    await site.valkey.redis.delete(*ballast)
    await site.send(jobs.work() for _ in range(20))
    await site.drained(site.lease * 3 + 5)
    facts = await site.judge()
    site.findings.exactly("runs", facts.runs, facts.acknowledged)


async def _fill_memory(site: Site) -> list[str]:
    """Write until not even one byte is taken; return the keys."""
    used = (await site.valkey.redis.info("memory"))["used_memory"]
    await site.valkey.redis.config_set("maxmemory", used + 500_000)
    keys: list[str] = []
    for size in (20_000, 500, 1):
        try:
            while True:
                await site.valkey.redis.set(f"ballast{len(keys)}", "x" * size)
                keys.append(f"ballast{len(keys)}")
        except RedisError:
            pass  # full, as far as this size goes
    return keys


@scenario(
    "R12",
    "maxmemory-policy allkeys-lru",
    "the worker says so when it starts",
    valkey=("--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"),
)
async def test_evicting_server(site: Site) -> None:
    """A server that may drop jobs is told of at once."""
    await site.fleet.start()
    await site.send([jobs.work()])
    await site.drained()
    await site.judge()
    site.findings.exactly("warned", site.logged("maxmemory-policy is allkeys-lru") > 0, wanted=True)


@scenario(
    "R13",
    "SCRIPT FLUSH again and again, then FLUSHALL under running jobs",
    "errors 0; after the wipe new jobs start <= 1 s and nothing is left over",
)
async def test_forgetful_server(site: Site) -> None:
    """Scripts come back by themselves, and a wipe leaves no half state."""
    members = await site.fleet.start(2)
    await asyncio.gather(
        site.send(jobs.work(seconds=0.01) for _ in range(site.many(200, 5000))),
        _flush_scripts(site, site.many(20, 100)),
    )
    await site.drained()
    site.findings.exactly("NOSCRIPT in logs", site.logged("NOSCRIPT", members), 0)
    wiped = await site.send(jobs.work(seconds=1.5 * site.lease) for _ in range(30))
    before = site.ledger.count("end")
    await site.counted("start", before + 20)
    await site.valkey.redis.flushall()
    site.ledger.fault("wipe")
    # The slots are taken by jobs that nobody waits for any more.
    await site.fleet.start()
    at = time.monotonic_ns()
    new = await site.send(jobs.work() for _ in range(10))
    await site.drained()
    runs = site.ledger.read().by_job
    site.findings.at_most("start after wipe s", max(runs[j][0].started - at for j in new) / 1e9, 1)
    await site.counted("end", site.ledger.count("start"))
    await asyncio.sleep(0.3)
    earlier = [job for job in site.ledger.read().acknowledged if job not in new]
    await site.judge(wiped={*wiped, *earlier})


async def _flush_scripts(site: Site, times: int) -> None:
    for _ in range(times):
        await site.valkey.redis.script_flush()
        await asyncio.sleep(0.02)
