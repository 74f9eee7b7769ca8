"""Queue slots: the times of the week at which an account publishes what is added to its queue."""

import re
from collections.abc import Mapping, Sequence
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.dashboard import filled, formats, rendering
from service.dashboard.publishing.composing import zones
from service.dashboard.view import PostsReader, PostsWriter, View
from service.errors import InvalidInput, NotFound
from service.planning import routes
from service.planning.rules import WEEKDAYS
from service.planning.schemas import SlotsIn, SlotsOut

router = APIRouter(include_in_schema=False)
NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
FREE = 10
"""Free times that are shown."""
APART = re.compile(r"[,;\s]+")
SHORT = re.compile(r"^\d:\d\d$")


@router.get("/accounts/{account_id}/slots")
async def show(account_id: UUID, view: PostsReader) -> Response:
    """Show the week of an account, and its next free times."""
    async with view.runtime.unit_of_work() as uow:
        plan = await routes.show_slots(account_id, view.caller, uow)
    return await _show(view, account_id, _times(plan), plan.zone or _zone(view))


@router.post("/accounts/{account_id}/slots")
async def save(account_id: UUID, view: PostsWriter) -> Response:
    """Give an account the times of its week."""
    times = {day: str(view.form.get(day, "")).strip() for day in WEEKDAYS}
    zone = str(view.form.get("zone", "")).strip()
    slots = [
        {"weekday": day, "at": f"0{at}" if SHORT.match(at) else at}
        for day, text in times.items()
        for at in APART.split(text)
        if at
    ]
    try:
        body = filled.body(SlotsIn, {"zone": zone, "slots": slots})
        async with view.runtime.unit_of_work() as uow:
            plan = await routes.put_slots(account_id, body, view.caller, uow)
    except InvalidInput as error:
        view.caller.require(Scope.POSTS_READ)
        problems = {
            ("slots" if name.startswith("slots") else name): message
            for name, message in filled.problems(error).items()
        }
        if "slots" in problems:
            problems["slots"] = "Write times of the day as 09:00 or 17:30, with commas between"
        return await _show(view, account_id, times, zone, problems, 422)
    if not plan.slots:
        return view.go(f"/accounts/{account_id}/slots", "The account has no slots any more")
    count = len(plan.slots)
    text = f"The week has {count} {'slot' if count == 1 else 'slots'} now"
    return view.go(f"/accounts/{account_id}/slots", text)


def _zone(view: View) -> str:
    return formats.zone_of(view.request.cookies.get(rendering.ZONE)).key


def _times(plan: SlotsOut) -> dict[str, str]:
    """Return what the fields of the week say."""
    return {
        day: ", ".join(slot.at for slot in plan.slots if slot.weekday == day) for day in WEEKDAYS
    }


async def _show(  # noqa: PLR0913, PLR0917 - what the form holds, and what is wrong with it
    view: View,
    account_id: UUID,
    times: Mapping[str, str],
    zone: str,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    async with view.runtime.unit_of_work() as uow:
        account = await accounts.account(uow.session, view.caller, account_id)
        if account is None:
            raise NotFound("There is no such account")
        free: Sequence[object] = (await routes.next_slots(account_id, view.caller, uow, FREE)).items
    return await view.page(
        "slots.html",
        status,
        account=account,
        platform=view.runtime.platforms[account.platform],
        week=[(day, name, times[day]) for day, name in zip(WEEKDAYS, NAMES, strict=True)],
        its_zone=zone,
        zones=zones(),
        free=free,
        problems=problems or {},
        may_write=view.caller.may(Scope.POSTS_WRITE),
    )
