"""Letting an issue be written: what about, how far the job is, and a draft made of its text."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.dashboard import filled
from service.dashboard.view import ContentWriter, View
from service.errors import AlmanacError, InvalidInput, NotFound
from service.monitoring import lookup
from service.monitoring.schemas import JobOut
from service.newsletters import generating_actions, jobs, routes
from service.newsletters.generating_styles import STYLES
from service.newsletters.schemas import IssueIn, NewsletterOut
from service.web import Uow

router = APIRouter(include_in_schema=False)


@router.get("/newsletters/{newsletter_id}/write")
async def begin(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Ask what the issue is to be about."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    return await _form(view, found, {"topic": found.topic, "style": found.style})


@router.post("/newsletters/{newsletter_id}/write")
async def write(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Let a job write it, from the newsletter's sources."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    values = {name: str(view.form.get(name, "")).strip() for name in ("topic", "style")}
    try:
        async with view.runtime.unit_of_work() as own:
            job_id = await generating_actions.ask(
                own, view.caller, values["topic"], values["style"], found.sources
            )
    except InvalidInput as error:
        return await _form(view, found, values, filled.problems(error), 422)
    return view.go(f"/newsletters/{newsletter_id}/write/{job_id}", "A job writes it now")


@router.get("/newsletters/{newsletter_id}/write/{job_id}")
async def show(newsletter_id: UUID, job_id: str, view: ContentWriter, uow: Uow) -> Response:
    """Show how far the writing is, and the text once it is there."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    job = await _job(view, job_id)
    return await view.page("newsletter_written.html", item=found, job=job, text=_text(job))


@router.post("/newsletters/{newsletter_id}/write/{job_id}")
async def take(newsletter_id: UUID, job_id: str, view: ContentWriter) -> Response:
    """Make a draft of the text."""
    path = f"/newsletters/{newsletter_id}/write/{job_id}"
    text = _text(await _job(view, job_id))
    if text is None:
        return view.go(path, "There is no text yet", done=False)
    try:
        body = filled.body(IssueIn, {"subject": text["subject"], "content": text["content"]})
        async with view.runtime.unit_of_work() as own:
            made = await routes.create_issue(own, view.caller, newsletter_id, body)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(f"/issues/{made.id}/edit", "It is a draft now: read it before you send it")


async def _job(view: View, job_id: str) -> JobOut:
    job = await lookup.find(view.runtime, view.caller, job_id)
    if job is None or job.name != jobs.generate.name:
        raise NotFound("There is no such text; it is kept for an hour")
    return job


def _text(job: JobOut) -> dict[str, Any] | None:
    return job.result if job.state == "succeeded" and isinstance(job.result, dict) else None


async def _form(
    view: View,
    item: NewsletterOut,
    values: dict[str, str],
    problems: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    return await view.page(
        "newsletter_write.html",
        status,
        item=item,
        values=values,
        problems=problems or {},
        styles=list(STYLES),
        has_model=view.runtime.settings.model_key is not None
        or view.runtime.settings.model_url is not None,
    )
