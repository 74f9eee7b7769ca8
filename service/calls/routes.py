"""HTTP of calls."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from service.calls import actions, schemas
from service.calls.jobs import api_call
from service.errors import InvalidInput, NotFound, Problem
from service.kit.outbound import NotSent, OutboundRefused
from service.kit.urls import url_problem
from service.queue import JobState, inspect
from service.web import ERRORS, JobsOperator, OnceOnly, Opened, Uow

router = APIRouter(prefix="/v1/calls", tags=["calls"], responses=ERRORS)
GONE = "There is no such call, or it ended more than a day ago"


async def checked(body: schemas.CallIn, runtime: Opened, _: JobsOperator) -> schemas.CallIn:
    """Judge the endpoint's address, before a database connection is taken."""
    if url_problem(body.endpoint) is None:
        try:
            await runtime.outbound.check(body.endpoint)
        except (OutboundRefused, NotSent) as error:
            raise InvalidInput([Problem("endpoint", error.message)]) from error
    return body


@router.post("", status_code=202, response_model=schemas.CallOut)
async def ask(
    body: Annotated[schemas.CallIn, Depends(checked)],
    caller: JobsOperator,
    uow: Uow,
    once: OnceOnly,
) -> JSONResponse:
    """Ask for a call of an HTTP API; `Location` tells where its answer is found."""
    job_id = await actions.ask(uow, caller, body.endpoint, body.method, body.data)
    reply = await once.reply(schemas.CallOut(id=job_id, state=JobState.QUEUED), 202)
    reply.headers["Location"] = f"/v1/calls/{job_id}"
    return reply


@router.get("/{call_id}")
async def show(call_id: str, caller: JobsOperator, runtime: Opened) -> schemas.CallDetail:
    """Show a call and its answer, to who asked for it and to admins."""
    view = await inspect(runtime.queue, call_id, unmask=True)
    if view is None or view.function != api_call.name:
        raise NotFound(GONE)
    if not caller.is_admin and view.headers.get("actor") != caller.actor:
        raise NotFound(GONE)
    return schemas.CallDetail(
        id=call_id,
        state=view.state,
        tries=view.tries,
        finished_at=view.finished_at,
        answer=view.result,
        error=view.error.message if view.error else None,
    )
