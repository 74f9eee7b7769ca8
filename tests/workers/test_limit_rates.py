"""Rates, alone and together with slots, on a real Valkey."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
import redis

from tests.workers.limited_queue import EPOCH, LimitedQueue, own_server
from workers.engine.limits import Go, RateLimit, Slots, Wait, Want

LEASE = 10_000
ONE = Slots("posts.publish:account=7", 1)
TWO = Slots("posts.publish", 2)
FIVE_PER_MINUTE = RateLimit("posts.publish", 5, 60_000)


@pytest.fixture(scope="module")
def client() -> Iterator["redis.Redis"]:
    """A server of these tests' own."""
    with own_server() as client:
        yield client


@pytest.fixture
def queue(client: "redis.Redis") -> LimitedQueue:
    """An empty queue whose clock stands."""
    client.flushall()
    return LimitedQueue(client, start=EPOCH)


def test_ten_jobs_at_five_a_minute_take_a_minute(queue: LimitedQueue) -> None:
    """G065: at 5/min, 10 jobs take more than 1 min, and each is refused once at most."""
    ids = [f"j{n}" for n in range(10)]
    queue.add(*ids)
    starts, refusals = _drive(queue, FIVE_PER_MINUTE)
    assert list(starts) == ids
    assert [at - EPOCH for at in starts.values()] == [0] * 5 + [12_000 * n for n in range(1, 6)]
    assert refusals == Counter(ids[5:])


def test_a_start_that_is_late_for_its_turn_delays_nobody(queue: LimitedQueue) -> None:
    queue.add("a", "b", "c", "d")
    lateness = iter([0, 900, 0, 0])
    rate = RateLimit("x.y", 1, 10_000)
    starts, refusals = _drive(queue, rate, lateness=lambda: next(lateness))
    assert [at - EPOCH for at in starts.values()] == [0, 10_900, 20_000, 30_000]
    assert refusals == Counter("bcd")


def test_the_line_is_in_the_order_of_refusals_within_a_millisecond(queue: LimitedQueue) -> None:
    queue.add(*"azby")
    claimed = {want.job_id: want for want in queue.claim(ONE)}
    for batch in ("az", "yb"):
        queue.acquire(*(claimed[job] for job in batch))
    line = "almanac:limit:slots-waiting:posts.publish:account=7"
    assert queue.client.zrange(line, 0, -1) == [b"z", b"y", b"b"]


def test_after_a_pause_those_who_wait_do_not_start_at_once(queue: LimitedQueue) -> None:
    rate = RateLimit("x.y", 2, 20_000)
    queue.add(*"abcdefgh")
    queue.run(rate)
    queue.wait(3_600_000)
    back = queue.now
    assert queue.run(rate) == {
        "c": Go(),
        "d": Go(),
        "e": Wait(back + 10_000),
        "f": Wait(back + 20_000),
        "g": Wait(back + 30_000),
        "h": Wait(back + 40_000),
    }


def test_a_cancelled_job_gives_its_turn_back(queue: LimitedQueue) -> None:
    many = [f"w{n:03}" for n in range(300)]
    queue.add(*many)
    for _ in range(3):
        queue.run(FIVE_PER_MINUTE)
    queue.cancel(*many[5:])
    queue.add("late")
    assert queue.ask(FIVE_PER_MINUTE) == {"late": Wait(EPOCH + 12_000)}


def test_who_waits_behind_the_cancelled_is_called_by_the_next_start(queue: LimitedQueue) -> None:
    queue.add(*"abcdefghij")
    queue.run(FIVE_PER_MINUTE)
    queue.cancel("g", "h", "i")
    assert queue.visible_at("j") == EPOCH + 60_000
    queue.wait(12_000)
    assert queue.run(FIVE_PER_MINUTE) == {"f": Go()}
    assert queue.visible_at("j") == EPOCH + 24_000


def test_a_repeat_counts_once_and_a_retry_counts_again(queue: LimitedQueue) -> None:
    rate = RateLimit("x.y", 2, 60_000)
    queue.add("a")
    (a,) = queue.claim(rate)
    assert queue.acquire(a) == [Go()]
    assert queue.acquire(a) == [Go()], "its reply was lost"
    queue.snooze(a, EPOCH)
    (retry,) = queue.claim(rate)
    assert queue.acquire(retry) == [Go()]
    queue.snooze(retry, EPOCH)
    assert queue.ask(rate) == {"a": Wait(EPOCH + 30_000)}


def test_a_repeat_of_any_answer_is_the_same_answer(queue: LimitedQueue) -> None:
    queue.add(*"abc")
    wants = queue.claim(TWO, RateLimit("x.y", 9, 60_000))
    first = queue.acquire(*wants)
    assert first == [Go(), Go(), Wait(EPOCH + LEASE)]
    dump = queue.client.zrange("almanac:limit:slots-waiting:posts.publish", 0, -1, withscores=True)
    assert queue.acquire(*wants) == first
    assert dump == queue.client.zrange(
        "almanac:limit:slots-waiting:posts.publish", 0, -1, withscores=True
    )


def test_a_job_gets_all_its_limits_or_none(queue: LimitedQueue) -> None:
    rate = RateLimit("x.y", 1, 60_000)
    queue.add("a")
    queue.run(rate)
    queue.add("b")
    assert queue.ask(ONE, rate) == {"b": Wait(EPOCH + 60_000)}
    queue.wait_until(EPOCH + 59_000)
    queue.add("c")
    assert queue.ask(ONE) == {"c": Go()}, "b keeps no slot while it waits for the rate"
    queue.wait_until(EPOCH + 60_000)
    assert queue.ask(ONE, rate) == {"b": Wait(EPOCH + 59_000 + LEASE)}
    queue.add("d")
    assert queue.ask(rate) == {"d": Go()}, "b uses no start while it waits for the slot"


def test_a_crashed_run_s_slot_is_given_up_while_the_job_waits(queue: LimitedQueue) -> None:
    rate = RateLimit("x.y", 1, 60_000)
    queue.add("a")
    assert queue.ask(ONE, rate) == {"a": Go()}
    queue.client.zadd(queue.key, {"a": EPOCH})  # released by its supervisor
    assert queue.ask(ONE, rate) == {"a": Wait(EPOCH + 60_000)}
    queue.add("b")
    assert queue.ask(ONE) == {"b": Go()}


def test_a_place_that_its_next_one_cannot_use_goes_to_the_one_behind(queue: LimitedQueue) -> None:
    rate = RateLimit("x.y", 1, 60_000)
    queue.add("a")
    a, b, c = (Want(job, f"w:{job}", (ONE,)) for job in "abc")
    both = Want(b.job_id, b.claim, (ONE, rate))
    queue.add(*"abc")
    queue.claim()
    assert queue.acquire(a, both, c) == [Go(), Wait(EPOCH + LEASE), Wait(EPOCH + 2 * LEASE)]
    queue.snooze(both, EPOCH + LEASE)
    queue.snooze(c, EPOCH + 2 * LEASE)
    queue.add("r")
    (r,) = queue.claim(rate)
    assert queue.acquire(r) == [Go()]
    queue.finish(a)
    assert queue.visible_at("b") == EPOCH
    assert queue.ask(ONE, rate) == {"b": Wait(EPOCH + 60_000)}
    assert queue.visible_at("c") == EPOCH


def test_nothing_of_a_limit_outlives_its_jobs(queue: LimitedQueue) -> None:
    """I5: no key of a limit without an end, and none once all is done and the rate is free."""
    limits = (TWO, RateLimit("x.y", 3, 60))
    queue.add(*"abcdefgh")
    queue.ask(*limits)
    kinds = {key.split(":")[2] for key in queue.lifetimes()}
    assert kinds == {"slots", "slots-waiting", "rate", "job"}
    assert all(ms > 0 for ms in queue.lifetimes().values())
    for job_id in "ab":
        queue.end(job_id, *limits)
    _drive(queue, *limits)
    left = queue.lifetimes()
    assert set(left) == {"almanac:limit:rate:x.y"}
    assert 500 < left.popitem()[1] <= 1_060, "as long as a start may be late"


def _drive(
    queue: LimitedQueue,
    *limits: RateLimit | Slots,
    lateness: Callable[[], int] = lambda: 0,
) -> tuple[dict[str, int], Counter[str]]:
    """Run jobs that take no time until none is left; return their starts and refusals."""
    starts: dict[str, int] = {}
    refusals: Counter[str] = Counter()
    while (due := queue.next_visible()) is not None:
        queue.wait_until(due + lateness())
        for job_id, answer in queue.ask(*limits).items():
            if isinstance(answer, Go):
                starts[job_id] = queue.now
                queue.end(job_id, *limits)
            else:
                refusals[job_id] += 1
    return starts, refusals
