"""What a scenario is, and the place where it happens."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec
import pytest
from redis.exceptions import RedisError

from service.queue import JobCall, QueueClient, connect, queue_key
from tests.chaos.engine.fleet import Fleet, Member
from tests.chaos.engine.invariants import Facts, check
from tests.chaos.engine.jobs import QUEUE
from tests.chaos.engine.ledger import Ledger
from tests.chaos.engine.valkey import Valkey
from tests.servers.tcp_proxy import TcpProxy

KEY = queue_key(QUEUE)
BATCH = 500
Figure = float | int | str


@dataclass
class Findings:
    """Figures of a scenario, and which of them break its pass line."""

    figures: dict[str, Figure] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    patience: float = 1.0
    """By which limits of time are wider where other tests run beside."""

    def figure(self, name: str, value: Figure) -> None:
        """Keep a figure."""
        self.figures[name] = round(value, 3) if isinstance(value, float) else value

    def at_most(self, name: str, value: float, limit: float) -> None:
        """Keep a figure that has an upper limit; one of time if its name ends in a unit of it."""
        self.figure(name, value)
        if name.endswith((" s", " ms", " us")):
            limit *= self.patience
        if value > limit:
            self.broken.append(f"{name} is {value:g}, at most {limit:g} is allowed")

    def exactly(self, name: str, value: Figure | None, wanted: Figure) -> None:
        """Keep a figure that has one right value."""
        self.figure(name, "none" if value is None else value)
        if value != wanted:
            self.broken.append(f"{name} is {value}, it must be {wanted}")

    def none(self, name: str, wrong: Sequence[str]) -> None:
        """Keep how many things are wrong, which must be none."""
        self.figure(name, len(wrong))
        if wrong:
            self.broken.append(f"{name}: {len(wrong)}, as {', '.join(wrong[:5])}")


@dataclass
class Size:
    """How large a scenario is run, and what the command line says of the longest ones."""

    full: bool = False
    outage: float = 60.0
    """Seconds of R6 in full size."""
    backlog: int = 200_000
    """Jobs of R31 in full size."""
    payload: int = 64
    """MiB of the largest payload of R16 in full size."""


@dataclass
class Site:
    """Everything that one scenario uses."""

    size: Size
    folder: Path
    valkey: Valkey
    ledger: Ledger
    fleet: Fleet
    client: QueueClient
    findings: Findings
    lease: float
    _stack: ExitStack
    _numbers: "count[int]" = field(default_factory=count)

    def pick(self, short: float, full: float) -> float:
        """Return a time or share by size."""
        return full if self.size.full else short

    def many(self, short: int, full: int) -> int:
        """Return a number by size."""
        return full if self.size.full else short

    async def away(self, seconds: float) -> int:
        """Kill the server and start it again so many seconds later; return when it answered."""
        begun = time.monotonic_ns()
        await self.valkey.away(seconds)
        self.ledger.fault("server away", since=begun)
        return time.monotonic_ns()

    def proxy(self) -> TcpProxy:
        """Start a proxy before the server."""
        return self._stack.enter_context(TcpProxy(self.valkey.socket))

    async def send(self, calls: Iterable[JobCall], client: QueueClient | None = None) -> list[str]:
        """Enqueue new ids in batches and write what was acknowledged; return the ids."""
        named = [
            call if call.job_id else msgspec.structs.replace(call, job_id=f"j{next(self._numbers)}")
            for call in calls
        ]
        for start in range(0, len(named), BATCH):
            batch = named[start : start + BATCH]
            await (client or self.client).enqueue_many(batch)
            self.ledger.acknowledge(call.job_id or "" for call in batch)
        return [call.job_id or "" for call in named]

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float, what: str) -> bool:
        """Wait until a condition holds; what does not come in time breaks the pass line."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                if await holds():
                    return True
            except (RedisError, OSError):
                pass  # the server is away, which is what some scenarios do
            if time.monotonic() > deadline:
                self.findings.broken.append(f"not within {seconds:g} s: {what}")
                return False
            await asyncio.sleep(0.02)

    async def counted(self, event: str, wanted: int, seconds: float = 20) -> bool:
        """Wait until the ledger has so many events of a kind."""

        async def enough() -> bool:
            return self.ledger.count(event) >= wanted

        return await self.until(enough, seconds, f"{wanted} times {event}")

    async def drained(self, seconds: float = 30) -> bool:
        """Wait until the queue is empty."""

        async def empty() -> bool:
            return not await self.valkey.redis.zcard(KEY)

        done = await self.until(empty, seconds, "the queue is empty")
        if not done:
            self.findings.figure("left in queue", await self.valkey.redis.zcard(KEY))
        return done

    async def judge(
        self,
        *,
        restart: float | None = None,
        undone: Collection[str] = (),
        wiped: Collection[str] = (),
        stays: Collection[str] = (),
    ) -> Facts:
        """Check the invariants that every scenario must keep; return all facts.

        Args:
            restart: the limit of I8 in seconds.
            undone: jobs that need not succeed, as they fail or are cancelled.
            wiped: jobs that were taken out of Redis by the scenario.
        """
        facts = await check(self.ledger, self.valkey.redis, KEY)
        found = self.findings
        found.figure("jobs", facts.acknowledged)
        found.figure("runs", facts.runs)
        found.figure("hit", facts.hit)
        found.figure("ran again", facts.ran_again)
        found.none("lost", [job for job in facts.lost if job not in wiped])
        excused = {*undone, *wiped}
        found.none("not done", [job for job in facts.not_done if job not in excused])
        found.none("doubled", facts.doubled)
        found.none("finished twice", facts.finished_twice)
        found.none("left over", [key for key in facts.left_over if key not in stays])
        stale = await self.valkey.call("HGET", f"{KEY}:counts", "stale")
        found.figure("stale refused", int(stale or 0))
        self.no_worker_ended()
        if restart is not None:
            found.at_most("restart s", facts.restart, restart)
        return facts

    async def dead(self) -> list[str]:
        """Return the ids of dead jobs."""
        ids: list[bytes] = await self.valkey.redis.zrange(f"{KEY}:dead", 0, -1)
        return [job.decode() for job in ids]

    def no_worker_ended(self) -> None:
        """Break the pass line when a worker ended that nobody hurt."""
        ended = self.fleet.unexpected_ends()
        told = [f"exit {each.process.returncode}: {each.last_line}" for each in ended]
        self.findings.none("workers ended", told)

    def logged(self, text: str, members: Iterable[Member] | None = None) -> int:
        """Return how often a text is in the logs of workers."""
        return sum(each.output.count(text) for each in members or self.fleet.members)


Play = Callable[[Site], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One fault, and what must hold."""

    name: str
    injected: str
    passes: str
    play: Play
    valkey: tuple[str, ...]
    lease: tuple[float, float]
    """Seconds in short and in full size."""


REGISTERED: dict[str, Scenario] = {}
"""By the name of the test function."""


def scenario(
    name: str,
    injected: str,
    passes: str,
    *,
    valkey: tuple[str, ...] = (),
    lease: tuple[float, float] = (1.0, 10.0),
) -> Callable[[Play], Play]:
    """Make a test of a scenario in short size, and register it for the full one.

    Args:
        name: as in the table of scenarios.
        injected: the fault.
        passes: what must hold.
        valkey: options of the server.
        lease: seconds in short and in full size.
    """

    def register(play: Play) -> Play:
        REGISTERED[play.__name__] = Scenario(name, injected, passes, play, valkey, lease)

        @pytest.mark.asyncio
        @functools.wraps(play)
        async def test(site: Site) -> None:
            await play(site)
            assert site.findings.broken == [], site.findings.figures

        return test

    return register


@asynccontextmanager
async def prepared(
    chosen: Scenario, folder: Path, size: Size, findings: Findings
) -> AsyncIterator[Site]:
    """Prepare the place of one scenario; end everything in it afterwards.

    Figures so far stay in `findings` when the scenario raises.
    """
    lease = chosen.lease[size.full]
    with ExitStack() as stack:
        valkey = stack.enter_context(Valkey(folder, *chosen.valkey))
        ledger = Ledger(folder / "ledger.sqlite")
        stack.callback(ledger.close)
        fleet = Fleet(folder, ledger, valkey.url, lease)
        stack.callback(fleet.close)
        client = connect(valkey.url)
        try:
            yield Site(size, folder, valkey, ledger, fleet, client, findings, lease, stack)
        finally:
            await client.aclose()
            await valkey.redis.aclose()
