"""Live events for many listeners: one reader per process, a bounded buffer for each listener."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import msgspec
from redis.exceptions import RedisError

from service.access.caller import Caller
from service.kit.tasks import end
from service.monitoring.visibility import sees
from service.queue import QueueClient, live
from service.queue.live import LiveEvent

MOST_WAITING = 1000
"""Events that a listener may be behind; then it is told of a gap."""
GATHER = 0.25
"""Seconds in which events are gathered to be sent together."""
AGAIN = 1.0
"""Seconds until Redis is asked again after an error."""


Heard = tuple[LiveEvent, bytes]
"""An event, and how it is sent."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a listener wants; what is None does not matter."""

    caller: Caller
    queue: str | None = None
    name: str | None = None
    job: str | None = None

    def __call__(self, event: LiveEvent) -> bool:
        """Whether an event is for this listener. Gaps are for everybody."""
        if event.event == "gap":
            return True
        given = ((self.queue, event.queue), (self.name, event.name), (self.job, event.job))
        if any(wanted is not None and wanted != value for wanted, value in given):
            return False
        return sees(self.caller, event.actor, event.name or "")


class Listener:
    """Takes what the hub hears until it is sent."""

    def __init__(self, wanted: Callable[[LiveEvent], bool]) -> None:
        self._wanted = wanted
        self._waiting: deque[bytes] = deque()
        self._heard = asyncio.Event()
        self._held: list[Heard] | None = []
        """What came before `begin`."""
        self._past = b""
        self._last = (0, 0)
        self._ended = False

    def begin(self, past: Sequence[LiveEvent]) -> None:
        """Take what happened before, however much, then what was heard meanwhile."""
        self._past = b"".join(text for _, text in self._new((e, encode(e)) for e in past))
        held, self._held = self._held or [], None
        self.offer(held)
        if self._past:
            self._heard.set()

    def offer(self, events: Sequence[Heard]) -> None:
        """Take those of the events that are wanted and new; never waits."""
        if self._held is not None:
            self._held += events
            return
        for event, encoded in self._new(events):
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.clear()
                self._waiting.append(encode(msgspec.structs.replace(event, event="gap")))
            else:
                self._waiting.append(encoded)
        if self._waiting:
            self._heard.set()

    def _new(self, events: Iterable[Heard]) -> Iterator[Heard]:
        for event, encoded in events:
            position = live.position(event.id)
            if position > self._last or event.event == "gap":
                self._last = position
                if self._wanted(event):
                    yield event, encoded

    async def heard(self, seconds: float) -> bool:
        """Wait so long for anything; return whether there was something, which is forgotten."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._heard.wait()
        found = bool(self._past or self._waiting)
        self._past = b""
        self._waiting.clear()
        if not self._ended:
            self._heard.clear()
        return found

    @property
    def ended(self) -> bool:
        """Whether `end` was called."""
        return self._ended

    def end(self) -> None:
        """Let `chunks` end after what was heard."""
        self._ended = True
        self._heard.set()

    async def chunks(self, seconds: float) -> AsyncIterator[bytes]:
        """Yield what is to be sent, several events at once, for so long at the most."""
        ends = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                async with asyncio.timeout_at(ends):
                    await self._heard.wait()
            except TimeoutError:
                return
            self._heard.clear()
            chunk = self._past + b"".join(self._waiting)
            self._past = b""
            self._waiting.clear()
            if chunk:
                yield chunk
            if self._ended:
                return
            await asyncio.sleep(GATHER)


class Hub:
    """Reads the live events as long as anybody listens, and hands them to all.

    Args:
        client: where the queues are.
    """

    def __init__(self, client: QueueClient) -> None:
        self.client = client
        self._listeners: set[Listener] = set()
        self._reading: asyncio.Task[None] | None = None
        self._reads = asyncio.Event()

    @asynccontextmanager
    async def listen(
        self, wanted: Callable[[LiveEvent], bool], after: str | None = None
    ) -> AsyncIterator[Listener]:
        """Listen from now on, or to what came after an event; raises redis-py's errors."""
        listener = Listener(wanted)
        self._listeners.add(listener)
        try:
            if self._reading is None or self._reading.done():
                self._reads.clear()
                self._reading = asyncio.create_task(self._read())
            await self._reads.wait()
            listener.begin([] if after is None else await live.past(self.client, after))
            yield listener
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._reading is not None:
                reading, self._reading = self._reading, None
                await end(reading)

    async def _read(self) -> None:
        while True:
            with suppress(RedisError, OSError):  # listeners hear of a gap, if there is one
                async for page in live.pages(self.client):
                    self._reads.set()
                    events = [(event, encode(event)) for event in page]
                    for listener in self._listeners:
                        listener.offer(events)
            await asyncio.sleep(AGAIN)


def encode(event: LiveEvent) -> bytes:
    """Return an event as server-sent events have it."""
    shown = {
        name: value
        for name, value in msgspec.structs.asdict(event).items()
        if value not in (None, "", live.ANYBODY) and name not in ("id", "event")
    }
    data = msgspec.json.encode(shown)
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event.id.encode(), event.event.encode(), data)
