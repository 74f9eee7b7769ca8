"""Arguments, results and functions that do not fit: R16, R17, R18, R19."""

import asyncio
import functools
import pickle
import time
from typing import Any

from arq.connections import ArqRedis
from redis.asyncio import ConnectionPool

from service.kit.tasks import end
from service.queue import JobState, PayloadTooLarge, inspect
from service.queue.codec import serialize
from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import KEY, Site, scenario

MEBIBYTE = 1 << 20
KINDS = ("lock", "unshowable", "large", "surrogate", "group", "unkind", "base")
"""What `chaos.odd` knows."""


@scenario(
    "R16",
    "payloads up to the limit, beyond it, and far beyond from a client without one; tiny jobs",
    "refused with PayloadTooLarge and nothing stored; others done; loop stall <= 500 ms",
)
async def test_payload_sizes(site: Site) -> None:
    """Large payloads are refused in time, and do not stop a worker that gets one."""
    await site.fleet.start()
    refusal = ""
    try:
        await site.client.enqueue(jobs.work(text="x" * 2 * MEBIBYTE).deferred(job_id="too large"))
    except PayloadTooLarge as error:
        refusal = str(error)
    site.findings.exactly("refused by name", "chaos.work" in refusal, wanted=True)
    site.findings.exactly("stored", await site.valkey.redis.exists("arq:job:too large"), 0)
    await site.send(jobs.work(text="x" * (MEBIBYTE - 1000)) for _ in range(5))
    limit = site.many(16, site.size.payload) * MEBIBYTE
    pool = ConnectionPool.from_url(site.valkey.url)
    stock = ArqRedis(pool, functools.partial(serialize, limit=2 * limit), None, KEY)
    await stock.enqueue_job("chaos.work", _job_id="huge", text="x" * limit)
    await pool.aclose()
    site.ledger.acknowledge(["huge"])
    begun = time.monotonic()
    await site.send(jobs.work() for _ in range(site.many(500, 100_000)))
    await site.drained(site.pick(20, 300))
    site.findings.figure("tiny jobs s", time.monotonic() - begun)
    facts = await site.judge(undone=["huge"])
    site.findings.exactly("runs", facts.runs - facts.acknowledged in (0, -1), wanted=True)
    stalls = [number for _, _, number, _ in site.ledger.notes("stall") if number]
    site.findings.at_most("stall ms", max(stalls, default=0), site.pick(500, 3000))
    slow = await site.valkey.latency("evalsha")
    site.findings.figure("script p99 us", slow.get("p99", 0))


@scenario(
    "R17",
    "results and exceptions that cannot be stored or shown",
    "all terminal, none succeeded; the worker goes on",
)
async def test_unstorable(site: Site) -> None:
    """A job that returns or raises what cannot be written ends as failed, with a text."""
    await site.fleet.start()
    ids = await site.send(jobs.odd(kind).deferred(job_id=kind) for kind in KINDS)
    await site.send(jobs.work() for _ in range(5))
    await site.drained(site.lease * 3 + 10)
    await site.judge(undone=ids)
    states = {}
    for job in ids:
        view = await inspect(site.client, job, queue=KEY)
        states[job] = "none" if view is None else f"{view.state}: {view.error}"
    wrong = [job for job, state in states.items() if not state.startswith(JobState.FAILED)]
    site.findings.none("not failed", [f"{job} is {states[job]}" for job in wrong])


@scenario(
    "R17-exit",
    "a job that raises SystemExit, under a supervisor",
    "terminal after at most max_crashes workers; the others succeed",
)
async def test_exit(site: Site) -> None:
    """T048: a job cannot end worker after worker."""
    crashes = 2
    keeper = asyncio.create_task(site.fleet.keep(1, max_crashes=crashes))
    try:
        await site.send([jobs.odd("exit").deferred(job_id="exit"), *[jobs.work()] * 5])
        await site.drained(crashes * (site.lease + 5) + 5)
    finally:
        await end(keeper)
    await site.judge(undone=["exit"])
    site.findings.at_most("runs of it", len(site.ledger.read().by_job["exit"]), crashes)


@scenario(
    "R18",
    "jobs whose function no worker knows yet (rolling deployment)",
    "lost 0; tries not used; run by the new worker soon",
)
async def test_missing_function(site: Site) -> None:
    """An unknown function's job waits for a worker that knows it, and stops nobody else."""
    await site.fleet.start()
    count = site.many(2, 5)
    ids = await site.send(jobs.newer() for _ in range(count))
    await site.send(jobs.work() for _ in range(20))
    await asyncio.sleep(site.pick(1.5, 15))
    requests = await site.valkey.requests()
    await asyncio.sleep(0.5)
    per_second = (await site.valkey.requests() - requests - 1) * 2
    site.findings.at_most("requests/s with them waiting", per_second, 40)
    site.findings.exactly("others done", site.ledger.count("end"), 20)
    kept = sum([await site.valkey.redis.exists(f"arq:job:{job}") for job in ids])
    site.findings.exactly("kept", kept, count)
    begun = time.monotonic()
    await site.fleet.start(newer=True)
    await site.drained(60)  # each is due every 5 s, and may meet the older worker again
    site.findings.figure("all run s", time.monotonic() - begun)
    await site.judge()
    tries = {run.tries for job in ids for run in site.ledger.read().by_job[job]}
    site.findings.exactly("tries", str(tries), "{1}")


def _bad_payloads() -> dict[str, bytes]:
    good: dict[str, Any] = {
        "f": "chaos.work",
        "a": [],
        "k": {},
        "t": None,
        "et": 1_700_000_000_000,
        "v": 1,
    }
    return {
        "garbage": b"\x00\xff not a payload",
        "empty": b"",
        "pickle": pickle.dumps({**good, "a": ()}),
        "version": serialize({**good, "v": 99}),
        "signature": serialize({**good, "k": {"gone": 1}}),
        "type": serialize({**good, "k": {"seconds": "soon"}}),
        "shape": b'{"f": 7}',
    }


@scenario(
    "R19",
    "payloads of another version, signature or format, a pickle, garbage",
    "dead with the very bytes that were stored; other jobs done",
)
async def test_unreadable_payloads(site: Site) -> None:
    """T057: what cannot be read is kept as it was, with a reason, and blocks nobody."""
    payloads = _bad_payloads()
    await site.fleet.start()
    for job, payload in payloads.items():
        await site.valkey.redis.set(f"arq:job:{job}", payload)
        await site.valkey.redis.zadd(KEY, {job: 2})
    site.ledger.acknowledge(payloads)
    await site.send(jobs.work() for _ in range(10))
    await site.drained(10)
    await site.judge(undone=payloads)
    site.findings.exactly("dead", str(sorted(await site.dead())), str(sorted(payloads)))
    for job, payload in payloads.items():
        kept = await site.valkey.call("HGET", f"{KEY}:dead:jobs", job)
        if kept != payload:
            site.findings.broken.append(f"{job}: the dead job keeps {kept!r}")
    without = [
        job for job in payloads if not await site.valkey.redis.exists(f"{KEY}:attempts:{job}")
    ]
    site.findings.none("without a reason", without)
