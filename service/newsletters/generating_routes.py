"""HTTP of written newsletters, with the paths of the system that Almanac replaces."""

from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from service.errors import InvalidInput
from service.monitoring.task_status import task_status
from service.newsletters import generating_actions as actions
from service.newsletters import jobs
from service.newsletters.generating_schemas import (
    GenerateIn,
    GenerationOut,
    OldGenerationOut,
    OldProblem,
    OldTaskOut,
)
from service.web import ERRORS, ContentReader, ContentWriter, OnceOnly, Opened, Uow

router = APIRouter(tags=["newsletters"], responses=ERRORS)
_REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": OldProblem, "description": "No topic, or one too short or too long; no JSON"},
    415: {"model": OldProblem, "description": "The body is of another type than JSON"},
}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["topic"],
                    "properties": {
                        "topic": {"type": "string", "minLength": 3, "maxLength": 500},
                        "style": {"type": "string", "maxLength": 50, "default": "concise"},
                    },
                }
            }
        },
    }
}


class OldRefusal(Exception):
    """The old path refuses a request."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text

    def reply(self) -> Response:
        """Return problem details that have the old system's `error`, too."""
        body = OldProblem(
            type="about:blank",
            title=self.status.phrase,
            status=self.status,
            detail=self.text,
            error=self.text,
        )
        return JSONResponse(body.model_dump(), self.status, media_type="application/problem+json")


@router.post("/v1/newsletters/generate", status_code=202, response_model=GenerationOut)
async def generate(
    body: GenerateIn, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> JSONResponse:
    """Let a newsletter be written about a topic: by the language model, or from sources.

    Nothing is stored and nothing is mailed: the text is the job's result, for an hour.
    """
    job_id = await actions.ask(uow, caller, body.topic, body.style, body.sources)
    where = f"/v1/jobs/{job_id}"
    reply = await once.reply(GenerationOut(job_id=job_id, status_url=where), 202)
    reply.headers["Location"] = where
    return reply


@router.post(
    "/api/generate",
    status_code=202,
    response_model=OldGenerationOut,
    deprecated=True,
    responses=_REFUSED,
    openapi_extra=_BODY,
)
async def generate_as_before(
    request: Request, caller: ContentWriter, uow: Uow, once: OnceOnly
) -> Response:
    """Let a newsletter be written, as the system before did: for programs that know its paths."""
    try:
        asked = _object(request.headers.get("content-type", ""), await request.body())
        topic, style = _texts(asked)
        job_id = await actions.ask(uow, caller, topic, style, ())
    except InvalidInput as error:
        return OldRefusal(HTTPStatus.BAD_REQUEST, error.message).reply()
    except OldRefusal as refusal:
        return refusal.reply()
    told = OldGenerationOut(status="processing", topic=topic, task_id=job_id)
    return await once.reply(told, 202)


@router.get(
    "/api/task/{job_id}",
    response_model=OldTaskOut,
    response_model_exclude_none=True,
    deprecated=True,
)
async def show_as_before(job_id: str, caller: ContentReader, runtime: Opened) -> Any:
    """Show how the writing of a newsletter is, as the system before did."""
    found = await task_status(runtime, caller, job_id)
    if found is None or found.task_name != jobs.generate.name:
        return OldRefusal(HTTPStatus.NOT_FOUND, "There is no such task").reply()
    if found.status == "FAILURE":
        return OldTaskOut(state="FAILURE", error=str(found.result).partition(": ")[2])
    return OldTaskOut(state=found.status, result=found.result)


def _object(content_type: str, body: bytes) -> dict[str, Any]:
    """Read a request's JSON object; raise OldRefusal where it is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise OldRefusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except ValueError:
        raise OldRefusal(HTTPStatus.BAD_REQUEST, "The body must be a JSON object") from None


def _texts(asked: dict[str, Any]) -> tuple[str, str]:
    topic, style = asked.get("topic"), asked.get("style") or "concise"
    if topic is None or not isinstance(topic, str) or not isinstance(style, str):
        missing = "topic is required" if topic is None else "topic and style must be texts"
        raise OldRefusal(HTTPStatus.BAD_REQUEST, missing)
    return topic, style
