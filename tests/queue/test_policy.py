"""When a job that failed runs again, and what a declaration may not say."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from service.queue import Concurrency, Rate, RetryPolicy, declared, job
from tests.queue.examples import Unknown

MIDDLE = 0.5
"""The random number that jitter leaves the wait unchanged for."""


class TooManyRequests(Exception):
    """An error that says how long to wait."""

    def __init__(self, retry_after: object) -> None:
        super().__init__()
        self.retry_after = retry_after


class Unauthorized(Exception):
    """An error that no repeat can cure."""


def waits(policy: RetryPolicy, error: BaseException | None, random: float = MIDDLE) -> list[float]:
    """Return the waits between the runs of a job that always fails."""
    found: list[float] = []
    for run in itertools.count(1):
        wait = policy.delay_before(run, error, random)
        if wait is None:
            return found
        found.append(wait)
    raise AssertionError


@st.composite
def policies(draw: Callable[[st.SearchStrategy[Any]], Any]) -> RetryPolicy:
    delay = draw(st.floats(0, 1e6))
    return RetryPolicy(
        tries=draw(st.integers(1, 10_000)),
        delay=delay,
        factor=draw(st.floats(1, 1e9)),
        cap=draw(st.floats(delay, 1e9)),
        jitter=draw(st.floats(0, 1)),
    )


def test_waits_grow_by_the_factor() -> None:
    """G083, V015: attempt times grow by two."""
    policy = RetryPolicy(tries=6, delay=1, factor=2, cap=3600, jitter=0)
    assert waits(policy, OSError()) == [1, 2, 4, 8, 16]


def test_three_retries_of_a_minute_doubled() -> None:
    """T052: at most three retries, 60·2ⁿ seconds apart."""
    policy = RetryPolicy(tries=4, delay=60, factor=2, jitter=0)
    assert waits(policy, OSError()) == [60, 120, 240]


def test_each_job_has_its_own_limit() -> None:
    """V045: the limit differs per job and is respected."""

    @job("policies.one", queue="examples", coroutine="x.y", retry=RetryPolicy(tries=1))
    async def one() -> None:
        """Run once."""

    @job("policies.three", queue="examples", coroutine="x.y", retry=RetryPolicy(tries=3))
    async def three() -> None:
        """Run three times."""

    found = {name: declared()[name].retry for name in ("policies.one", "policies.three")}
    assert [len(waits(policy, OSError())) + 1 for policy in found.values()] == [1, 3]


def test_errors_have_their_own_strategies() -> None:
    """V044, V046: what cannot be cured ends, what asks for time gets it, the rest backs off."""
    policy = RetryPolicy(tries=9, delay=1, jitter=0, permanent=(Unauthorized, ValueError))
    assert policy.delay_before(1, Unauthorized(), MIDDLE) is None
    assert policy.delay_before(1, UnicodeError(), MIDDLE) is None
    assert policy.delay_before(3, TooManyRequests(7200.5), MIDDLE) == 7200.5
    assert policy.delay_before(3, ConnectionError(), MIDDLE) == 4
    assert policy.delay_before(3, TimeoutError(), MIDDLE) == 4
    assert policy.delay_before(3, None, MIDDLE) == 4


def test_the_nearest_listed_class_decides() -> None:
    policy = RetryPolicy(permanent=(OSError,), transient=(ConnectionError, KeyError))
    transient = (ConnectionError(), ConnectionResetError(), KeyError())
    permanent = (OSError(), FileNotFoundError(), TimeoutError(), Unknown(), KeyboardInterrupt())
    assert all(policy.delay_before(1, error, MIDDLE) is not None for error in transient)
    assert all(policy.delay_before(1, error, MIDDLE) is None for error in permanent)


@pytest.mark.parametrize("asked", [None, "30", -1, float("nan"), float("inf")])
def test_an_unusable_retry_after_asks_for_nothing(asked: object) -> None:
    policy = RetryPolicy(delay=3, jitter=0)
    assert policy.delay_before(1, TooManyRequests(asked), MIDDLE) == 3


def test_retry_after_gives_no_more_tries() -> None:
    assert RetryPolicy(tries=2).delay_before(2, TooManyRequests(1), MIDDLE) is None


@given(policies(), st.integers(1, 12_000), st.floats(0, 1))
def test_no_wait_is_early_or_beyond_the_cap(policy: RetryPolicy, run: int, random: float) -> None:
    """G083: whatever the policy, the wait lies within the jitter around the backoff."""
    wait = policy.delay_before(run, OSError(), random)
    if run >= policy.tries:
        assert wait is None
        return
    assert wait is not None
    assert policy.delay * (1 - policy.jitter) <= wait * (1 + 1e-9)
    assert wait <= policy.cap * (1 + policy.jitter) * (1 + 1e-9)


@given(policies(), st.integers(1, 2_000))
def test_without_jitter_waits_never_shrink(policy: RetryPolicy, run: int) -> None:
    assume(run + 1 < policy.tries)
    first = policy.delay_before(run, None, MIDDLE)
    second = policy.delay_before(run + 1, None, MIDDLE)
    assert first is not None
    assert second is not None
    assert policy.delay <= first <= second <= policy.cap


@given(policies(), st.integers(1, 100), st.floats(0, 1e9), st.floats(0, 1))
def test_a_platform_that_names_a_time_is_never_asked_early(
    policy: RetryPolicy, run: int, asked: float, random: float
) -> None:
    """V046: 429 waits Retry-After."""
    assume(run < policy.tries)
    assert policy.delay_before(run, TooManyRequests(asked), random) == asked


def contradictions() -> Iterator[tuple[Callable[[], object], str]]:
    yield lambda: RetryPolicy(tries=0), r"RetryPolicy: tries is 0"
    yield lambda: RetryPolicy(delay=-1), r"RetryPolicy: delay is -1"
    yield lambda: RetryPolicy(delay=float("nan")), r"RetryPolicy: delay is nan"
    yield lambda: RetryPolicy(factor=0.5), r"RetryPolicy: factor is 0\.5"
    yield lambda: RetryPolicy(delay=10, cap=9), r"cap is 9; .* at least delay, which is 10"
    yield lambda: RetryPolicy(cap=float("inf")), r"RetryPolicy: cap is inf"
    yield lambda: RetryPolicy(jitter=1.1), r"RetryPolicy: jitter is 1\.1"
    yield (
        lambda: RetryPolicy(permanent=(ValueError,), transient=(ValueError, OSError)),
        r"ValueError is both in permanent and transient",
    )
    yield lambda: Rate(0, 60), r"Rate: limit is 0"
    yield lambda: Rate(1, 0), r"Rate: per is 0"
    yield lambda: Concurrency(0), r"Concurrency: limit is 0"
    yield lambda: Concurrency(1, busy="drop"), r"busy is 'drop'"  # type: ignore[arg-type] # on purpose


@pytest.mark.parametrize(("make", "message"), list(contradictions()))
def test_contradictions_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


async def stub(account: str) -> None:
    """Do it."""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"timeout": 0}, r"timeout is 0"),
        ({"timeout": 10, "soft_timeout": 10}, r"soft_timeout is 10; .* less than timeout.* is 10"),
        ({"soft_timeout": 0}, r"soft_timeout is 0"),
        ({"keep_result": -1}, r"keep_result is -1"),
        ({"lane": "urgent"}, r"lane is 'urgent'"),
        ({"owner": "posts"}, r"owner 'posts' is no dotted path"),
        ({"rate": Rate(1, 60, key="host")}, r"rate\.key 'host' names no parameter; .*: account"),
        ({"concurrency": Concurrency(1, key="")}, r"concurrency\.key '' names no parameter"),
    ],
)
def test_declarations_that_cannot_hold_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"job policies\.unfit: {message}"):
        job("policies.unfit", queue="examples", coroutine="x.y", **options)(stub)
    assert "policies.unfit" not in declared()


def test_a_declaration_carries_its_policy() -> None:
    """G080: the declared lane is the call's, unless the call says otherwise."""
    declare = job(
        "policies.full",
        queue="examples",
        coroutine="x.y",
        timeout=60,
        soft_timeout=50,
        rate=Rate(10, 60, key="account"),
        concurrency=Concurrency(1, key="account", busy="skip"),
        lane="low",
        sensitive=True,
        owner="x.y.Owner",
    )
    full = declare(stub)
    assert (full.soft_timeout, full.lane, full.sensitive, full.owner) == (
        50,
        "low",
        True,
        "x.y.Owner",
    )
    assert (full.rate, full.concurrency) == (
        Rate(10, 60, "account"),
        Concurrency(1, "account", "skip"),
    )
    assert full("me").lane == "low"
    assert full(account="me").in_lane("high").lane == "high"
