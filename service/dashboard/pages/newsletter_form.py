"""The form of a newsletter, new or changed."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.dashboard import filled
from service.dashboard.publishing.composing import zones
from service.dashboard.view import ContentWriter, View
from service.errors import AlmanacError, InvalidInput
from service.newsletters import routes
from service.newsletters.models import Frequency
from service.newsletters.schemas import NewsletterChange, NewsletterIn, NewsletterOut
from service.web import Uow

router = APIRouter(include_in_schema=False)
WORDS = (
    *("name", "topic", "slug", "description", "style", "frequency", "send_time", "zone"),
    *("sender_name", "sender_address", "reply_to", "unsubscribe_address", "postal_address"),
)
TICKS = ("automatic", "needs_approval", "count_opens", "count_clicks", "public")
LINES = ("sources", "tags")
"""Fields of which each line is one."""
FREQUENCIES = (
    (Frequency.MANUAL, "when somebody sends it"),
    (Frequency.DAILY, "every day"),
    (Frequency.WEEKLY, "every week"),
    (Frequency.BIWEEKLY, "every two weeks"),
    (Frequency.MONTHLY, "every month"),
)


@router.get("/newsletters/new")
async def begin(view: ContentWriter) -> Response:
    """Show the form of a new newsletter."""
    zone = view.runtime.settings.site_zone
    empty = dict.fromkeys((*WORDS, *TICKS, *LINES), "")
    start = {"frequency": "manual", "send_time": "09:00", "style": "concise", "zone": zone}
    return await _form(view, None, {**empty, **start})


@router.post("/newsletters/new")
async def create(view: ContentWriter) -> Response:
    """Make a newsletter."""
    values = _values(view)
    try:
        wanted = {**_wanted(values), "slug": values["slug"] or None, "zone": values["zone"] or None}
        body = filled.body(NewsletterIn, wanted)
        async with view.runtime.unit_of_work() as uow:
            made = await routes.create(view.runtime, uow, view.caller, body)
    except InvalidInput as error:
        return await _form(view, None, values, _problems(error), 422)
    return view.go(f"/newsletters/{made.id}", "The newsletter is made; add readers to it")


@router.get("/newsletters/{newsletter_id}/edit")
async def show(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Show a newsletter's form."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    values = {name: str(getattr(found, name)) for name in WORDS}
    values |= {name: "yes" if getattr(found, name) else "" for name in TICKS}
    values |= {name: "\n".join(getattr(found, name)) for name in LINES}
    return await _form(view, found, values)


@router.post("/newsletters/{newsletter_id}/edit")
async def change(newsletter_id: UUID, view: ContentWriter, uow: Uow) -> Response:
    """Change a newsletter."""
    found = await routes.show_newsletter(newsletter_id, view.caller, view.runtime, uow)
    values = _values(view)
    path = f"/newsletters/{newsletter_id}"
    try:
        body = filled.body(NewsletterChange, _wanted(values))
        async with view.runtime.unit_of_work() as own:
            await routes.change_newsletter(newsletter_id, body, view.caller, view.runtime, own)
    except InvalidInput as error:
        return await _form(view, found, values, _problems(error), 422)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, "Changed")


def _values(view: View) -> dict[str, str]:
    typed = {name: str(view.form.get(name, "")) for name in (*WORDS, *TICKS, *LINES)}
    return {name: value.strip() for name, value in typed.items()}


def _wanted(values: Mapping[str, str]) -> dict[str, Any]:
    return {
        **{name: values[name] for name in WORDS},
        **{name: values[name] == "yes" for name in TICKS},
        **{name: lines(values[name]) for name in LINES},
    }


def lines(text: str) -> list[str]:
    """Return what each line says, without those that say nothing."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _problems(error: InvalidInput) -> dict[str, str]:
    """Return what is wrong by field of the form: that of one source is that of all."""
    found: dict[str, str] = {}
    for field, message in filled.problems(error).items():
        name, _, number = field.partition(".")
        found.setdefault(name, f"Line {int(number) + 1}: {message}" if number else message)
    return found


async def _form(
    view: View,
    item: NewsletterOut | None,
    values: Mapping[str, str],
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    return await view.page(
        "newsletter_form.html",
        status,
        item=item,
        values=values,
        problems=problems or {},
        frequencies=FREQUENCIES,
        zones=zones(),
        sender=view.runtime.settings.mail_from,
    )
