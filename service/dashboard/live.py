"""Pages that change by themselves: one signal for many events, the less often the more look on.

A page that is shown listens here and asks for its live part again when it hears a signal; a hidden
one leaves. What is shown is always made by the page's own route.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Query
from sse_starlette import EventSourceResponse

from service.dashboard.view import Anybody, View, is_logged_in
from service.monitoring.event_routes import LONGEST, PING, RETRY_MS, STOPPING, get_hub
from service.monitoring.live import Hub, Listener, Wanted

router = APIRouter()
GAP = 1.0
"""Seconds between two signals at least."""
GAP_FOR_EACH = 0.2
"""Seconds that everybody who looks on adds to this."""
CHECK = 15.0
"""Seconds between two looks whether the session still holds."""
CHANGE, OVER = b"event: change\ndata:\n\n", b"event: over\ndata:\n\n"
_looking: set[Listener] = set()

Text = Annotated[str | None, Query(max_length=200)]


@router.get("/live", include_in_schema=False)
async def live(
    view: Anybody,
    hub: Annotated[Hub, Depends(get_hub)],
    queue: Text = None,
    name: Text = None,
    job: Text = None,
) -> EventSourceResponse:
    """Signal that something has changed, of what matches."""
    stopping = anyio.Event()
    wanted = Wanted(view.caller, queue, name, job)
    return EventSourceResponse(
        _signals(view, hub, wanted, stopping),
        ping=PING,
        shutdown_event=stopping,
        shutdown_grace_period=STOPPING,
    )


async def _signals(
    view: View, hub: Hub, wanted: Wanted, stopping: anyio.Event
) -> AsyncIterator[bytes]:
    async with hub.listen(wanted) as listener:
        ending = asyncio.create_task(stopping.wait())
        ending.add_done_callback(lambda _: listener.end())
        _looking.add(listener)
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            async for signal in _until_over(view, listener):
                yield signal
        finally:
            _looking.discard(listener)
            ending.cancel()


async def _until_over(view: View, listener: Listener) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    ends, checked = loop.time() + LONGEST, loop.time()
    while loop.time() < ends and not listener.ended:
        if await listener.heard(CHECK):
            yield CHANGE
            await asyncio.sleep(GAP + GAP_FOR_EACH * len(_looking))
        if loop.time() - checked >= CHECK:
            checked = loop.time()
            if not await is_logged_in(view.request, view.runtime):
                yield OVER
                return


def looking() -> int:
    """Return how many pages of this process listen."""
    return len(_looking)
