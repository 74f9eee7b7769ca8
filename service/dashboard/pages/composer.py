"""The composer: one text for several accounts, checked as each of their platforms counts."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard import filled, formats, rendering
from service.dashboard.publishing import composing
from service.dashboard.publishing import sheet as post_sheet
from service.dashboard.publishing.sheet import Sheet
from service.dashboard.view import PostsWriter, View
from service.errors import Conflict, Forbidden, InvalidInput, Problem
from service.posts import routes as post_routes
from service.posts.desk import Desk
from service.posts.schemas import PostChange, PostDetail, PostIn, PostOut, ScheduleIn

router = APIRouter(include_in_schema=False)
EDITABLE = ("draft", "approved", "scheduled", "held", "publishing")
"""States of posts that may be changed; of one that is publishing, the domain tells more."""


@router.get("/posts/new")
async def begin(
    view: PostsWriter,
    at: Annotated[str | None, Query(max_length=40)] = None,
    account: Annotated[list[UUID], Query(max_length=50)] = [],  # noqa: B006 - never changed
    copy: UUID | None = None,
) -> Response:
    """Show an empty form, or one that says what another post says."""
    zone = formats.zone_of(view.request.cookies.get(rendering.ZONE))
    if copy is not None:
        sheet = post_sheet.copy(await composing.stored(view, copy), zone)
    else:
        sheet = post_sheet.empty(zone, at, account)
    return await _show(view, sheet)


@router.get("/posts/{post_id}/edit")
async def edit(view: PostsWriter, post_id: UUID) -> Response:
    """Show the form of a post that may still be changed."""
    post = await composing.stored(view, post_id)
    if post.state not in EDITABLE:
        text = f"The post cannot be changed any more: it is {post.state.replace('_', ' ')}"
        return view.go(f"/posts/{post_id}", text, done=False)
    return await _show(view, post_sheet.from_post(post), post)


@router.post("/posts/preview")
async def preview(view: PostsWriter) -> Response:
    """Show what the form would look like at each account, while somebody types."""
    sheet = post_sheet.from_form(view.form, _zone(view))
    return await view.page("composer_preview.html", **await composing.desk_of(view, sheet))


@router.post("/posts/new")
async def create(view: PostsWriter) -> Response:
    """Check, save, submit or schedule a new post."""
    return await _sent(view, None)


@router.post("/posts/{post_id}/edit")
async def save(view: PostsWriter, post_id: UUID) -> Response:
    """Check, save, submit or schedule a post that is there."""
    post = await composing.stored(view, post_id)
    sheet = post_sheet.from_form(view.form, _zone(view))
    if str(view.form.get("revision", "")) not in {"", str(post.revision)}:
        problem = Problem("revision", "The post was changed meanwhile; saving replaces that")
        return await _show(view, sheet, post, [problem], 409)
    return await _sent(view, post)


def _zone(view: View) -> Any:
    return formats.zone_of(view.request.cookies.get(rendering.ZONE))


async def _sent(view: View, post: PostDetail | None) -> Response:
    """Do what the pressed button says; whatever is refused, the form keeps what was typed."""
    sheet = post_sheet.from_form(view.form, _zone(view))
    added, problems = await composing.upload(view)
    sheet.media += [found for found in added if found not in sheet.media]
    if "fix" in view.form:
        await composing.shorten(view, sheet, str(view.form["fix"]))
    act = str(view.form.get("do", "check"))
    if problems or act not in {"draft", "submit", "schedule", "save"}:
        return await _show(view, sheet, post, problems, 422 if problems else 200)
    try:
        async with view.runtime.unit_of_work() as uow:
            desk = Desk.of(view.runtime, uow, view.caller)
            stored = await _store(desk, sheet, post, act)
    except InvalidInput as error:
        return await _show(view, sheet, post, error.problems, 422)
    except (Conflict, Forbidden) as error:
        problem = Problem("post", error.message)
        return await _show(view, sheet, post, [problem], error.status)
    return view.go(f"/posts/{stored.id}", _done(stored, act))


async def _store(desk: Desk, sheet: Sheet, post: PostDetail | None, act: str) -> PostOut:
    """Store the form in one transaction with what follows from the button."""
    if post is None:
        values = {**sheet.values(), "draft": act != "schedule"}
        stored = await post_routes.create(desk, filled.body(PostIn, values))
    else:
        body = filled.body(PostChange, post_sheet.change(sheet, post))
        stored = await post_routes.change(post.id, body, desk)
        if act == "schedule":
            stored = await post_routes.schedule_draft(post.id, ScheduleIn(), desk)
    if act == "submit" and stored.submitted_at is None:
        stored = await post_routes.submit(stored.id, desk)
    return stored


def _done(post: PostOut, act: str) -> str:
    if post.submitted_at is not None:
        return "Submitted: somebody with the right to approve must look at it now"
    if act == "save":
        return "The changes are saved"
    if act == "draft":
        return "The draft is saved; it is not scheduled yet"
    if post.publish_at is None:
        return "It is being published now"
    when = formats.moment(post.publish_at, formats.zone_of(post.zone))
    return f"Scheduled for {when} ({post.zone})"


async def _show(
    view: View,
    sheet: Sheet,
    post: PostDetail | None = None,
    problems: Any = (),
    status: int = 200,
) -> Response:
    view.caller.require(Scope.POSTS_READ)
    values = await composing.desk_of(view, sheet)
    return await view.page(
        "composer.html",
        status,
        **values,
        post=post,
        is_draft=post is None or post.state in {"draft", "approved"},
        may_schedule=view.caller.is_admin or not view.runtime.settings.approval,
        may_upload=view.caller.may(Scope.CONTENT_WRITE),
        all_problems=problems,
        problems=composing.by_field(problems),
        zones=composing.zones(),
    )
