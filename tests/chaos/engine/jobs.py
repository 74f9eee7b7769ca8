"""The jobs of these scenarios, declared as any user would."""

from service.queue import Concurrency, RetryPolicy, job

QUEUE = "chaos"
BODIES = "tests.chaos.engine.bodies"
FLAKY_TRIES = 3


@job("chaos.work", queue=QUEUE, coroutine=f"{BODIES}.work")
async def work(seconds: float = 0.0, text: str = "") -> int:
    """Sleep so long; return the run's id."""
    raise NotImplementedError


@job("chaos.newer", queue=QUEUE, coroutine=f"{BODIES}.work")
async def newer(seconds: float = 0.0) -> int:
    """Do as `chaos.work`; only some workers know it."""
    raise NotImplementedError


@job("chaos.block", queue=QUEUE, coroutine=f"{BODIES}.block", timeout=60)
async def block(seconds: float) -> int:
    """Block the event loop so long."""
    raise NotImplementedError


@job("chaos.poison", queue=QUEUE, coroutine=f"{BODIES}.poison", timeout=60)
async def poison() -> None:
    """Abort the process."""


@job("chaos.limited", queue=QUEUE, coroutine=f"{BODIES}.limited", concurrency=Concurrency(1, "key"))
async def limited(key: str, seconds: float) -> int:
    """Sleep so long, one at a time for each key."""
    raise NotImplementedError


@job(
    "chaos.flaky",
    queue=QUEUE,
    coroutine=f"{BODIES}.flaky",
    retry=RetryPolicy(tries=FLAKY_TRIES, delay=0.05, jitter=0),
)
async def flaky(failures: int) -> int:
    """Raise in the first runs."""
    raise NotImplementedError


@job(
    "chaos.stubborn",
    queue=QUEUE,
    coroutine=f"{BODIES}.stubborn",
    timeout=0.5,
    retry=RetryPolicy(tries=1),
)
async def stubborn(way: str, seconds: float) -> None:
    """Do not end at the time limit: `swallow`, `shield` or `thread`."""


@job("chaos.odd", queue=QUEUE, coroutine=f"{BODIES}.odd", retry=RetryPolicy(tries=1))
async def odd(kind: str) -> str:
    """Return or raise what cannot be stored."""
    raise NotImplementedError
