"""Limits for any order of arrivals, ends, deaths and delays, against models in Python."""

import math
from collections import Counter
from collections.abc import Iterator

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.workers.limited_queue import EPOCH, LimitedQueue, own_server
from workers.engine.limits import Go, RateLimit, Slots, Wait, Want

LEASE = 10_000
LIMITS = st.integers(1, 6)
PERIODS = st.sampled_from([100, 1_000, 7_001, 60_000, 86_400_000])
GAPS = st.lists(st.floats(0, 2), min_size=1, max_size=25)
"""Times between arrivals, in intervals of the rate."""


@pytest.fixture(scope="module")
def client() -> Iterator["redis.Redis"]:
    """A server of these tests' own."""
    with own_server() as client:
        yield client


class Gcra:
    """The textbook algorithm, in whole microseconds: who comes too early is sent away."""

    def __init__(self, limit: int, per_ms: int) -> None:
        self.interval = math.ceil(per_ms * 1000 / limit)
        self.tolerance = (limit - 1) * self.interval
        self.arrival = 0

    def ask(self, now_ms: int) -> int | None:
        """Return None and count the start, or the first millisecond at which one may start."""
        earliest = self.arrival - self.tolerance
        if now_ms * 1000 < earliest:
            return -(-earliest // 1000)
        self.arrival = max(self.arrival, now_ms * 1000) + self.interval
        return None


def _most(starts: list[int], limit: int, interval_ms: float, late_ms: float = 0) -> None:
    """Assert the promise of a rate: in any time t, at most `limit + t / interval` starts."""
    for first, start in enumerate(starts):
        for last in range(first, len(starts)):
            allowed = limit + (starts[last] - start + late_ms) / interval_ms
            assert last - first + 1 <= allowed + 1e-9


@given(LIMITS, PERIODS, GAPS)
def test_gcra_allows_a_burst_and_then_its_rate(limit: int, per: int, gaps: list[float]) -> None:
    gcra, now, starts = Gcra(limit, per), EPOCH, []
    for gap in gaps:
        now += round(gap * per / limit)
        until = gcra.ask(now)
        if until is None:
            starts.append(now)
        else:
            assert until > now
            again = Gcra(limit, per)
            again.arrival = gcra.arrival
            assert again.ask(until - 1) is not None, "no earlier"
            assert again.ask(until) is None, "no later"
    _most(starts, limit, per / limit)
    assert len(starts) >= min(limit, len(gaps))


@settings(deadline=None, max_examples=60)
@given(LIMITS, PERIODS, GAPS)
def test_a_rate_without_a_line_is_gcra(
    client: "redis.Redis", limit: int, per: int, gaps: list[float]
) -> None:
    client.flushall()
    queue, gcra, rate = (
        LimitedQueue(client, start=EPOCH),
        Gcra(limit, per),
        RateLimit("r", limit, per),
    )
    for n, gap in enumerate(gaps):
        queue.wait(round(gap * per / limit))
        queue.add(f"j{n}")
        until = gcra.ask(queue.now)
        assert queue.run(rate) == {f"j{n}": Go() if until is None else Wait(until)}
        queue.cancel(f"j{n}")


@settings(deadline=None, max_examples=60)
@given(LIMITS, PERIODS, GAPS, st.data())
def test_who_waits_for_a_rate_is_refused_once_and_starts_in_order(
    client: "redis.Redis", limit: int, per: int, gaps: list[float], data: st.DataObject
) -> None:
    """Also when the queue serves each a little late, up to a tenth of the rate's interval."""
    client.flushall()
    queue, rate = LimitedQueue(client, start=EPOCH), RateLimit("r", limit, per)
    late = min(per / limit / 10, 1000)
    arrivals, now = [], EPOCH
    for n, gap in enumerate(gaps):
        now += round(gap * per / limit)
        arrivals.append((now, f"j{n:02}"))
    waiting = dict(reversed([(job, at) for at, job in reversed(arrivals)]))
    queue.client.zadd(queue.key, waiting)
    starts: dict[str, int] = {}
    refusals: Counter[str] = Counter()
    while (due := queue.next_visible()) is not None:
        queue.wait_until(due + data.draw(st.integers(0, math.floor(late))))
        for job, answer in queue.run(rate).items():
            if isinstance(answer, Go):
                starts[job] = queue.now
            else:
                refusals[job] += 1
    assert list(starts) == [job for _, job in arrivals]
    assert set(refusals.values()) <= {1}
    _most(list(starts.values()), limit, per / limit, late)


class SlotsMachine(RuleBasedStateMachine):
    """Jobs of one key come, run, end and die; every one that lives renews its lease in time."""

    client: "redis.Redis"
    limit = 2

    def __init__(self) -> None:
        super().__init__()
        self.client.flushall()
        self.queue = LimitedQueue(self.client, start=EPOCH)
        self.slots = Slots("s", self.limit)
        self.running: dict[str, Want] = {}
        self.dead: dict[str, int] = {}
        """Until when those hold a slot whose worker died."""
        self.line: list[str] = []
        """Who was refused, in order."""
        self.unwritten: list[tuple[Want, Wait]] = []
        """Refusals that their worker has not yet written to the queue."""
        self.jobs = 0

    @rule(count=st.integers(1, 4))
    def arrive(self, count: int) -> None:
        for _ in range(count):
            self.jobs += 1
            self.queue.add(f"j{self.jobs:03}")

    @rule(count=st.integers(1, 5))
    def ask(self, count: int) -> None:
        wants = self.queue.claim(self.slots, count=count)
        for want, answer in zip(wants, self.queue.acquire(*wants), strict=True):
            if isinstance(answer, Go):
                self.running[want.job_id] = want
                self.dead.pop(want.job_id, None)
                if want.job_id in self.line:
                    self.line.remove(want.job_id)
            else:
                assert isinstance(answer, Wait)
                self.unwritten.append((want, answer))
                if want.job_id not in self.line:
                    self.line.append(want.job_id)

    @precondition(lambda self: self.unwritten)
    @rule()
    def write(self) -> None:
        for want, answer in self.unwritten:
            self.queue.settle(want, answer)
        self.unwritten = []

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.running)))
        self.queue.finish(self.running.pop(job))

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        job = data.draw(st.sampled_from(sorted(self.running)))
        del self.running[job]
        self.dead[job] = self.queue.visible_at(job)

    @rule(seconds=st.integers(1, 12))
    def pass_time(self, seconds: int) -> None:
        self.write()
        for _ in range(seconds):
            self.queue.wait(1000)
            self.queue.renew(*self.running.values())

    @invariant()
    def no_more_than_the_limit_run(self) -> None:
        assert len(self.running) <= self.limit

    @invariant()
    def a_free_place_is_offered_to_who_waits_first(self) -> None:
        """Whose asking calls the next one if there are more."""
        holding = sum(end > self.queue.now for end in self.dead.values())
        claimed = {want.job_id for want, _ in self.unwritten}
        asleep = [job for job in self.line if job not in claimed]
        if asleep and len(self.running) + holding < self.limit:
            assert self.queue.visible_at(asleep[0]) <= self.queue.now

    def teardown(self) -> None:
        """All end, and nothing is left."""
        self.write()
        for want in self.running.values():
            self.queue.finish(want)
        while (due := self.queue.next_visible()) is not None:
            self.queue.wait_until(due)
            self.queue.run(self.slots)
        assert self.queue.lifetimes() == {}


@pytest.mark.parametrize("limit", [1, 3])
def test_slots_in_any_order_of_events(client: "redis.Redis", limit: int) -> None:
    """M9: held slots never exceed the limit, and none is lost."""
    machine = type("Machine", (SlotsMachine,), {"client": client, "limit": limit})
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, max_examples=40, stateful_step_count=30)
    )
