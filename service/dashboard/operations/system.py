"""How the installation is: looked at once for everybody who may read jobs and looks on."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from redis.exceptions import RedisError

from service.access.caller import Caller
from service.errors import Unavailable
from service.kit.clock import now
from service.kit.pagination import Page
from service.monitoring import alert_queries, minutes, queue_routes
from service.monitoring.minutes import RANGES, Series
from service.monitoring.models import Alert
from service.monitoring.queue_schemas import QueueOut, ServerOut
from service.runtime import Runtime

FRESH = 2.0
"""Seconds for which a look is shown again, however many look on."""
LOOKS = 30
"""At most so many looks during one step of a series: the longer it is, the slower it changes."""
MOST_ALERTS = 100
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class System:
    """What a look found; nothing of it is anybody's own."""

    queues: Sequence[QueueOut]
    server: ServerOut | None
    """None while Redis does not answer; there are no queues then."""
    alerts: Sequence[Alert]
    """Those that are open."""


class _Shared(Generic[T]):
    """Something that is looked at once for all who ask meanwhile, and within some seconds."""

    def __init__(self) -> None:
        self._found: T | None = None
        self._ends = 0.0
        self._looking = asyncio.Lock()

    async def get(self, seconds: float, look: Callable[[], Awaitable[T]]) -> T:
        async with self._looking:
            if self._found is None or time.monotonic() >= self._ends:
                self._found = await look()
                self._ends = time.monotonic() + seconds
            return self._found


_systems: defaultdict[int, _Shared[System]] = defaultdict(_Shared)
_series: defaultdict[tuple[int, str], _Shared[Series]] = defaultdict(_Shared)
"""By installation, and by range."""


async def look(runtime: Runtime, caller: Caller) -> System:
    """Return how the installation is, not older than `FRESH`, to one who may read jobs."""

    async def fresh() -> System:
        return await _look(runtime, caller)

    return await _systems[id(runtime)].get(FRESH, fresh)


async def series(runtime: Runtime, over: str) -> Series:
    """Return the last hours; `over` is a key of `RANGES`."""
    wanted = RANGES[over]

    async def fresh() -> Series:
        async with runtime.database.session() as session:
            return await minutes.series(session, wanted, now())

    return await _series[id(runtime), over].get(wanted.step.total_seconds() / LOOKS, fresh)


async def _look(runtime: Runtime, caller: Caller) -> System:
    queues: Sequence[QueueOut] = ()
    server = None
    try:
        listed = await queue_routes.list_queues(caller, runtime)
        queues, server = listed.items, listed.server
    except (Unavailable, RedisError, OSError):  # the page says so
        pass
    async with runtime.database.session() as session:
        alerts = await alert_queries.list_alerts(session, Page(MOST_ALERTS), is_open=True)
    return System(queues, server, alerts.items)


def forget() -> None:
    """Look anew at the next page."""
    _systems.clear()
    _series.clear()
