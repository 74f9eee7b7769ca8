"""The composer: one text for several accounts, checked as each of their platforms counts."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.dashboard import formats, rendering
from service.dashboard.publishing import composing, faults, uploading
from service.dashboard.publishing import sheet as post_sheet
from service.dashboard.publishing.blocks import UNIT_NAMES
from service.dashboard.publishing.composing import Known
from service.dashboard.publishing.sheet import Sheet
from service.dashboard.view import PostsWriter, View
from service.errors import Conflict, Forbidden, InvalidInput, Problem
from service.media.kinds import TYPES
from service.posts import routes as post_routes
from service.posts.composing import content_problems
from service.posts.desk import Desk
from service.posts.schemas import PostChange, PostDetail, PostIn, PostOut, ScheduleIn

router = APIRouter(include_in_schema=False)
FORM_PATH = re.compile(r"/posts/(new|[0-9a-f-]{36}/edit)")
CHECKING = ("submit", "schedule", "save")
"""Buttons that want a post which fits its accounts."""
LATE = {"ask": "Ask me", "skip": "Do not publish it", "send": "Publish it all the same"}
EDITABLE = ("draft", "approved", "scheduled", "held", "publishing")
"""States of posts that may be changed; of one that is publishing, the domain tells more."""


@router.get("/posts/new")
async def begin(
    view: PostsWriter,
    at: Annotated[str | None, Query(max_length=40)] = None,
    account: Annotated[list[UUID], Query(max_length=50)] = [],  # noqa: B006 - never changed
    copy: UUID | None = None,
    queue: Literal["yes", ""] = "",
) -> Response:
    """Show an empty form, or one that says what another post says."""
    zone = formats.zone_of(view.request.cookies.get(rendering.ZONE))
    if copy is not None:
        sheet = post_sheet.copy(await composing.stored(view, copy), zone)
    else:
        sheet = post_sheet.empty(zone, at, account, queued=queue == "yes")
    return await _show(view, Form(sheet, await composing.look_up(view, sheet)))


@router.get("/posts/{post_id}/edit")
async def edit(view: PostsWriter, post_id: UUID) -> Response:
    """Show the form of a post that may still be changed."""
    post = await composing.stored(view, post_id)
    if post.state not in EDITABLE:
        text = f"The post cannot be changed any more: it is {post.state.replace('_', ' ')}"
        return view.go(f"/posts/{post_id}", text, done=False)
    sheet = post_sheet.from_post(post)
    return await _show(view, Form(sheet, await composing.look_up(view, sheet), post))


@router.post("/posts/preview")
async def preview(view: PostsWriter) -> Response:
    """Show what the form would look like at each account, while somebody types."""
    sheet = post_sheet.from_form(view.form, _zone(view))
    known = await composing.look_up(view, sheet)
    return await view.page("composer_preview.html", **composing.desk_of(view, sheet, known))


@router.post("/posts/thread")
async def rearrange(view: PostsWriter) -> Response:
    """Show what follows alone, with one block more, less or moved; a browser with scripts asks."""
    sheet = post_sheet.from_form(view.form, _zone(view))
    known = await composing.look_up(view, sheet)
    form_path = str(view.form.get("form_path", ""))
    return await view.page(
        "composer_thread.html",
        **composing.desk_of(view, sheet, known),
        **_around(view, form_path if FORM_PATH.fullmatch(form_path) else "/posts/new"),
        problems={},
    )


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
        known = await composing.look_up(view, sheet)
        return await _show(view, Form(sheet, known, post), [problem], 409)
    return await _sent(view, post)


def _zone(view: View) -> Any:
    return formats.zone_of(view.request.cookies.get(rendering.ZONE))


async def _sent(view: View, post: PostDetail | None) -> Response:
    """Do what the pressed button says; whatever is refused, the form keeps what was typed."""
    sheet = post_sheet.from_form(view.form, _zone(view))
    problems = await uploading.upload(view, sheet)
    known = await composing.look_up(view, sheet)
    if "fix" in view.form:
        await composing.shorten(view, sheet, known, str(view.form["fix"]))
    if "leave" in view.form:
        composing.leave_out(view, sheet, known, str(view.form["leave"]))
    act = str(view.form.get("do", ""))
    form = Form(sheet, known, post, checked=act in {"check", *CHECKING})
    if problems or act not in {"draft", *CHECKING}:
        return await _show(view, form, problems, 422 if problems else 200)
    try:
        async with view.runtime.unit_of_work() as uow:
            desk = Desk.of(view.runtime, uow, view.caller)
            stored = await _store(desk, sheet, post, act)
    except InvalidInput as error:
        return await _show(view, form, error.problems, 422)
    except (Conflict, Forbidden) as error:
        return await _show(view, form, [Problem("post", error.message)], error.status)
    return view.go(f"/posts/{stored.id}", _done(stored, act))


async def _store(desk: Desk, sheet: Sheet, post: PostDetail | None, act: str) -> PostOut:
    """Store the form in one transaction with what follows from the button."""
    if post is None:
        values = {**sheet.values(), "draft": act != "schedule"}
        stored = await post_routes.create(desk, faults.body(PostIn, values))
    else:
        body = faults.body(PostChange, post_sheet.change(sheet, post))
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


@dataclass(frozen=True, slots=True)
class Form:
    """A form that is shown: what was typed, what that names, and the post that it changes."""

    sheet: Sheet
    known: Known
    post: PostDetail | None = None
    checked: bool = False
    """Whether somebody asked what is wrong with it."""


async def _show(
    view: View, form: Form, problems: Sequence[Problem] = (), status: int = 200
) -> Response:
    view.caller.require(Scope.POSTS_READ)
    post, sheet = form.post, form.sheet
    return await view.page(
        "composer.html",
        status,
        **composing.desk_of(view, sheet, form.known),
        **_around(view, f"/posts/{post.id}/edit" if post else "/posts/new"),
        post=post,
        is_draft=post is None or post.state in {"draft", "approved"},
        may_schedule=view.caller.is_admin or not view.runtime.settings.approval,
        all_problems=faults.in_words(problems),
        problems=faults.by_field(_placed(view, form, problems)),
        zones=composing.zones(),
        late_after=view.runtime.settings.too_late_after,
        late_answers=_late_answers(view.runtime.settings.too_late),
    )


def _around(view: View, form_path: str) -> dict[str, Any]:
    """Return what every part of the form needs."""
    return {
        "form_path": form_path,
        "may_upload": view.caller.may(Scope.CONTENT_WRITE),
        "types": ",".join(TYPES),
        "units": UNIT_NAMES,
    }


def _late_answers(usual: str) -> list[tuple[str, str]]:
    return [("", f"As everywhere here: {LATE[usual].lower()}"), *LATE.items()]


def _placed(view: View, form: Form, problems: Sequence[Problem]) -> list[Problem]:
    """Return what is wrong at the fields that it is about, each account's at its own."""
    if not form.checked:
        return list(problems)
    platforms = view.runtime.platforms
    chosen = composing.targets(form.sheet, form.known)
    content = composing.written(form.sheet, form.known)
    found = {(p.field, p.message) for p in content_problems(platforms, chosen, content)}
    others = [problem for problem in problems if (problem.field, problem.message) not in found]
    return [*others, *faults.of_targets(platforms, chosen, content)]
