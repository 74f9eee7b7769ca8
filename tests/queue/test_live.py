"""Live events: written only while somebody watches, resumable, honest about gaps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from service.queue import HEADERS, QueueClient, cancel, live, purge
from service.queue.live import LIVE, WATCHED, LiveEvent
from tests.queue.examples import KEY, QUEUE, echo
from tests.queue.raw import raw

pytestmark = pytest.mark.asyncio


class Watcher:
    """Takes events from an open watch."""

    def __init__(self, events: AsyncIterator[LiveEvent]) -> None:
        self._events = events

    async def take(self, count: int) -> list[LiveEvent]:
        """Return the next events."""
        async with asyncio.timeout(10):
            return [await anext(self._events) for _ in range(count)]


@asynccontextmanager
async def watching(client: QueueClient, after: str | None = None) -> AsyncIterator[Watcher]:
    """Watch; from then on nothing is missed."""

    async def events() -> AsyncIterator[LiveEvent]:
        async for page in pages:
            for event in page:
                yield event

    async with aclosing(live.pages(client, after)) as pages:  # type: ignore[type-var] # a generator
        first = await anext(pages)

        async def all_events() -> AsyncIterator[LiveEvent]:
            for event in first:
                yield event
            async for event in events():
                yield event

        yield Watcher(all_events())


def told(events: list[LiveEvent]) -> list[tuple[str, str]]:
    """Return what became of which jobs."""
    return [(event.event, event.job) for event in events]


async def test_nothing_is_written_for_nobody(client: QueueClient) -> None:
    await client.enqueue(echo(number=1))
    assert await client.exists(LIVE, WATCHED) == 0
    await client.flushdb()


async def test_what_is_queued_cancelled_and_purged(client: QueueClient) -> None:
    """N025, N056, T074: with function, queue and who sent it; later ones with their time."""
    token = HEADERS.set({"actor": "ada"})
    try:
        async with watching(client) as watcher:
            later = datetime.now(UTC) + timedelta(seconds=60)
            await client.enqueue(echo(number=1).deferred(job_id="a"))
            await client.enqueue(echo(number=1).deferred(until=later, job_id="b"))
            await client.enqueue(echo(number=1).deferred(job_id="b"))  # refused, so not told
            await client.enqueue(echo(number=2).unique(60).deferred(job_id="c"))
            await client.requeue_many([echo(number=1).deferred(job_id=i) for i in "ad"])
            await cancel(client, "a")
            await purge(client, KEY)
            events = await watcher.take(8)
    finally:
        HEADERS.reset(token)
    assert told(events[:5]) == [
        ("queued", "a"), ("queued", "b"), ("queued", "c"), ("queued", "d"), ("cancelled", "a"),
    ]  # fmt: skip
    assert sorted(told(events[5:])) == [("cancelled", i) for i in "bcd"]
    assert {(event.name, event.queue, event.actor) for event in events} == {
        ("examples.echo", QUEUE, "ada")
    }
    assert [event.run_at is not None for event in events] == [False, True] + [False] * 6
    assert [event.id for event in events] == sorted({event.id for event in events})


async def test_from_an_event_on(client: QueueClient) -> None:
    """What came after it comes first, then what happens; nothing twice."""
    async with watching(client) as watcher:
        for job_id in "abc":
            await client.enqueue(echo(number=1).deferred(job_id=job_id))
        events = await watcher.take(3)
        async with watching(client, events[0].id) as again:
            await client.enqueue(echo(number=1).deferred(job_id="d"))
            seen = told(await again.take(3))
        assert seen == [("queued", "b"), ("queued", "c"), ("queued", "d")]
        assert told(await live.past(client, events[1].id)) == [("queued", "c"), ("queued", "d")]
    await client.flushdb()


async def test_events_that_are_gone(client: QueueClient) -> None:
    """An id that the stream does not have any more begins with a gap."""
    async with watching(client) as watcher:
        await client.enqueue(echo(number=1).deferred(job_id="a"))
        (event,) = await watcher.take(1)
        await raw(client, "XTRIM", LIVE, "MAXLEN", 0)
        await client.enqueue(echo(number=1).deferred(job_id="b"))
        async with watching(client, event.id) as again:
            assert told(await again.take(2)) == [("gap", ""), ("queued", "b")]
        assert told(await live.past(client, event.id)) == [("gap", ""), ("queued", "b")]
    await client.flushdb()


async def test_while_nobody_watched(client: QueueClient) -> None:
    """What happened then was written nowhere, and whoever goes on is told."""
    async with watching(client) as watcher:
        await client.enqueue(echo(number=1).deferred(job_id="a"))
        (event,) = await watcher.take(1)
    await client.delete(WATCHED)  # as it expires
    await client.enqueue(echo(number=1).deferred(job_id="b"))
    async with watching(client):
        await client.enqueue(echo(number=1).deferred(job_id="c"))
        async with watching(client, event.id) as again:
            assert told(await again.take(2)) == [("gap", ""), ("queued", "c")]
    await client.flushdb()


async def test_who_sent_it_is_not_to_be_forged(client: QueueClient) -> None:
    """Arguments that look like headers name nobody; where nobody looked, it says so."""
    async with watching(client) as watcher:
        await client.enqueue_job("x", '"h":{"actor":"eve"}', _job_id="a", _queue_name=KEY)
        await client.enqueue_job("x", {"h": {"actor": "eve"}}, _job_id="b", _queue_name=KEY)
        await client.enqueue_job("x", "e" * 9000, _job_id="c", _queue_name=KEY)
        events = await watcher.take(3)
    assert [(event.name, event.actor) for event in events] == [
        ("x", None),
        ("x", None),
        ("x", live.ANYBODY),
    ]
    await client.flushdb()


@pytest.mark.parametrize("text", ["", "1", "1-", "a-1", "1-1-1", "-1-1", "9" * 14 + "-0", "1-1\n"])
async def test_no_event_id(text: str) -> None:
    assert not live.is_event_id(text)


async def test_event_ids_are_ordered_by_number() -> None:
    assert live.is_event_id("1790000000000-12")
    assert live.position("9-2") < live.position("10-1") < live.position("10-10")
