"""Webhooks: who is told of what ends, and whether it arrives."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Caller, Scope
from service.dashboard import filled, formats
from service.dashboard.pages import webhook_form
from service.dashboard.rendering import ZONE
from service.dashboard.view import JobsReader, SettingsWriter, View
from service.errors import AlmanacError, InvalidInput
from service.kit.clock import now
from service.web import Paging, Uow
from service.webhooks import queries, routes
from service.webhooks.models import DeliveryState
from service.webhooks.queries import MOST_REPLAYED

router = APIRouter(include_in_schema=False)
router.include_router(webhook_form.router)
STATES = {
    DeliveryState.PENDING: ("queued", "on its way"),
    DeliveryState.DELIVERED: ("succeeded", "delivered"),
    DeliveryState.FAILED: ("failed", "failed"),
}
"""By a delivery's state: the look of the word, and the word."""
Named = Annotated[str, Query(max_length=20)]


def manages(caller: Caller) -> bool:
    """Whether a caller may change endpoints."""
    return caller.may(Scope.SETTINGS_WRITE)


@router.get("/webhooks")
async def show_all(view: JobsReader, page: Paging, uow: Uow) -> Response:
    """Show who is told of what ends."""
    found = await routes.list_endpoints(view.caller, page, uow)
    latest = await queries.latest(uow.session, [endpoint.id for endpoint in found.items])
    return await view.page(
        "webhooks.html",
        endpoints=found.items,
        latest=latest,
        cursor=found.next_cursor,
        first=not page.before,
        may_manage=manages(view.caller),
        states=STATES,
        **webhook_form.WORDS,
    )


@router.get("/webhooks/{endpoint_id}")
async def show_one(
    endpoint_id: UUID, view: JobsReader, page: Paging, uow: Uow, state: Named = ""
) -> Response:
    """Show an endpoint and what was sent to it."""
    wanted = next((each for each in DeliveryState if each == state), None)
    endpoint = await routes.show(endpoint_id, view.caller, uow)
    found = await routes.list_deliveries(endpoint_id, view.caller, page, uow, wanted)
    latest = await queries.latest(uow.session, [endpoint_id])
    return await view.page(
        "webhook.html",
        endpoint=endpoint,
        latest=latest[endpoint_id],
        failed=await queries.count_failed(uow.session, endpoint_id, None),
        most=MOST_REPLAYED,
        deliveries=found.items,
        cursor=found.next_cursor,
        first=not page.before,
        state=wanted or "",
        may_manage=manages(view.caller),
        states=STATES,
        **webhook_form.WORDS,
    )


@router.post("/webhooks/{endpoint_id}/test")
async def test(endpoint_id: UUID, view: SettingsWriter) -> Response:
    """Send an event that says nothing."""
    return await _act(view, endpoint_id, "test")


@router.post("/webhooks/{endpoint_id}/enable")
async def enable(endpoint_id: UUID, view: SettingsWriter) -> Response:
    """Let an endpoint be told again."""
    return await _act(view, endpoint_id, "enable")


@router.post("/webhooks/{endpoint_id}/disable")
async def disable(endpoint_id: UUID, view: SettingsWriter) -> Response:
    """Tell an endpoint nothing more, and keep it."""
    return await _act(view, endpoint_id, "disable")


@router.post("/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay")
async def replay(endpoint_id: UUID, delivery_id: UUID, view: SettingsWriter) -> Response:
    """Send one delivery again."""
    back = view.back(f"/webhooks/{endpoint_id}")
    caller = await routes.manager(view.caller)
    try:
        async with view.runtime.unit_of_work() as uow:
            await routes.replay(endpoint_id, delivery_id, caller, uow)
    except AlmanacError as error:
        return view.refused(back, error)
    return view.go(back, "It is sent again, under the same id")


async def _act(view: View, endpoint_id: UUID, verb: str) -> Response:
    caller = await routes.manager(view.caller)
    path = f"/webhooks/{endpoint_id}"
    try:
        text = await webhook_form.steer(view, caller, endpoint_id, verb)
    except AlmanacError as error:
        return view.refused(path if error.status == 409 else "/webhooks", error)
    return view.go(path, text)


@router.get("/webhooks/{endpoint_id}/replay")
async def ask_replay(
    endpoint_id: UUID,
    view: SettingsWriter,
    uow: Uow,
    since: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """Say what replaying what failed would send, and ask."""
    return await _ask(view, uow, endpoint_id, since)


async def _ask(view: View, uow: Uow, endpoint_id: UUID, since: str) -> Response:
    endpoint = await routes.show(endpoint_id, view.caller, uow)
    values: dict[str, Any] = {"endpoint": endpoint, "since": since, "most": MOST_REPLAYED}
    try:
        start = _start(view, since)
    except InvalidInput as error:
        values |= {"count": None, "problems": filled.problems(error), "start": None}
        return await view.page("webhook_replay.html", 422, **values)
    count = await queries.count_failed(uow.session, endpoint_id, start)
    return await view.page(
        "webhook_replay.html", **values, count=count, problems={}, start=start, now=now()
    )


def _start(view: View, since: str) -> datetime | None:
    return filled.instant("since", since, formats.zone_of(view.request.cookies.get(ZONE)))


@router.post("/webhooks/{endpoint_id}/replay")
async def replay_failed(endpoint_id: UUID, view: SettingsWriter, uow: Uow) -> Response:
    """Send what failed again, once somebody has seen how much that is."""
    since = str(view.form.get("since", ""))[:40]
    if view.form.get("confirmed") != "yes":
        return await _ask(view, uow, endpoint_id, since)
    caller = await routes.manager(view.caller)
    path = f"/webhooks/{endpoint_id}"
    try:
        start = _start(view, since)
        async with view.runtime.unit_of_work() as own:
            replayed = await routes.replay_failed(endpoint_id, caller, own, start)
    except AlmanacError as error:
        return view.refused(path, error)
    noun = "delivery is" if replayed.replayed == 1 else "deliveries are"
    return view.go(path, f"{replayed.replayed:,} {noun} sent again")
