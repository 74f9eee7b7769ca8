"""Slots and singletons on a real Valkey, and what a declaration asks for."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import pytest
import redis

from service.queue.declaration import job
from service.queue.policy import Concurrency, Rate
from tests.workers.limited_queue import EPOCH, LimitedQueue, own_server
from workers.engine.limits import (
    SCRIPT,
    Go,
    RateLimit,
    Skip,
    Slots,
    Wait,
    Want,
    renewal,
    wants_of,
)

LEASE = 10_000
ONE = Slots("posts.publish:account=7", 1)
TWO = Slots("posts.publish", 2)
FIVE_PER_MINUTE = RateLimit("posts.publish", 5, 60_000)
SINGLETON = Slots("backups.run", 1, skip=True)


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


def test_who_finds_no_slot_waits_for_a_lease_to_end(queue: LimitedQueue) -> None:
    queue.add("a", "b", "c", "d", "e")
    end = EPOCH + LEASE
    assert queue.ask(TWO) == {
        "a": Go(),
        "b": Go(),
        "c": Wait(end),
        "d": Wait(end),
        "e": Wait(end + LEASE),
    }


def test_a_free_slot_calls_exactly_the_next_one(queue: LimitedQueue) -> None:
    queue.add("a", "b", "c", "d")
    queue.ask(TWO)
    queue.wait(1000)
    queue.end("b", TWO)
    assert [queue.visible_at(job) for job in "acd"] == [EPOCH + LEASE, EPOCH, EPOCH + LEASE]
    assert queue.ask(TWO) == {"c": Go()}


def test_the_one_called_keeps_its_slot_from_who_comes_first(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    queue.ask(ONE)
    queue.end("a", ONE)
    queue.client.zadd(queue.key, {"new": EPOCH - 1})
    (new,) = queue.claim(ONE, count=1)
    assert new.job_id == "new"
    assert queue.acquire(new) == [Wait(EPOCH + LEASE)]
    assert queue.ask(ONE) == {"w": Go()}


def test_one_batch_is_let_in_in_the_order_of_the_line(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    queue.ask(ONE)
    queue.end("a", ONE)
    queue.client.zadd(queue.key, {"new": EPOCH - 1})
    # Behind the holder comes the rank of one in the line.
    assert queue.ask(ONE) == {"new": Wait(EPOCH + LEASE), "w": Go()}


def test_a_claimed_job_is_not_called_but_told_after_its_snooze(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    a, w = queue.claim(ONE)
    assert queue.acquire(a, w) == [Go(), Wait(EPOCH + LEASE)]
    queue.finish(a)
    assert queue.visible_at("w") == EPOCH + LEASE, "the lease of its claim"
    queue.snooze(w, EPOCH + LEASE)
    assert queue.visible_at("w") == EPOCH


@pytest.mark.parametrize("lane", ["low", "high"])
def test_a_lane_is_moved_with_the_queue(queue: LimitedQueue, lane: str) -> None:
    queue.add("a", "w")
    queue.ask(ONE)
    ageing = 300_000 if lane == "low" else 0
    queue.client.zadd(queue.key, {"w": EPOCH + LEASE + ageing})
    queue.client.zadd(f"{queue.key}:{lane}", {"w": EPOCH + LEASE})
    queue.end("a", ONE)
    assert queue.client.zscore(f"{queue.key}:{lane}", "w") == EPOCH
    assert queue.visible_at("w") == EPOCH + ageing
    other = {"low": "high", "high": "low"}[lane]
    assert queue.client.exists(f"{queue.key}:{other}") == 0


def test_a_job_that_arq_itself_runs_is_not_touched(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    queue.ask(ONE)
    queue.client.set("arq:in-progress:w", "1")
    queue.end("a", ONE)
    assert queue.visible_at("w") == EPOCH + LEASE


def test_a_holder_that_dies_frees_its_slot_at_lease_end(queue: LimitedQueue) -> None:
    """R27: a per-key limit's holder is killed; the slot is free at lease end."""
    queue.add("dead", "w")
    queue.ask(ONE)
    queue.cancel("dead")
    queue.wait(LEASE - 1)
    assert queue.ask(ONE) == {}
    queue.wait(1)
    assert queue.ask(ONE) == {"w": Go()}


def test_a_renewed_holder_keeps_its_slot(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    a, w = queue.claim(ONE)
    queue.settle(w, queue.acquire(a, w)[1])
    queue.wait(LEASE // 2)
    queue.renew(a)
    queue.wait(LEASE // 2)
    assert queue.ask(ONE) == {"w": Wait(EPOCH + LEASE // 2 + LEASE)}


def test_a_job_that_runs_again_after_a_crash_has_its_slot_still(queue: LimitedQueue) -> None:
    queue.add("a")
    queue.ask(ONE)
    queue.client.zadd(queue.key, {"a": EPOCH})  # released by its supervisor
    assert queue.ask(ONE) == {"a": Go()}
    assert queue.client.zcard("almanac:limit:slots:posts.publish:account=7") == 1


def test_a_stale_owner_neither_frees_nor_renews(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    stale, w = queue.claim(ONE)
    queue.settle(w, queue.acquire(stale, w)[1])
    queue.client.zadd(queue.key, {"a": EPOCH})
    (again,) = queue.claim(ONE)
    assert queue.acquire(again) == [Go()]
    queue.free(stale)
    assert queue.visible_at("w") == EPOCH + LEASE
    assert queue.client.zscore("almanac:limit:slots:posts.publish:account=7", "a")
    queue.finish(again)
    queue.renew(stale)
    assert queue.ask(ONE) == {"w": Go()}


def test_a_lease_that_ended_while_redis_was_away_is_taken_again(queue: LimitedQueue) -> None:
    queue.add("a", "w")
    a, w = queue.claim(ONE)
    queue.settle(w, queue.acquire(a, w)[1])
    queue.client.delete("almanac:limit:slots:posts.publish:account=7", "almanac:limit:job:a")
    queue.wait(2 * LEASE)
    queue.renew(a)
    assert queue.ask(ONE) == {"w": Wait(EPOCH + 3 * LEASE)}


def test_a_claim_of_its_own_may_be_renewed(queue: LimitedQueue) -> None:
    """Jobs claimed alone have tokens with a suffix."""
    queue.add("a")
    (a,) = queue.claim(ONE)
    queue.acquire(a)
    queue.client.hset(queue.key + ":claims", "a", a.claim + ":started")
    queue.wait(LEASE // 2)
    queue.renew(a)
    slots = "almanac:limit:slots:posts.publish:account=7"
    assert queue.client.zscore(slots, "a") == EPOCH + LEASE // 2 + LEASE


def test_renewal_is_one_call_for_what_has_slots(queue: LimitedQueue) -> None:
    queue.add("a", "b")
    a, b = queue.claim(ONE)
    only_rate = Want(b.job_id, b.claim, (FIVE_PER_MINUTE,))
    assert renewal([only_rate], LEASE) is None
    queue.acquire(a)
    arguments = renewal([a, only_rate], 60_000)
    assert arguments is not None
    assert queue.client.eval(SCRIPT, 1, queue.key, *arguments) == 1
    slots = queue.lifetimes()["almanac:limit:slots:posts.publish:account=7"]
    assert 59_000 < slots <= 60_000


def test_a_supervisor_frees_what_its_child_held(queue: LimitedQueue) -> None:
    queue.add("a", "b", "w")
    queue.ask(TWO)
    queue.client.zadd(queue.key, {"b": EPOCH})
    other = LimitedQueue(queue.client, "other", start=EPOCH)
    assert other.ask(TWO) == {"b": Go()}
    queue.free_all("w", "a", "b", "unknown")
    assert queue.client.zrange("almanac:limit:slots:posts.publish", 0, -1) == [b"b"]
    assert queue.visible_at("w") == EPOCH


def test_a_second_start_of_a_singleton_is_skipped_and_says_so(queue: LimitedQueue) -> None:
    """G085: start the same singleton twice at once: the second skips and says so."""
    queue.add("first", "second")
    assert queue.ask(SINGLETON) == {"first": Go(), "second": Skip("first")}
    assert queue.client.zrange(queue.key, 0, -1) == [b"first"]
    queue.end("first", SINGLETON)
    queue.add("third")
    assert queue.ask(SINGLETON) == {"third": Go()}


def test_a_singleton_minds_no_line_of_an_older_declaration(queue: LimitedQueue) -> None:
    once_waited = Slots(SINGLETON.name, 1)
    queue.add("a", "b")
    queue.ask(once_waited)
    queue.end("a", once_waited)
    queue.client.zadd(queue.key, {"new": EPOCH - 1})
    (new,) = queue.claim(SINGLETON, count=1)
    assert queue.acquire(new) == [Go()]


def test_who_is_cancelled_while_it_waits_leaves_the_line(queue: LimitedQueue) -> None:
    ids = [f"w{n:03}" for n in range(250)]
    queue.add("a", *ids)
    for _ in range(3):
        queue.ask(ONE)
    queue.cancel(*ids[:-1])
    queue.end("a", ONE)
    assert queue.ask(ONE) == {ids[-1]: Go()}
    assert queue.client.exists("almanac:limit:slots-waiting:posts.publish:account=7") == 0


def test_fifty_workers_never_run_more_than_the_limit(client: "redis.Redis") -> None:
    """I7: the greatest concurrency seen of each key is its limit, also when holders die."""
    client.flushall()
    limits = [Slots(f"x.y:key={limit}", limit) for limit in (1, 2, 5)]
    jobs = {f"{slots.limit}-{n}": slots for slots in limits for n in range(80)}
    LimitedQueue(client).add(*jobs)
    crew = _Crew(client, jobs)
    threads = [threading.Thread(target=crew.work, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crew.errors == []
    assert crew.done == jobs.keys()
    assert crew.most == {slots.name: slots.limit for slots in limits}
    assert set(LimitedQueue(client).lifetimes()) == set()


class _Crew:
    """Workers in threads, and what they see of each other."""

    def __init__(self, client: "redis.Redis", jobs: dict[str, Slots]) -> None:
        self.client = client
        self.jobs = jobs
        self.done: set[str] = set()
        self.most: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._running: Counter[str] = Counter()
        self._to_die = {f"{slots.limit}-7" for slots in jobs.values()}
        self._lock = threading.Lock()

    def work(self, number: int) -> None:
        """Claim and run until nothing is left."""
        queue = LimitedQueue(self.client, f"w{number}", lease=2500)
        deadline = time.monotonic() + 60
        try:
            while self.client.exists(queue.key):
                assert time.monotonic() < deadline, f"{len(self.done)} done after 60 s"
                self._round(queue)
        except BaseException as error:  # noqa: BLE001 - reported by the thread of the test
            self.errors.append(error)

    def _round(self, queue: LimitedQueue) -> None:
        claimed = queue.claim(count=3)
        wants = [Want(w.job_id, w.claim, (self.jobs[w.job_id],)) for w in claimed]
        started = []
        for want, answer in zip(wants, queue.acquire(*wants), strict=True):
            queue.settle(want, answer)
            if isinstance(answer, Go):
                self._start(self.jobs[want.job_id].name)
                started.append(want)
        time.sleep(random.uniform(0.005, 0.02))
        for want in started:
            if not self._dies(want):
                queue.finish(want)

    def _start(self, name: str) -> None:
        with self._lock:
            self._running[name] += 1
            self.most[name] = max(self.most[name], self._running[name])

    def _dies(self, want: Want) -> bool:
        with self._lock:
            self._running[self.jobs[want.job_id].name] -= 1
            if want.job_id in self._to_die:
                self._to_die.remove(want.job_id)
                return True
            self.done.add(want.job_id)
            return False


@job(
    "limited.publish",
    queue="posts",
    coroutine="tests.none",
    rate=Rate(5, per=60, key="platform"),
    concurrency=Concurrency(2, key="account"),
)
async def publish(account: UUID, platform: str = "feed") -> None:
    """Publish something."""


@job(
    "limited.backup",
    queue="posts",
    coroutine="tests.none",
    concurrency=Concurrency(1, busy="skip"),
)
async def backup() -> None:
    """Back up."""


@job(
    "limited.secret",
    queue="posts",
    coroutine="tests.none",
    sensitive=True,
    rate=Rate(10_000, per=0.5, key="address"),
)
async def secret(address: str) -> None:
    """Send a letter."""


@job("limited.free", queue="posts", coroutine="tests.none")
async def unlimited() -> None:
    """Do as you please."""


def test_a_declaration_becomes_limits_by_the_values_of_its_arguments() -> None:
    account = UUID(int=7)
    expected = Want(
        "id",
        "w:1",
        (
            Slots("limited.publish:account=00000000-0000-0000-0000-000000000007", 2),
            RateLimit("limited.publish:platform=feed", 5, 60_000),
        ),
    )
    assert wants_of(publish, "id", "w:1", {"account": account}) == expected
    assert wants_of(publish, "id", "w:1", {"account": str(account), "platform": "feed"}) == expected
    assert wants_of(backup, "id", "w:1", {}) == Want(
        "id", "w:1", (Slots("limited.backup", 1, skip=True),)
    )
    assert wants_of(unlimited, "id", "w:1", {}) is None


def test_no_key_shows_a_sensitive_argument_or_grows_with_one() -> None:
    want = wants_of(secret, "id", "w:1", {"address": "ann@example.com"})
    assert want is not None
    assert want.limits == (
        RateLimit(
            "limited.secret:address=sha256-"
            "71d4f55f72fa128dfb468a1a3901507c804b74316488744d769d7f4b16696476",
            10_000,
            500,
        ),
    )
    long = wants_of(publish, "id", "w:1", {"account": UUID(int=7), "platform": "x" * 101})
    assert long is not None
    assert len(long.limits[1].name) == len("limited.publish:platform=sha256-") + 64
