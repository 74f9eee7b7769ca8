"""Reading the stream of events: each entry once, whatever became of the stream meanwhile."""

import pytest

from service.queue import QueueClient, queue_key
from service.queue.events import Offset, Page, read_events, stream_key, streams_with_events
from tests.queue.raw import raw

pytestmark = pytest.mark.asyncio
KEY = queue_key("events")
STREAM = stream_key(KEY)


async def add(client: QueueClient, *jobs: str, entry: str = "*") -> None:
    fields = [part for job in jobs for part in (job, f"result of {job}")]
    await raw(client, "XADD", STREAM, entry, "", "host:1", *fields)


async def read(client: QueueClient, offset: Offset, entries: int = 100) -> Page:
    return await read_events(client, KEY, offset, entries=entries, size=1_000_000)


def ids(page: Page) -> list[str]:
    return [event.job_id.decode() for event in page.events]


async def test_what_is_behind_the_offset_is_forgotten(client: QueueClient) -> None:
    """Reading without moving the offset forgets nothing."""
    assert await streams_with_events(client, [KEY]) == []
    for job in "abc":
        await add(client, job, job.upper())
    assert await streams_with_events(client, [KEY, queue_key("other")]) == [KEY]
    first = await read(client, Offset(), entries=2)
    assert ids(first) == ["a", "A", "b", "B"]
    assert (first.entries, first.gone) == (2, 0)
    assert first.events[0].worker == "host:1"
    assert first.events[0].result == b"result of a"
    assert await read(client, Offset(), entries=2) == first
    second = await read(client, first.offset)
    assert (ids(second), second.gone) == (["c", "C"], 2)
    assert await client.xlen(STREAM) == 1
    last = await read(client, second.offset)
    assert (ids(last), last.gone, last.offset) == ([], 3, second.offset)
    assert await client.xlen(STREAM) == 0


async def test_a_wiped_stream_begins_anew(client: QueueClient) -> None:
    """Its offset says nothing of the new one, whose ids may be lower: the clock is slower."""
    await add(client, "a", entry="5000-3")
    before = await read(client, Offset())
    await client.flushdb()
    await add(client, "b", entry="4000-0")
    after = await read(client, before.offset)
    assert ids(after) == ["b"]
    assert after.offset.generation != before.offset.generation
    assert (after.offset.last_id, after.gone) == ("4000-0", 0)


async def test_after_a_failover_to_a_slower_clock_nothing_is_skipped(client: QueueClient) -> None:
    """The copy lacks the last entry: what comes after gets an id beyond the offset."""
    await add(client, "a", entry="5000-0")
    first = await read(client, Offset())
    offset = Offset(first.offset.generation, "9999999999999-7")
    assert ids(await read(client, offset)) == []
    await add(client, "b")
    assert ids(await read(client, offset)) == ["b"]


async def test_what_the_cap_dropped_is_told(client: QueueClient) -> None:
    """The entries that have gone, less those that were read."""
    for number in range(10):
        await add(client, str(number))
    first = await read(client, Offset(), entries=2)
    await client.xtrim(STREAM, maxlen=5, approximate=False)
    second = await read(client, first.offset)
    assert ids(second) == ["5", "6", "7", "8", "9"]
    assert second.gone - first.entries == 3


async def test_a_page_has_a_size(client: QueueClient) -> None:
    """No more is read once there is enough."""
    for number in range(30):
        await add(client, str(number))
    page = await read_events(client, KEY, Offset(), entries=100, size=1)
    assert page.entries == 10
    rest = await read_events(client, KEY, page.offset, entries=100, size=1_000_000)
    assert ids(rest) == [str(number) for number in range(10, 30)]


async def test_an_entry_of_an_earlier_release_names_no_worker(client: QueueClient) -> None:
    """Its first field is a job already."""
    await raw(client, "XADD", STREAM, "*", "a", "result of a", "b", "result of b")
    page = await read(client, Offset())
    assert ids(page) == ["a", "b"]
    assert {event.worker for event in page.events} == {""}
