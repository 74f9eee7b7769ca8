"""What somebody was told themselves, and how they want to be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.dashboard import filled
from service.dashboard.view import Anybody, View
from service.errors import InvalidInput, NotFound
from service.kit.pagination import Page
from service.notifications import own_queries, own_routes
from service.notifications.models import MailWish
from service.notifications.own_schemas import SettingsIn
from service.web import Paging

router = APIRouter(include_in_schema=False)
HERE = "/notifications/mine"
WISHES = (
    (MailWish.OFF, "Never"),
    (MailWish.IMMEDIATELY, "At once, each in a mail of its own"),
    (MailWish.DIGEST, "Once a day, all in one mail"),
)


@router.get("/notifications/mine")
async def show(view: Anybody, page: Paging, show: str = "unread") -> Response:
    """Show what the person was told, newest first."""
    return await _show(view, page, unread=show != "all")


@dataclass(frozen=True, slots=True)
class _Refused:
    """Settings that cannot be kept: what was typed, and why not."""

    wanted: Mapping[str, str]
    error: InvalidInput


async def _show(
    view: View, page: Page, *, unread: bool, refused: _Refused | None = None
) -> Response:
    async with view.runtime.unit_of_work() as uow:
        found = await own_queries.list_own(uow.session, view.caller, page, unread=unread)
        settings = await own_routes.show_settings(view.caller, uow)
    return await view.page(
        "own_notifications.html",
        refused.error.status if refused else 200,
        notifications=found.items,
        cursor=found.next_cursor,
        unread=unread,
        first=page.before is None,
        sees_incidents=view.caller.may(Scope.JOBS_READ),
        wishes=WISHES,
        wanted=refused.wanted if refused else {"email": settings.email, "mail": settings.mail},
        problems=filled.problems(refused.error) if refused else {},
    )


@router.post("/notifications/mine/read")
async def read_all(view: Anybody) -> Response:
    """Mark everything as read."""
    async with view.runtime.unit_of_work() as uow:
        count = (await own_routes.read_all_own(view.caller, uow)).read
    text = "1 notification is" if count == 1 else f"{count} notifications are"
    return view.go(view.back(HERE), f"{text} read now")


@router.post("/notifications/mine/{notification_id}/read")
async def read(view: Anybody, notification_id: UUID) -> Response:
    """Mark one as read."""
    try:
        async with view.runtime.unit_of_work() as uow:
            found = await own_routes.read_own(notification_id, view.caller, uow)
    except NotFound as error:
        return view.refused(view.back(HERE), error)
    return view.go(view.back(HERE), f"Read: {found.title}")


@router.post("/notifications/settings")
async def put_settings(view: Anybody) -> Response:
    """Change where mails go, and when."""
    wanted = {name: str(view.form.get(name, "")).strip() for name in ("email", "mail")}
    try:
        body = filled.body(SettingsIn, {**wanted, "email": wanted["email"] or None})
        async with view.runtime.unit_of_work() as uow:
            await own_routes.put_settings(body, view.caller, uow)
    except InvalidInput as error:
        return await _show(view, Page(), unread=True, refused=_Refused(wanted, error))
    return view.go(f"{HERE}#settings", "Your settings are kept")
