"""One member: counters, posts, follows and mails; changed, deactivated, deleted."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from service.access.caller import Scope
from service.community import feed_routes, routes
from service.community.feed_cursors import Order
from service.community.schemas import MemberChange, MemberOut
from service.dashboard import filled
from service.dashboard.operations.wording import count
from service.dashboard.view import ContentReader, ContentWriter, View
from service.emails import routes as emails
from service.errors import InvalidInput
from service.kit.pagination import Page
from service.web import Uow

router = APIRouter(include_in_schema=False)
POSTS = 5
MAILS = 10
NEIGHBOURS = 12
"""Of those whom a member follows, and of those who follow, so many are named."""
NAMES = ("display_name", "username", "email")


@router.get("/members/{member_id}")
async def show(view: ContentReader, uow: Uow, member_id: UUID) -> Response:
    """Show a member."""
    caller = view.caller
    found = await routes.show(member_id, caller, uow)
    near, feed = Page(NEIGHBOURS), feed_routes.show_feed
    posts = await feed(
        caller, uow, viewer=member_id, author=member_id, order=Order.NEW, limit=POSTS
    )
    mails = await emails.list_emails(caller, Page(MAILS), uow, address=found.email)
    return await view.page(
        "member.html",
        member=found,
        posts=posts.items,
        followers=(await routes.followers(member_id, caller, near, uow)).items,
        following=(await routes.following(member_id, caller, near, uow)).items,
        mails=mails.items,
        may_write=caller.may(Scope.CONTENT_WRITE),
    )


@router.get("/members/{member_id}/edit")
async def ask_changes(view: ContentWriter, uow: Uow, member_id: UUID) -> Response:
    """Show the form of a member."""
    found = await routes.show(member_id, view.caller, uow)
    return await view.page("member_form.html", **form(found.model_dump(), member=found))


@router.post("/members/{member_id}/edit")
async def change(view: ContentWriter, uow: Uow, member_id: UUID) -> Response:
    """Change a member's names, and whether they get the digest."""
    found, values = await routes.show(member_id, view.caller, uow), typed(view)
    try:
        await _change(view, member_id, filled.body(MemberChange, values))
    except InvalidInput as error:
        return await view.page("member_form.html", 422, **form(values, error, found))
    return view.go(f"/members/{member_id}", "The member is changed")


@router.post("/members/{member_id}/digest")
async def set_digest(view: ContentWriter, member_id: UUID) -> Response:
    """Send a member the weekly digest, or no longer."""
    wanted = view.form.get("digest") == "yes"
    await _change(view, member_id, MemberChange(digest_opt_out=not wanted))
    said = "They get the weekly digest again" if wanted else "They get no weekly digest any more"
    return view.go(f"/members/{member_id}", said)


@router.post("/members/{member_id}/deactivate")
async def deactivate(view: ContentWriter, uow: Uow, member_id: UUID) -> Response:
    """Keep a member from doing anything and from all mail; unless confirmed, ask first."""
    found = await routes.show(member_id, view.caller, uow)
    if view.form.get("confirmed") != "yes":
        return await view.page(
            "access_confirm.html",
            question=f"Deactivate {found.display_name}?",
            sentences=[
                "They can do nothing in the community and get no mail until somebody activates"
                " them again.",
                f"{count(found.posts_count, 'post')} and all comments, likes and follows of"
                " theirs stay as they are.",
            ],
            action=f"/members/{member_id}/deactivate",
            button="Deactivate",
            back=f"/members/{member_id}",
        )
    await _change(view, member_id, MemberChange(is_active=False))
    return view.go(f"/members/{member_id}", f"{found.display_name} is deactivated")


@router.post("/members/{member_id}/activate")
async def activate(view: ContentWriter, member_id: UUID) -> Response:
    """Let a member take part again."""
    await _change(view, member_id, MemberChange(is_active=True))
    return view.go(f"/members/{member_id}", "They take part again")


@router.post("/members/{member_id}/delete")
async def delete(view: ContentWriter, uow: Uow, member_id: UUID) -> Response:
    """Delete a member; unless that was confirmed, say what becomes of what they wrote."""
    found = await routes.show(member_id, view.caller, uow)
    content = view.form.get("content")
    if view.form.get("confirmed") != "yes" or content not in {"delete", "keep"}:
        return await view.page("member_delete.html", member=found, count=count)
    async with view.runtime.unit_of_work() as own:
        kept = content == "keep"
        await routes.delete(member_id, view.caller, own, "keep" if kept else "delete")
    what = "their public posts and comments stay" if kept else "with all they wrote"
    return view.go("/members", f"{found.display_name} is deleted, {what}")


async def _change(view: View, member_id: UUID, body: MemberChange) -> None:
    async with view.runtime.unit_of_work() as uow:
        await routes.change(member_id, body, view.caller, uow)


def typed(view: View) -> dict[str, Any]:
    """Return what the form of a member says."""
    values: dict[str, Any] = {name: str(view.form.get(name, "")).strip() for name in NAMES}
    return values | {"digest_opt_out": view.form.get("digest_opt_out") == "yes"}


def form(
    values: Mapping[str, Any],
    error: InvalidInput | None = None,
    member: MemberOut | None = None,
) -> dict[str, Any]:
    """Return what the form of a member needs; without `member` it is a new one's."""
    empty = {**dict.fromkeys(NAMES, ""), "digest_opt_out": False}
    problems = filled.problems(error) if error else {}
    return {"values": {**empty, **values}, "problems": problems, "member": member}
