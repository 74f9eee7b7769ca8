"""A queue that claims, snoozes and finishes as the engine's scripts do, for tests of limits."""

import tempfile
import time
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import redis

from tests.queue.conftest import running_valkey
from workers.engine.limits import Answer, Go, Limits, RateLimit, Skip, Slots, Wait, Want

T = TypeVar("T")

EPOCH = 1_800_000_000_000
_CLAIM = """
local ids = redis.call('ZRANGE', KEYS[1], '-inf', ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[4])
for _, id in ipairs(ids) do
  redis.call('HSET', KEYS[1] .. ':claims', id, ARGV[2])
  redis.call('ZADD', KEYS[1], ARGV[3], id)
end
return ids
"""


@contextmanager
def own_server() -> Iterator["redis.Redis"]:
    """Run a Valkey and yield a client that threads may share."""
    with (
        tempfile.TemporaryDirectory(prefix="valkey") as directory,
        running_valkey(Path(directory, "s")) as url,
        redis.Redis.from_url(url) as client,
    ):
        yield client


class LimitedQueue:
    """One worker's view of a queue with limits.

    Args:
        client: shared by the workers of a test or not; a call of a script is one command.
        worker: the incarnation in the tokens of its claims.
        lease: milliseconds for which a claim and a slot are held.
        start: Unix milliseconds at which a clock starts that only moves when told; None: the
            server's clock.
    """

    key = "almanac:posts"

    def __init__(
        self,
        client: "redis.Redis",
        worker: str = "w",
        lease: int = 10_000,
        start: int | None = None,
    ) -> None:
        # redis-py declares the replies of both its clients at once, which fits neither.
        self.client: Any = client
        self.worker = worker
        self.lease = lease
        self._time = start
        self._claims = 0
        self.limits = Limits(self._run, self.key, None if start is None else lambda: self.now)

    @property
    def now(self) -> int:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000 if self._time is None else self._time

    def wait_until(self, instant: int) -> None:
        """Move the clock on."""
        assert self._time is not None
        self._time = max(self._time, instant)

    def wait(self, milliseconds: int) -> None:
        """Move the clock on."""
        self.wait_until(self.now + milliseconds)

    def add(self, *job_ids: str) -> None:
        """Queue jobs that are due."""
        self.client.zadd(self.key, dict.fromkeys(job_ids, self.now))

    def claim(self, *limits: RateLimit | Slots, count: int = 100) -> list[Want]:
        """Claim what is visible, in the order of the queue."""
        self._claims += 1
        token = f"{self.worker}:{self._claims}"
        lease_end = self.now + self.lease
        ids = self.client.eval(_CLAIM, 1, self.key, self.now, token, lease_end, count)
        return [Want(job_id.decode(), token, limits) for job_id in ids]

    def acquire(self, *wants: Want) -> list[Answer]:
        """Ask for places."""
        return _done(self.limits.acquire(wants, self.lease))

    def ask(self, *limits: RateLimit | Slots, count: int = 100) -> dict[str, Answer]:
        """Claim, ask for places with one set of limits, and write what does not start."""
        wants = self.claim(*limits, count=count)
        answers = self.acquire(*wants)
        for want, answer in zip(wants, answers, strict=True):
            self.settle(want, answer)
        return {want.job_id: answer for want, answer in zip(wants, answers, strict=True)}

    def run(self, *limits: RateLimit | Slots) -> dict[str, Answer]:
        """Ask, and end at once what starts."""
        answers = self.ask(*limits)
        for job_id, answer in answers.items():
            if isinstance(answer, Go):
                self.end(job_id, *limits)
        return answers

    def settle(self, want: Want, answer: Answer) -> None:
        """Write what follows from an answer: a wait is a snooze, a skip an end."""
        if isinstance(answer, Wait):
            self.snooze(want, answer.until_ms)
        elif isinstance(answer, Skip):
            self.finish(want)

    def snooze(self, want: Want, until: int) -> None:
        """Make a claimed job visible later."""
        with self.client.pipeline() as pipe:
            pipe.zadd(self.key, {want.job_id: until}, xx=True)
            pipe.hdel(self.key + ":claims", want.job_id)
            pipe.execute()
        self.free(want)

    def finish(self, want: Want) -> None:
        """End a claimed job."""
        with self.client.pipeline() as pipe:
            pipe.zrem(self.key, want.job_id)
            pipe.hdel(self.key + ":claims", want.job_id)
            pipe.execute()
        self.free(want)

    def end(self, job_id: str, *limits: RateLimit | Slots) -> None:
        """Finish a job that `ask` let in."""
        token = self.client.hget(self.key + ":claims", job_id)
        assert isinstance(token, bytes)
        self.finish(Want(job_id, token.decode(), limits))

    def cancel(self, *job_ids: str) -> None:
        """Remove jobs that wait, as a client does, who knows no limits."""
        self.client.zrem(self.key, *job_ids)

    def free(self, *wants: Want) -> None:
        """Give places back."""
        _done(self.limits.free(wants))

    def free_all(self, incarnation: str, *job_ids: str) -> None:
        """Give a dead worker's places back."""
        _done(self.limits.free_all(incarnation, job_ids))

    def renew(self, *wants: Want) -> None:
        """Renew the slots, and the claims as the engine does."""
        if not wants:
            return
        claims = self.client.hmget(self.key + ":claims", [want.job_id for want in wants])
        held = [w.job_id for w, t in zip(wants, claims, strict=True) if t == w.claim.encode()]
        if held:
            self.client.zadd(self.key, dict.fromkeys(held, self.now + self.lease), xx=True)
        _done(self.limits.renew(wants, self.lease))

    def visible_at(self, job_id: str) -> int:
        """Return the job's score."""
        score = self.client.zscore(self.key, job_id)
        assert isinstance(score, float), f"{job_id} is not in the queue"
        return int(score)

    def next_visible(self) -> int | None:
        """Return the lowest score."""
        first = self.client.zrange(self.key, 0, 0, withscores=True)
        return int(first[0][1]) if first else None

    def lifetimes(self) -> dict[str, int]:
        """Return the keys of all limits and their time to live in milliseconds."""
        found = self.client.scan_iter("almanac:limit:*")
        return {key.decode(): self.client.pttl(key) for key in found}

    async def _run(self, script: str, keys: Sequence[str], args: Sequence[str | bytes]) -> Any:
        return self.client.eval(script, len(keys), *keys, *args)


def _done(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return the result of a coroutine that never waits, as this client's commands do not."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waits")
