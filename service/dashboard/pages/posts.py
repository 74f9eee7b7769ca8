"""Posts: all that there are, and one with what became of it at each account."""

from collections.abc import Collection, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.accounts.queries import Account
from service.dashboard.publishing import acts as post_acts
from service.dashboard.publishing.acts import BULK, Chosen
from service.dashboard.publishing.composing import MOST_ACCOUNTS, by_field, stored
from service.dashboard.view import PostsReader, PostsWriter, View
from service.errors import AlmanacError, InvalidInput, Problem
from service.kit.clock import now
from service.kit.pagination import Page
from service.posts import list_queries
from service.posts import routes as post_routes
from service.posts.desk import Desk
from service.posts.list_queries import SCANNED, Show, Wanted
from service.posts.schemas import ApproveIn, PostDetail, RetryIn, ReturnIn, ScheduleIn

router = APIRouter(include_in_schema=False)
PER_PAGE = 50
MOST_WORDS = 200
EMPTY = {
    Show.ALL: "No post yet.",
    Show.SCHEDULED: "Nothing is scheduled.",
    Show.DRAFTS: "No drafts. In the composer, Save draft keeps what is not ready yet.",
    Show.TO_APPROVE: "Nothing waits for approval.",
    Show.FAILED: "Nothing has failed.",
    Show.LATE: "Nothing is late.",
    Show.PUBLISHED: "Nothing was published yet.",
}


@router.get("/posts")
async def show_all(
    view: PostsReader,
    show: Show = Show.ALL,
    q: Annotated[str, Query(max_length=MOST_WORDS)] = "",
    account: str = "",
    cursor: Annotated[str | None, Query(max_length=100)] = None,
) -> Response:
    """List posts by what they are, with their words and accounts."""
    wanted = Wanted(show, q.replace("\x00", "").strip(), _id(account))
    async with view.runtime.database.session() as session:
        found = await list_queries.search(session, view.caller, wanted, now(), PER_PAGE, cursor)
        own = (await accounts.list_accounts(session, view.caller, Page(MOST_ACCOUNTS))).items
        names = await _accounts(
            session, view, {d.account_id for p in found.posts for d in p.deliveries}
        )
    filters = {"q": wanted.text, "account": account if wanted.account_id else ""}
    return await view.page(
        "posts.html",
        posts=[post_routes.show(post) for post in found.posts],
        accounts=names,
        own=own,
        wanted=wanted,
        tabs=[(tab, _path(show=tab, **filters)) for tab in Show],
        more=_path(show=show, **filters),
        cursor=found.cursor,
        bounded=found.bounded,
        scanned=SCANNED,
        later=cursor is not None,
        empty=EMPTY[show],
        titles={name: platform.title for name, platform in view.runtime.platforms.items()},
        **_rights(view),
    )


def _path(**values: str) -> str:
    filled = {name: value for name, value in values.items() if value and value != Show.ALL}
    return "/posts" + (f"?{urlencode(filled)}" if filled else "")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _rights(view: View) -> dict[str, bool]:
    caller = view.caller
    return {
        "may_write": caller.may(Scope.POSTS_WRITE),
        "may_schedule": caller.is_admin or not view.runtime.settings.approval,
        "sees_jobs": caller.may(Scope.JOBS_READ),
    }


async def _accounts(session: Any, view: View, ids: Collection[UUID]) -> dict[UUID, Account]:
    found = await accounts.accounts_by_id(session, view.caller, ids)
    return {account.id: account for account in found}


@router.post("/posts/bulk")
async def bulk(view: PostsWriter) -> Response:
    """Ask whether to do something to the selected posts, then do it."""
    back = view.back("/posts")
    chosen = Chosen.of(view.form)
    if chosen.act not in BULK:
        return view.go(back, "Choose what to do", done=False)
    if not chosen.ids:
        return view.go(back, "Select posts first", done=False)
    if view.form.get("confirmed") == "yes":
        note = await post_acts.carry_out(view, chosen)
        return view.go(back, note.text, done=note.done)
    posts = await post_acts.look(view, chosen)
    fitting = [post for post in posts if BULK[chosen.act].fits(post)]
    return await view.page(
        "posts_confirm.html",
        act=chosen.act,
        words=BULK[chosen.act],
        posts=fitting,
        others=[post for post in posts if post not in fitting],
        back=back,
    )


@router.get("/posts/{post_id}")
async def show(view: PostsReader, post_id: UUID) -> Response:
    """Show a post with everything that happened to it."""
    return await _show(view, await stored(view, post_id))


async def _show(
    view: View, post: PostDetail, problems: Sequence[Problem] = (), status: int = 200
) -> Response:
    async with view.runtime.database.session() as session:
        names = await _accounts(session, view, {d.account_id for d in post.deliveries})
    return await view.page(
        "post.html",
        status,
        post=post,
        accounts=names,
        titles={name: platform.title for name, platform in view.runtime.platforms.items()},
        is_draft=post.state in {"draft", "approved"},
        editable=post_acts.is_editable(post),
        cancellable=BULK["cancel"].fits(post),
        failed=[d for d in post.deliveries if d.state in {"failed", "held"}],
        unconfirmed=[d for d in post.deliveries if d.state == "unconfirmed"],
        problems=by_field(problems),
        all_problems=problems,
        refused_note=str(view.form.get("note", "")),
        **_rights(view),
    )


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
