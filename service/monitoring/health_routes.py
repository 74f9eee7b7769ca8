"""HTTP of health: for probes, and for people."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from service.monitoring import health, lookup
from service.schema import Reply
from service.web import ERRORS, JobsReader, Opened

router = APIRouter(tags=["health"])


class CheckOut(Reply):
    """One thing that was looked at."""

    name: str
    ok: bool
    detail: str
    seconds: float
    """That the look took."""


class HealthOut(Reply):
    """Whether everything is there."""

    ok: bool
    checks: list[CheckOut]


@router.get("/livez")
async def live() -> dict[str, str]:
    """Whether the process answers; asks no server."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: ERRORS[503]})
async def ready(runtime: Opened) -> JSONResponse:
    """Whether PostgreSQL, its schema and Redis are there; beside that, what else one may ask.

    The API is ready without a maintenance process; `maintenance` says whether there is one, and
    `scheduler` how many seconds ago any process looked for ticks.
    """
    checks = await lookup.readiness(runtime)
    healthy = all(value == "ok" for value in checks.values())
    status = "ok" if healthy else "unavailable"
    more = await health.beside(runtime) if healthy else {}
    return JSONResponse({"status": status, **checks, **more}, 200 if healthy else 503)


@router.get("/v1/health", responses=ERRORS)
async def look(caller: JobsReader, runtime: Opened) -> HealthOut:
    """Look at PostgreSQL, Redis, storage, workers and maintenance, now."""
    checks = await health.look(runtime)
    found = [CheckOut.model_validate(check, from_attributes=True) for check in checks]
    return HealthOut(ok=all(check.ok for check in found), checks=found)
