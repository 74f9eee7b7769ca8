"""Several queues in one process: the more urgent first, none for ever last."""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from arq import func

from service.queue import QueueClient, connect, queue_key
from tests.engine.bench import until
from workers.engine import Context, Worker
from workers.engine.slots import Slots

pytestmark = pytest.mark.asyncio


class Order:
    """Which queue's jobs started, in order; each takes a moment."""

    def __init__(self) -> None:
        self.queues: list[str] = []

    async def take(self, ctx: Context, queue: str) -> None:
        """Note the queue."""
        self.queues.append(queue)
        await asyncio.sleep(0.002)


@asynccontextmanager
async def sharing(url: str, order: Order, queues: Sequence[str]) -> AsyncIterator[None]:
    """Serve queues, the most urgent first, with one slot for all, as `Server` does."""
    slots = Slots(1, 1)
    async with AsyncExitStack() as stack:
        workers = []
        for queue in queues:
            client = await stack.enter_async_context(connect(url))
            workers.append(
                Worker(
                    [func(order.take, name="take")],
                    redis_pool=client,
                    queue_name=queue_key(queue),
                    handle_signals=False,
                    job_completion_wait=5,
                    slots=slots,
                )
            )
        tasks = [asyncio.create_task(worker.async_run()) for worker in workers]
        try:
            yield
        finally:
            for worker in workers:
                worker.handle_sig(signal.SIGTERM)
            async with asyncio.timeout(15):
                await asyncio.gather(*tasks)


async def fill(client: QueueClient, queues: Sequence[str], count: int) -> None:
    """Send so many jobs to each queue, the least urgent first."""
    for queue in reversed(queues):
        for _ in range(count):
            await client.enqueue_job("take", queue, _queue_name=queue_key(queue))


ROUTES = ("media", "emails", "users", "analytics", "maintenance")


async def test_a_mixed_backlog_is_drained_in_order(
    client: QueueClient, valkey_socket_url: str
) -> None:
    """N026-N030, N032: media, emails, users, analytics, maintenance."""
    order = Order()
    await fill(client, ROUTES, 20)
    async with sharing(valkey_socket_url, order, ROUTES):
        await until(lambda: len(order.queues) == 100, 20)
    # A tenth of the slots is the last queue's, so only its last job is the last of all.
    last = {queue: index for index, queue in enumerate(order.queues)}
    assert sorted(ROUTES, key=last.__getitem__) == list(ROUTES)
    assert order.queues[:40].count("media") >= 18


async def test_the_last_queue_is_not_starved(client: QueueClient, valkey_socket_url: str) -> None:
    """N030: while the first has a backlog, a tenth of the slots goes to the last."""
    order = Order()
    await fill(client, ("media", "maintenance"), 60)
    async with sharing(valkey_socket_url, order, ("media", "maintenance")):
        await until(lambda: len(order.queues) == 120, 20)
    assert 3 <= order.queues[:60].count("maintenance") <= 15


async def test_backups_before_notifications(client: QueueClient, valkey_socket_url: str) -> None:
    """K078, K079: in a mixed backlog backups start first, notifications are last."""
    order = Order()
    await fill(client, ("backups", "reports", "notifications"), 1)
    async with sharing(valkey_socket_url, order, ("backups", "reports", "notifications")):
        await until(lambda: len(order.queues) == 3)
    assert order.queues == ["backups", "reports", "notifications"]


async def test_a_media_job_overtakes_a_backlog(client: QueueClient, valkey_socket_url: str) -> None:
    """N026: with a backlog on maintenance, one media job starts next."""
    order = Order()
    await fill(client, ("maintenance",), 60)
    async with sharing(valkey_socket_url, order, ROUTES):
        await until(lambda: len(order.queues) >= 10)
        sent = len(order.queues)
        await fill(client, ("media",), 1)
        await until(lambda: len(order.queues) == 61, 20)
    assert order.queues.index("media") - sent <= 6


async def test_a_job_without_route_goes_to_default(client: QueueClient) -> None:
    """N031: what names no queue is in `default`."""
    handle = await client.enqueue_job("take", "default")
    assert handle is not None
    assert await client.zscore(queue_key("default"), handle.job_id) is not None
