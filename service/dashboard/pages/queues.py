"""Queues: what waits, who serves it, and the three ways to steer it."""

from fastapi import APIRouter, Response

from service.dashboard.view import JobsReader
from service.monitoring import queue_routes

router = APIRouter(include_in_schema=False)


@router.get("/queues")
async def show_all(view: JobsReader) -> Response:
    """Show all queues."""
    found = await queue_routes.list_queues(view.caller, view.runtime)
    return await view.page("queues.html", queues=found.items, server=found.server)
