"""HTTP of live events: what becomes of jobs, as it happens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse

from service.errors import InvalidInput, Problem
from service.monitoring.live import Hub, Wanted
from service.monitoring.queues import queue_keys
from service.monitoring.schemas import Line
from service.queue.live import is_event_id
from service.web import ERRORS, JobsReader, Opened

router = APIRouter(prefix="/v1/events", tags=["events"], responses=ERRORS)
PING = 15
"""Seconds between two comments, so that nobody takes a quiet connection for a dead one."""
LONGEST = 900
"""Seconds until a client has to come again, and show that its key still holds."""
STOPPING = 1.0
"""Seconds that a stream has to end when the process stops."""
RETRY_MS = 2000
"""After which a client whose connection broke connects again."""
Text = Annotated[Line | None, Query()]
EXAMPLE = """id: 1790000000000-0
event: succeeded
data: {"at":"2026-09-21T14:13:20Z","job":"…","queue":"publishing","name":"posts.publish"}

"""


def get_hub(request: Request, runtime: Opened) -> Hub:
    """Return the one reader of this process, made at the first call."""
    hub: Hub | None = getattr(request.app.state, "hub", None)
    if hub is None or hub.client is not runtime.queue:
        hub = request.app.state.hub = Hub(runtime.queue)
    return hub


@router.get(
    "",
    response_class=EventSourceResponse,
    responses={
        200: {
            "description": "Events until the client leaves: `queued`, `started`, `succeeded`, "
            "`failed`, `dead`, `cancelled`, `retried`, `snoozed`, `released`, `progress`, and "
            "`gap` where some are missing",
            "content": {"text/event-stream": {"example": EXAMPLE, "schema": {"type": "string"}}},
        }
    },
)
async def stream_events(  # noqa: PLR0913, PLR0917 - one parameter is one of the query
    caller: JobsReader,
    hub: Annotated[Hub, Depends(get_hub)],
    queue: Text = None,
    name: Annotated[Line | None, Query(description="Name of the job's function")] = None,
    job: Annotated[Line | None, Query(description="Id of one job")] = None,
    after: Annotated[str | None, Query(description="Stands for Last-Event-ID")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Stream what becomes of jobs, those of others only to an admin."""
    begin = last_event_id or after
    if begin is not None and not is_event_id(begin):
        raise InvalidInput([Problem("after", "is no id of an event; leave it out to begin now")])
    if queue is not None:
        queue_keys(queue)
    wanted = Wanted(caller, queue, name, job)
    stopping = anyio.Event()
    return EventSourceResponse(
        _stream(hub, wanted, begin, stopping),
        ping=PING,
        shutdown_event=stopping,
        shutdown_grace_period=STOPPING,
    )


async def _stream(
    hub: Hub, wanted: Wanted, after: str | None, stopping: anyio.Event
) -> AsyncIterator[bytes]:
    async with hub.listen(wanted, after) as listener:
        ending = asyncio.create_task(stopping.wait())
        ending.add_done_callback(lambda _: listener.end())
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            async for chunk in listener.chunks(LONGEST):
                yield chunk
        finally:
            ending.cancel()
