"""Guessing passwords is limited, by name and by address, also without Redis."""

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
import pytest_asyncio

from service.access.throttle import MOST_COUNTERS, Throttle
from service.app import create_app
from service.errors import TooManyRequests
from service.queue import connect
from service.runtime import Runtime
from tests.support import Installation

from .helpers import Browser, new_user

pytestmark = pytest.mark.asyncio
WINDOW = timedelta(minutes=5)


@pytest_asyncio.fixture
async def browser(api: Installation) -> AsyncIterator[Browser]:
    """A browser at an API that lets three logins fail."""
    app = create_app(api.runtime.settings.model_copy(update={"login_attempts": 3}))
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a.test") as http:
            yield Browser(http)


async def test_a_name_may_fail_so_often(api: Installation, browser: Browser) -> None:
    """Then even the right password is refused, and not looked at."""
    await new_user(api, "ann")
    for _ in range(3):
        assert (await browser.log_in("ann", "wrong wrong wrong")).status_code == 401
    refused = await browser.log_in("ann")
    assert (refused.status_code, refused.json()["title"]) == (429, "Too Many Requests")
    assert 0 < int(refused.headers["retry-after"]) <= 300
    assert await api.count("sessions") == 0
    assert await api.count("audit_log") == 3
    keys = await api.runtime.queue.keys("almanac:login:*")
    assert len(keys) == 2
    for key in keys:
        assert 0 < await api.runtime.queue.pttl(key) <= 300_000
    await api.runtime.queue.delete(*keys)  # as the end of the window does
    assert (await browser.log_in("ann")).status_code == 201


async def test_an_address_may_fail_so_often(api: Installation, browser: Browser) -> None:
    """Whatever the names are; another address is none of it."""
    await new_user(api, "ann")
    for name in ("one", "two", "three"):
        assert (await browser.log_in(name)).status_code == 401
    assert (await browser.log_in("ann")).status_code == 429
    elsewhere = httpx.ASGITransport(browser.http._transport.app, client=("10.0.0.9", 1))  # type: ignore[attr-defined] # an ASGITransport
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://a.test") as http:
        assert (await Browser(http).log_in("ann")).status_code == 201


async def test_a_login_that_succeeds_does_not_count(api: Installation, browser: Browser) -> None:
    await new_user(api, "ann")
    for _ in range(2):
        assert (await browser.log_in("ann", "wrong wrong wrong")).status_code == 401
        assert (await browser.log_in("ann")).status_code == 201
    (by_address,) = await api.runtime.queue.keys("almanac:login:*")
    assert await api.runtime.queue.get(by_address) == b"2"


@pytest_asyncio.fixture
async def alone() -> AsyncIterator[Throttle]:
    """A limit of three, with no Redis."""
    client = connect("redis://127.0.0.1:1")
    yield Throttle(client, 3, WINDOW)
    await client.aclose()


async def test_without_redis_this_process_counts(alone: Throttle) -> None:
    for _ in range(3):
        await alone.begin("ann", "10.0.0.1")
    with pytest.raises(TooManyRequests) as refused:
        await alone.begin("ann", "10.0.0.2")
    assert 0 < refused.value.retry_after <= 300
    with pytest.raises(TooManyRequests):
        await alone.begin("bob", "10.0.0.1")
    await alone.begin("bob", "10.0.0.3")


async def test_without_redis_a_success_is_forgotten(alone: Throttle) -> None:
    for _ in range(5):
        await alone.begin("ann", "10.0.0.1")
        await alone.succeeded("ann", "10.0.0.1")


async def test_without_redis_memory_is_bounded(runtime: Runtime, alone: Throttle) -> None:
    """And full is closed, not open."""
    alone._counters = {str(n): (1, float("inf")) for n in range(MOST_COUNTERS)}
    with pytest.raises(TooManyRequests):
        await alone.begin("new", None)
    assert len(alone._counters) == MOST_COUNTERS
    alone._counters = {str(n): (1, 0.0) for n in range(MOST_COUNTERS)}
    await alone.begin("new", None)
    assert len(alone._counters) == 1


async def test_addresses_of_one_network_are_one(runtime: Runtime) -> None:
    """Somebody with a /64 has as many IPv6 addresses as they like."""
    throttle = Throttle(runtime.queue, 3, WINDOW)
    for n in range(3):
        await throttle.begin(f"user{n}", f"2001:db8::{n}")
    with pytest.raises(TooManyRequests):
        await throttle.begin("user9", "2001:db8::ffff:1")
    await throttle.begin("user9", "2001:db8:0:1::1")
