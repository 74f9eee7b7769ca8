"""Making, changing and ending webhooks; a secret is shown by the reply that makes it, only."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Caller
from service.dashboard import filled
from service.dashboard.view import SettingsWriter, View
from service.errors import AlmanacError, InvalidInput
from service.web import Once, Uow
from service.webhooks import endpoint_actions, routes, schemas
from service.webhooks.rules import EventType

router = APIRouter(include_in_schema=False)
EVENTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "Jobs": (
        (EventType.JOB_SUCCEEDED, "succeeded"),
        (EventType.JOB_FAILED, "failed for good"),
        (EventType.JOB_CANCELLED, "cancelled"),
    ),
    "Workflows": (
        (EventType.WORKFLOW_SUCCEEDED, "succeeded"),
        (EventType.WORKFLOW_FAILED, "failed"),
        (EventType.WORKFLOW_UNDONE, "undone"),
        (EventType.WORKFLOW_CANCELLED, "cancelled"),
    ),
    "Alerts": (
        (EventType.ALERT_OPENED, "opened"),
        (EventType.ALERT_RESOLVED, "resolved"),
    ),
}
"""What one can be told of, in groups, each in words."""
WORDS: dict[str, Any] = {"events": EVENTS, "all_events": len(EventType)}


@router.get("/webhooks/new")
async def show_form(view: SettingsWriter) -> Response:
    """Ask where to and what of."""
    await routes.manager(view.caller)
    start = {"url": "", "description": "", "names": "", "queues": "", "events": list(EventType)}
    return await _form(view, start)


@router.post("/webhooks")
async def create(view: SettingsWriter) -> Response:
    """Register an endpoint and show its secret, this once."""
    caller = await routes.manager(view.caller)
    typed = _typed(view)
    try:
        body = filled.body(schemas.EndpointIn, _values(typed))
        await routes.new_endpoint(body, view.runtime, caller)
    except InvalidInput as error:
        return await _form(view, typed, error)
    async with view.runtime.unit_of_work() as uow:
        made = await routes.register(body, caller, view.runtime, uow)
    return await view.page("webhook_secret.html", endpoint=made, rotated=False)


@router.get("/webhooks/{endpoint_id}/edit")
async def show_change(endpoint_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Ask what to change."""
    caller = await routes.manager(view.caller)
    found = await routes.show(endpoint_id, caller, uow)
    typed = {
        "url": found.url,
        "description": found.description,
        "events": found.events,
        "names": "\n".join(found.names),
        "queues": "\n".join(found.queues),
    }
    return await _form(view, typed, endpoint=found)


@router.post("/webhooks/{endpoint_id}/edit")
async def change(endpoint_id: UUID, view: SettingsWriter) -> Response:
    """Change an endpoint."""
    caller = await routes.manager(view.caller)
    async with view.runtime.unit_of_work() as uow:
        found = await routes.show(endpoint_id, caller, uow)
    typed = _typed(view)
    try:
        body = filled.body(schemas.EndpointChange, _values(typed))
        if body.url != found.url:
            await routes.changes(body, view.runtime, caller)
    except InvalidInput as error:
        return await _form(view, typed, error, found)
    async with view.runtime.unit_of_work() as uow:
        await routes.change(endpoint_id, body, caller, uow)
    return view.go(f"/webhooks/{endpoint_id}", "The webhook is changed")


@router.get("/webhooks/{endpoint_id}/rotate")
async def ask_rotation(endpoint_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Say what a new secret means, and ask."""
    return await _ask(view, uow, endpoint_id, "rotate")


@router.post("/webhooks/{endpoint_id}/rotate")
async def rotate(endpoint_id: UUID, view: SettingsWriter) -> Response:
    """Make a new secret and show it, this once."""
    caller = await routes.manager(view.caller)
    async with view.runtime.unit_of_work() as uow:
        made = await routes.rotate_secret(endpoint_id, caller, view.runtime, uow)
    return await view.page("webhook_secret.html", endpoint=made, rotated=True)


@router.get("/webhooks/{endpoint_id}/delete")
async def ask_deletion(endpoint_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Say what is lost with an endpoint, and ask."""
    return await _ask(view, uow, endpoint_id, "delete")


@router.post("/webhooks/{endpoint_id}/delete")
async def delete(endpoint_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Remove an endpoint with what is known of its deliveries."""
    if view.form.get("confirmed") != "yes":
        return await _ask(view, uow, endpoint_id, "delete")
    caller = await routes.manager(view.caller)
    try:
        async with view.runtime.unit_of_work() as own:
            await routes.delete(endpoint_id, caller, own)
    except AlmanacError as error:
        return view.refused("/webhooks", error)
    return view.go("/webhooks", "The webhook is deleted")


async def steer(view: View, caller: Caller, endpoint_id: UUID, verb: str) -> str:
    """Test an endpoint, enable or disable it; return what was done."""
    async with view.runtime.unit_of_work() as uow:
        if verb == "test":
            await routes.test(endpoint_id, caller, uow, Once(uow, caller, None))
            return "A test is on its way; see below whether it arrives"
        enabled = verb == "enable"
        body = schemas.EndpointChange(enabled=enabled)
        await routes.change(endpoint_id, body, caller, uow)
    return "It is told again of what ends" if enabled else "It is told nothing until you enable it"


async def _ask(view: View, uow: Uow, endpoint_id: UUID, verb: str) -> Response:
    caller = await routes.manager(view.caller)
    endpoint = await routes.show(endpoint_id, caller, uow)
    overlap = endpoint_actions.OVERLAP
    return await view.page("webhook_confirm.html", endpoint=endpoint, verb=verb, overlap=overlap)


def _typed(view: View) -> dict[str, Any]:
    names = ("url", "description", "names", "queues")
    typed: dict[str, Any] = {name: str(view.form.get(name, "")).strip() for name in names}
    return {**typed, "events": [str(event) for event in view.form.getlist("events")]}


def _values(typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was typed as the API takes it: one name on each line."""
    lists = {name: typed[name].replace(",", "\n").split("\n") for name in ("names", "queues")}
    split = {
        name: [line.strip() for line in lines if line.strip()] for name, lines in lists.items()
    }
    known = {event.value: event for event in EventType}
    return {**typed, **split, "events": [known.get(event, event) for event in typed["events"]]}


async def _form(
    view: View,
    typed: Mapping[str, Any],
    error: InvalidInput | None = None,
    endpoint: schemas.EndpointOut | None = None,
) -> Response:
    return await view.page(
        "webhook_form.html",
        error.status if error else 200,
        typed=typed,
        problems=filled.problems(error) if error else {},
        endpoint=endpoint,
        **WORDS,
    )
