"""GET /metrics, for Prometheus: with a key, or open to whoever reaches the port."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST

from service.monitoring.measuring import measure
from service.monitoring.metrics import Exposition
from service.runtime import Runtime
from service.web import ERRORS, JobsReader, Opened

with_key = APIRouter(tags=["health"], responses={code: ERRORS[code] for code in (401, 403, 503)})
"""Needs `jobs:read`: what jobs there are, and how they fare, is not for everybody."""
without_key = APIRouter(tags=["health"])
"""Where `ALMANAC_METRICS_OPEN` is on."""


@with_key.get("/metrics", response_class=PlainTextResponse)
async def metrics(caller: JobsReader, request: Request, runtime: Opened) -> PlainTextResponse:
    """Tell Prometheus of queues, schedules, rows and requests."""
    return await _expose(request, runtime)


@without_key.get("/metrics", response_class=PlainTextResponse)
async def open_metrics(request: Request, runtime: Opened) -> PlainTextResponse:
    """Tell Prometheus of queues, schedules, rows and requests."""
    return await _expose(request, runtime)


async def _expose(request: Request, runtime: Runtime) -> PlainTextResponse:
    exposition = Exposition(await measure(runtime), runtime.database, request.app.state.metrics)
    return PlainTextResponse(exposition.text(), media_type=CONTENT_TYPE_LATEST)
