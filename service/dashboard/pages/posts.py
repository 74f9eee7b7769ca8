"""Posts: all that there are, found by what they are, and done with many at once."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Query, Response

from service.accounts import queries as accounts
from service.dashboard.pages import post
from service.dashboard.pages.post import names_of, rights, titles
from service.dashboard.publishing import acts as post_acts
from service.dashboard.publishing.acts import BULK, Chosen
from service.dashboard.publishing.composing import MOST_ACCOUNTS
from service.dashboard.view import PostsReader, PostsWriter
from service.kit.clock import now
from service.kit.pagination import Page
from service.posts import list_queries
from service.posts import routes as post_routes
from service.posts.list_queries import SCANNED, Show, Wanted

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
        names = await names_of(
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
        titles=titles(view),
        **rights(view),
    )


def _path(**values: str) -> str:
    filled = {name: value for name, value in values.items() if value and value != Show.ALL}
    return "/posts" + (f"?{urlencode(filled)}" if filled else "")


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


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


router.include_router(post.router)  # last, for `/posts/{post_id}` takes anything
