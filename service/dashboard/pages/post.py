"""One post: what became of it and of what follows it at each account, and what can be done."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Response
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.accounts.queries import Account, AccountState
from service.dashboard.publishing import acts as post_acts
from service.dashboard.publishing import figures
from service.dashboard.publishing.acts import BULK
from service.dashboard.publishing.composing import stored
from service.dashboard.publishing.faults import by_field
from service.dashboard.publishing.previews import said
from service.dashboard.view import PostsReader, PostsWriter, View
from service.errors import AlmanacError, InvalidInput, Problem
from service.posts import removing
from service.posts import routes as post_routes
from service.posts.desk import Desk
from service.posts.schemas import (
    ApproveIn,
    DeliveryOut,
    PostDetail,
    RetryIn,
    ReturnIn,
    ScheduleIn,
)

router = APIRouter(include_in_schema=False)


class Removal(NamedTuple):
    """What taking a post back does to one delivery that is out."""

    delivery: DeliveryOut
    by_app: bool
    """Whether Almanac removes it; else a person must do it there."""
    connected: bool
    """Whether its account is; else Almanac cannot reach it."""


def rights(view: View) -> dict[str, bool]:
    """Return what pages about posts offer to who looks."""
    caller = view.caller
    return {
        "may_write": caller.may(Scope.POSTS_WRITE),
        "may_schedule": caller.is_admin or not view.runtime.settings.approval,
        "sees_jobs": caller.may(Scope.JOBS_READ),
        "may_connect": caller.may(Scope.SETTINGS_WRITE),
    }


def titles(view: View) -> dict[str, str]:
    """Return what platforms are called, by their names."""
    return {name: platform.title for name, platform in view.runtime.platforms.items()}


async def names_of(session: AsyncSession, view: View, ids: Collection[UUID]) -> dict[UUID, Account]:
    """Return the accounts of these ids that the caller may see."""
    found = await accounts.accounts_by_id(session, view.caller, ids)
    return {account.id: account for account in found}


@router.get("/posts/{post_id}")
async def show(view: PostsReader, post_id: UUID) -> Response:
    """Show a post with everything that happened to it."""
    return await _show(view, await stored(view, post_id))


async def _show(
    view: View, post: PostDetail, problems: Sequence[Problem] = (), status: int = 200
) -> Response:
    everything = post_acts.everything(post)
    async with view.runtime.database.session() as session:
        names = await names_of(session, view, {d.account_id for d in post.deliveries})
        reception = await figures.of_post(session, view, post.id, names)
    return await view.page(
        "post.html",
        status,
        post=post,
        reception=reception,
        accounts=names,
        titles=titles(view),
        is_draft=post.state in {"draft", "approved"},
        editable=post_acts.is_editable(post),
        cancellable=BULK["cancel"].fits(post),
        going_again=[d for d in everything if post_acts.may_go_again(d)],
        late=[d for d in everything if post_acts.is_late(d)],
        unconnected=[d for d in post.deliveries if post_acts.needs_account(d)],
        unconfirmed=[d for d in everything if d.state == "unconfirmed"],
        removable=any(map(post_acts.is_out, everything)),
        plan=[_part(part) for part in post.thread],
        problems=by_field(problems),
        all_problems=[said(problem) for problem in problems],
        refused_note=str(view.form.get("note", "")),
        **rights(view),
    )


def _part(part: dict[str, Any]) -> tuple[Any, ...]:
    """Return what tells whether a follow-up says what is planned for all accounts."""
    return part["kind"], part["text"], [file["id"] for file in part["media"]]


@router.get("/posts/{post_id}/withdraw")
async def ask_to_withdraw(view: PostsWriter, post_id: UUID) -> Response:
    """Say what taking a post back would remove, and what a person must remove."""
    post = await stored(view, post_id)
    out = [delivery for delivery in post_acts.everything(post) if post_acts.is_out(delivery)]
    if not out:
        return view.go(f"/posts/{post_id}", "Nothing of this post is out", done=False)
    async with view.runtime.database.session() as session:
        names = await names_of(session, view, {d.account_id for d in out})
    platforms = view.runtime.platforms
    removals = [
        Removal(
            delivery,
            removing.is_removable(platforms[delivery.platform], delivery.remote_id),
            (found := names.get(delivery.account_id)) is not None
            and found.state == AccountState.ACTIVE,
        )
        for delivery in out
    ]
    return await view.page(
        "post_withdraw.html",
        post=post,
        removals=removals,
        accounts=names,
        titles=titles(view),
    )


@router.post("/posts/{post_id}/withdraw")
async def withdraw(view: PostsWriter, post_id: UUID) -> Response:
    """Take a post back, once somebody has seen what that does."""
    path = f"/posts/{post_id}"
    if view.form.get("confirmed") != "yes":
        return await ask_to_withdraw(view, post_id)
    try:
        async with view.runtime.unit_of_work() as uow:
            desk = Desk.of(view.runtime, uow, view.caller)
            post = await post_routes.withdraw(post_id, desk)
    except AlmanacError as error:
        return view.refused(path, error)
    left = sum(1 for d in post_acts.everything(post) if post_acts.is_out(d) and d.removal_error)
    if left == sum(map(post_acts.is_out, post_acts.everything(post))):
        return view.go(path, "Nothing of it can be removed from here: see below where to do it")
    rest = "; the rest must be removed by hand, see below" if left else ""
    return view.go(path, f"It is being taken back{rest}")


@router.post("/posts/{post_id}/{act}")
async def do(view: PostsWriter, post_id: UUID, act: str) -> Response:
    """Submit, approve, send back, schedule or publish again one post."""
    path = f"/posts/{post_id}"
    try:
        async with view.runtime.unit_of_work() as uow:
            desk = Desk.of(view.runtime, uow, view.caller)
            note = await _do(desk, post_id, act, view)
    except InvalidInput as error:
        return await _show(view, await stored(view, post_id), error.problems, 422)
    except AlmanacError as error:
        return view.refused(path, error)
    return view.go(path, note)


async def _do(desk: Desk, post_id: UUID, act: str, view: View) -> str:
    match act:
        case "submit":
            await post_routes.submit(post_id, desk)
            return "Submitted for approval"
        case "approve":
            return await _approve(desk, post_id, view)
        case "return":
            note = str(view.form.get("note", "")).replace("\r\n", "\n").strip()
            if not note:
                raise InvalidInput([Problem("note", "Say what is to be changed")])
            await post_routes.send_back(post_id, post_acts.body(ReturnIn, note=note), desk)
            return "Sent back to its author, who is told why"
        case "schedule":
            post = await post_routes.schedule_draft(post_id, ScheduleIn(), desk)
            return "Scheduled" if post.publish_at else "It is being published now"
        case "retry":
            answer = view.form.get("unconfirmed")
            await post_routes.retry(post_id, post_acts.body(RetryIn, unconfirmed=answer), desk)
            return "Noted as published" if answer == "mark_published" else "It is sent again now"
    raise InvalidInput([Problem("act", "There is no such action")])


async def _approve(desk: Desk, post_id: UUID, view: View) -> str:
    revision = str(view.form.get("revision", ""))
    later = view.form.get("later") == "yes"
    body = post_acts.body(ApproveIn, revision=int(revision) if revision.isdecimal() else None)
    body.schedule = not later
    post = await post_routes.approve(post_id, body, desk)
    if later:
        return "Approved: its author can schedule it"
    return "Approved and scheduled" if post.publish_at else "Approved: it is being published now"
