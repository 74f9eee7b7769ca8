"""Live events over HTTP: within a second, resumable, and only what the caller may see."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from service.app import create_app
from service.config import Settings
from service.kit.clock import now
from service.monitoring import live
from service.posts.jobs import sweep
from service.queue import HEADERS, presence
from service.queue.live import LIVE, LiveEvent
from tests.e2e.installed import PROGRAM
from tests.e2e.processes import environment_of, free_port
from tests.queue.raw import raw
from tests.servers.threaded import ThreadedServer
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


class Event(NamedTuple):
    """A server-sent event."""

    id: str
    event: str
    data: dict[str, Any]


class Stream:
    """The events of one reply."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def take(self, count: int) -> list[Event]:
        """Return the next events."""
        async with asyncio.timeout(20):
            return [await self._next() for _ in range(count)]

    async def _next(self) -> Event:
        fields: dict[str, str] = {}
        async for line in self._lines:
            if not line and "event" in fields:
                return Event(fields["id"], fields["event"], json.loads(fields["data"]))
            name, _, value = line.partition(": ")
            fields[name] = value
        raise EOFError("the stream has ended")


@pytest_asyncio.fixture
async def url(api: Installation, settings: Settings) -> AsyncIterator[str]:
    """A real server beside the test's own application."""
    server = ThreadedServer(create_app(settings))
    await asyncio.to_thread(server.start)
    yield server.url
    await asyncio.to_thread(server.stop)


@asynccontextmanager
async def streaming(url: str, key: str, query: str = "", **headers: str) -> AsyncIterator[Stream]:
    """Open the stream; from then on nothing is missed."""
    headers = {"Authorization": f"Bearer {key}", **headers}
    async with (
        httpx.AsyncClient(timeout=30, trust_env=False) as http,
        http.stream("GET", f"{url}/v1/events{query}", headers=headers) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        stream = Stream(response)
        assert await anext(stream._lines) == "retry: 2000"
        yield stream


async def send(api: Installation, *ids: str, actor: str | None = None, name: str = "x") -> None:
    """Queue jobs that nobody runs."""
    token = HEADERS.set({"actor": actor} if actor else {})
    for job_id in ids:
        await api.runtime.queue.enqueue_job(name, _job_id=job_id)
    HEADERS.reset(token)


def jobs_of(events: list[Event]) -> list[tuple[str, str | None]]:
    """Return what became of which jobs."""
    return [(event.event, event.data.get("job")) for event in events]


async def test_within_a_second(api: Installation, url: str) -> None:
    """N025, N052, G028, N056, T074, V039: queued, started, finished, by a process of its own."""
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM), "worker", "publishing", env=environment_of(api.runtime.settings)
    )
    try:
        async with asyncio.timeout(60):
            while not (seen := await presence.workers(api.runtime.queue)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        took = []
        async with streaming(url, api.key, "?name=posts.sweep") as stream:
            for number in range(3):
                began = time.monotonic()
                await api.runtime.queue.enqueue(sweep().deferred(job_id=f"job{number}"))
                events = await stream.take(3)
                took.append(time.monotonic() - began)
                words = [("queued", f"job{number}"), ("started", f"job{number}")]
                assert jobs_of(events) == [*words, ("succeeded", f"job{number}")]
                workers = [event.data.get("worker") for event in events]
                assert workers == [None, seen[0].name, seen[0].name]
                assert events[0].data["queue"] == "publishing"
        assert min(took) < 1
        answer = await api.post(f"/v1/workers/{seen[0].name}/shutdown", None)
        assert answer.json()["said"] == "stopping"
        async with asyncio.timeout(60):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert await presence.workers(api.runtime.queue) == []


async def test_going_on_after_a_break(api: Installation, url: str) -> None:
    """Nothing is missed and nothing comes twice, by header or by query."""
    async with streaming(url, api.key) as stream:
        await send(api, "a", "b")
        first, _ = await stream.take(2)
    await send(api, "c")
    header = {"Last-Event-ID": first.id}
    for query, headers in (("", header), (f"?after={first.id}", {})):
        async with streaming(url, api.key, query, **headers) as stream:
            assert jobs_of(await stream.take(2)) == [("queued", "b"), ("queued", "c")]
    await raw(api.runtime.queue, "XTRIM", LIVE, "MAXLEN", 0)
    async with streaming(url, api.key, f"?after={first.id}") as stream:
        await send(api, "d")
        assert jobs_of(await stream.take(2)) == [("gap", None), ("queued", "d")]


async def test_going_on_while_more_happens(api: Installation) -> None:
    """What is heard while the past is read comes after it; the past may be long."""
    listener = live.Listener(lambda _: True)
    moment = now()
    events = [
        LiveEvent(f"5-{n}", "queued", moment, job=f"{n}") for n in range(live.MOST_WAITING + 9)
    ]
    heard = [(event, live.encode(event)) for event in events[-4:]]
    listener.offer(heard[:2])
    listener.begin(events[:-3])
    listener.offer(heard[2:])
    chunk = await anext(listener.chunks(5))
    lines = [line for line in chunk.decode().splitlines() if line.startswith("id: ")]
    assert lines == [f"id: {event.id}" for event in events]


async def test_filters(api: Installation, url: str) -> None:
    async with (
        streaming(url, api.key, "?queue=default&name=y") as by_name,
        streaming(url, api.key, "?job=c") as by_job,
        streaming(url, api.key, "?queue=webhooks") as by_queue,
    ):
        await send(api, "a")
        await send(api, "b", name="y")
        await send(api, "c")
        await api.runtime.queue.enqueue_job("x", _job_id="d", _queue_name="almanac:webhooks")
        assert jobs_of(await by_name.take(1)) == [("queued", "b")]
        assert jobs_of(await by_job.take(1)) == [("queued", "c")]
        assert jobs_of(await by_queue.take(1)) == [("queued", "d")]


async def test_other_peoples_jobs_are_not_seen(api: Installation, url: str) -> None:
    """Only those of nobody, of schedules and one's own; an admin sees all."""
    key = await api.new_key("jobs:read", user="ada")
    async with streaming(url, key) as own, streaming(url, api.key) as everything:
        await send(api, "a", actor="eve")
        await send(api, "b", actor="schedule:nightly")
        await send(api, "c", actor="ada")
        await send(api, "d")
        assert jobs_of(await own.take(3)) == [("queued", job_id) for job_id in "bcd"]
        events = await everything.take(4)
    assert jobs_of(events) == [("queued", job_id) for job_id in "abcd"]
    assert set(events[0].data) == {"at", "job", "queue", "name", "actor"}
    assert [event.data.get("actor") for event in events] == ["eve", "schedule:nightly", "ada", None]


async def test_a_slow_client_is_told_of_a_gap(
    api: Installation, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slows nobody else down, and goes on from there."""
    monkeypatch.setattr(live, "MOST_WAITING", 5)
    monkeypatch.setattr(live, "GATHER", 2.0)
    async with streaming(url, api.key) as stream:
        await send(api, "first")
        assert jobs_of(await stream.take(1)) == [("queued", "first")]
        await send(api, *(f"{n}" for n in range(8)))
        events = await stream.take(3)
    assert jobs_of(events)[0][0] == "gap"
    assert jobs_of(events)[1:] == [("queued", "6"), ("queued", "7")]


@pytest.mark.parametrize("after", ["x", "1", "-", "99999999999999-0"])
async def test_no_place_in_the_stream(api: Installation, after: str) -> None:
    refused = await api.get(f"/v1/events?after={after}")
    assert refused.status_code == 422
    assert problems(refused) == {"after": "is no id of an event; leave it out to begin now"}


async def test_who_may_not(api: Installation) -> None:
    other = await api.new_key("posts:read")
    assert (await api.http.get("/v1/events")).status_code == 401
    assert (await api.get("/v1/events", key=other)).status_code == 403
    assert (await api.get("/v1/events?queue=No%20Queue")).status_code == 422


async def test_the_end_of_the_process_ends_the_stream(api: Installation) -> None:
    """A listener does not keep the API from stopping."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        str(PROGRAM),
        "api",
        env=environment_of(api.runtime.settings, ALMANAC_PORT=str(port)),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with httpx.AsyncClient(trust_env=False) as http, asyncio.timeout(60):
            while not await _answers(http, f"{url}/livez"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
        async with streaming(url, api.key) as stream:
            process.send_signal(signal.SIGTERM)
            with pytest.raises(EOFError):
                await stream.take(1)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() in {0, -signal.SIGTERM}
    assert "[error" not in (await process.communicate())[1].decode()


async def _answers(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(url)).is_success
    except httpx.TransportError:
        return False
