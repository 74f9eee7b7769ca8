"""The job of calls, run by the default queue."""

from typing import Any

from service.calls import calling
from service.calls.rules import Json
from workers.engine import Context


async def api_call(ctx: Context, endpoint: str, method: str, data: Json = None) -> dict[str, Any]:
    """Call an HTTP API."""
    return await calling.call(ctx["runtime"], endpoint, method, data, ctx["job_id"])
