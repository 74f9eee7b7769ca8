"""The network between workers and the server fails: R8, R9, R10, R34."""

import asyncio
import random
import time

from redis.exceptions import RedisError

from service.queue import connect
from tests.chaos.engine import jobs
from tests.chaos.engine.scenario import Site, scenario
from tests.servers.tcp_proxy import TcpProxy

PARTITIONS = (0.5, 1.0, 3.0)
"""How long, in leases."""


def url(proxy: TcpProxy) -> str:
    """Where clients of a proxy connect."""
    return f"redis://{proxy.host}:{proxy.port}"


@scenario(
    "R8",
    "partition of a worker for 0.5, 1 and 3 leases; what it sent arrives late",
    "half a lease: runs 1; finished twice 0; overlap <= partition",
)
async def test_partition(site: Site) -> None:
    """A partitioned worker's late requests change nothing that another has done since."""
    proxies = [site.proxy() for _ in PARTITIONS]
    for number, proxy in enumerate(proxies, 1):
        await site.fleet.start(redis_url=url(proxy), slots=1)
        await site.send([jobs.work(seconds=1.8 * site.lease).deferred(job_id=f"part{number}")])
        await site.counted("start", number)
    await site.fleet.start()
    begun = time.monotonic_ns()
    for proxy in proxies:
        proxy.stall()
    for share, proxy, member in zip(PARTITIONS, proxies, site.fleet.members, strict=False):
        await asyncio.sleep(max(0, share * site.lease - (time.monotonic_ns() - begun) / 1e9))
        proxy.heal()
        site.ledger.fault(f"partition {share}", member.pid, since=begun)
    await site.drained(site.lease * 4 + 10)
    await asyncio.sleep(site.pick(0.5, 3))
    facts = await site.judge()
    runs = site.ledger.read().by_job
    for number, share in enumerate(PARTITIONS, 1):
        site.findings.figure(f"runs at {share:g}", len(runs[f"part{number}"]))
    site.findings.exactly("runs at 0.5", len(runs["part1"]), 1)
    site.findings.at_most("overlap s", facts.overlap, max(PARTITIONS) * site.lease)


async def _load(site: Site, count: int) -> tuple[float, float]:
    """Send and run jobs; return the seconds and the server's requests per second."""
    requests, begun = await site.valkey.requests(), time.monotonic()
    ended = site.ledger.count("end")
    await site.send(jobs.work(seconds=0.02) for _ in range(count))
    await site.counted("end", ended + count, 60)
    seconds = time.monotonic() - begun
    return seconds, (await site.valkey.requests() - requests) / seconds


@scenario(
    "R9",
    "200 ms round trips and 5 % of packets reset",
    "doubled 0; requests per second <= 2 x healthy",
)
async def test_slow_network(site: Site) -> None:
    """A bad network makes workers slow, not busy, and doubles nothing."""
    proxy, count = site.proxy(), site.many(100, 1000)
    await site.fleet.start(2, redis_url=url(proxy))
    seconds, healthy = await _load(site, count)
    site.findings.figure("healthy s", seconds)
    proxy.delay(0.1)
    proxy.reset_share(0.05)
    seconds, slow = await _load(site, count)
    site.findings.figure("slow s", seconds)
    site.findings.figure("resets", proxy.resets)
    site.findings.figure("healthy requests/s", healthy)
    site.findings.at_most("slow requests/s", slow, 2 * healthy)
    idle = await site.valkey.requests()
    await asyncio.sleep(site.pick(0.5, 5))
    site.findings.figure("idle requests", await site.valkey.requests() - idle - 1)
    proxy.heal()
    await site.drained(site.lease + 10)
    facts = await site.judge()
    site.findings.exactly("runs", facts.runs, facts.acknowledged)


@scenario(
    "R10",
    "replies to claims, finishes and enqueues lost after they were applied",
    "runs = jobs; lost 0; finished twice 0",
)
async def test_lost_replies(site: Site) -> None:
    """What is sent again because its reply was lost happens once."""
    to_worker, to_client, chosen = site.proxy(), site.proxy(), random.Random(2)
    await site.fleet.start(2, redis_url=url(to_worker), slots=5)
    client = connect(url(to_client))
    rounds = site.many(20, 200)
    for number in range(rounds):
        to_worker.lose_reply(containing=b"EVAL", after=chosen.choice((0, 0, 1, 4, 40)))
        if number % 4 == 0:
            to_client.lose_reply(containing=b"EVAL")
        await site.send((jobs.work(seconds=0.01) for _ in range(5)), client)
        await asyncio.sleep(0.05)
    to_worker.heal()
    await client.aclose()
    await site.drained(site.lease * 2 + 10)
    facts = await site.judge()
    site.findings.exactly("runs", facts.runs, facts.acknowledged)
    site.findings.figure("lost to clients", to_client.resets)
    lost = to_worker.resets
    site.findings.exactly(f"many lost to workers ({lost})", lost >= rounds // 2, wanted=True)


@scenario(
    "R34",
    "no free client on the server, no free connection in the pool",
    "workers ended 0; they work as soon as there is room; enqueue waits",
)
async def test_no_connections(site: Site) -> None:
    """Limits of connections make everybody wait and nobody crash."""
    proxy = site.proxy()
    await site.fleet.start(redis_url=url(proxy))
    await site.send([jobs.work()])
    await site.drained()
    clients = int((await site.valkey.redis.info("clients"))["connected_clients"])
    await site.valkey.redis.config_set("maxclients", clients - 1)
    proxy.reset()
    (late,) = await site.fleet.start(wait=False)
    await asyncio.sleep(site.pick(1.5, 15))
    site.findings.exactly("refused by the server", await _refused(site) > 0, wanted=True)
    site.no_worker_ended()
    await site.valkey.redis.config_set("maxclients", 1000)
    await site.fleet.ready(late)
    narrow, refusals = connect(f"{site.valkey.url}?max_connections=2"), 0
    for outcome in await asyncio.gather(
        *(site.send([jobs.work()], narrow) for _ in range(site.many(50, 500))),
        return_exceptions=True,
    ):
        if isinstance(outcome, BaseException):
            refusals += 1
            assert isinstance(outcome, RedisError), outcome
    await narrow.aclose()
    site.findings.exactly("enqueues refused", refusals, 0)
    await site.drained()
    await site.judge()


async def _refused(site: Site) -> int:
    return int((await site.valkey.redis.info("stats"))["rejected_connections"])
