"""Acts on the selected jobs of a search, or on all that match: first the question, then the act."""

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Response

from service.dashboard.formats import zone_of
from service.dashboard.jobs import acts as job_acts
from service.dashboard.jobs import rows as job_rows
from service.dashboard.jobs import search as job_search
from service.dashboard.jobs.acts import ACTS, Chosen, Outcome, all_of, counted
from service.dashboard.jobs.search import Query, path_of
from service.dashboard.rendering import ZONE
from service.dashboard.view import JobsOperator, View
from service.errors import InvalidInput, Problem

router = APIRouter(include_in_schema=False)
EXAMPLES: Final = 5


@router.post("/jobs/many")
async def act_on_many(view: JobsOperator) -> Response:
    """Ask whether something is to be done to jobs; do it once that is confirmed."""
    act, _, which = str(view.form.get("do", "")).partition("-")
    if act not in ACTS:
        raise InvalidInput([Problem("do", f"is one of {', '.join(ACTS)}")])
    query = job_rows.with_name(job_search.parse(str(view.form.get("q", ""))))
    zone = zone_of(view.request.cookies.get(ZONE))
    ids = list(dict.fromkeys(str(one) for one in view.form.getlist("job")))[: job_acts.MOST]
    if which != "all" and not ids:
        return view.go(path_of(query), "Nothing was selected, so nothing was done.", done=False)
    if view.form.get("confirmed") != "yes":
        return await _ask(view, act, query, zone, None if which == "all" else ids)
    if which == "all":
        outcome = await _do_to_all(view, act, query, zone)
    else:
        outcome = await job_acts.do(view, act, ids)
    return await tell(view, act, outcome, path_of(query))


async def _ask(
    view: View, act: str, query: Query, zone: ZoneInfo, ids: Sequence[str] | None
) -> Response:
    if ids is not None:
        fields = [("do", act), *(("job", one) for one in ids)]
        return await ask(view, act, counted(len(ids)), ids, [*fields, _q(query)], path_of(query))
    chosen = await job_acts.matching(view, query, act, zone)
    if not chosen.ids:
        return view.go(path_of(query), "Nothing matches any more, so nothing was done.", done=False)
    fields = [("do", f"{act}-all"), _q(query)]
    many = _how_many(query, chosen)
    return await ask(view, act, many, chosen.ids, fields, path_of(query))


def _q(query: Query) -> tuple[str, str]:
    return "q", job_search.write(query)


def _how_many(query: Query, chosen: Chosen) -> str:
    count = len(chosen.ids)
    if chosen.more and not job_rows.asked_whole(query):
        return f"the first {counted(count)} that match"
    return all_of(count, more=chosen.more)


async def _do_to_all(view: View, act: str, query: Query, zone: ZoneInfo) -> Outcome:
    if job_rows.asked_whole(query):
        return await job_acts.do_to_all_dead(view, act, query)
    chosen = await job_acts.matching(view, query, act, zone)
    outcome = await job_acts.do(view, act, chosen.ids)
    outcome.more = chosen.more
    return outcome


async def ask(  # noqa: PLR0913, PLR0917 - what the question is made of
    view: View,
    act: str,
    many: str,
    ids: Sequence[str],
    fields: Sequence[tuple[str, str]],
    back: str,
    action: str = "/jobs/many",
) -> Response:
    """Show the page that asks before something is done.

    Args:
        view: of the request.
        act: one of `ACTS`.
        many: how many jobs, in words.
        ids: of these jobs, of which the first are shown.
        fields: what the form sends again once it is confirmed.
        back: where the list is.
        action: where the form goes.
    """
    return await view.page(
        "jobs_confirm.html",
        act=ACTS[act],
        question=ACTS[act].question.format(many),
        examples=ids[:EXAMPLES],
        others=len(ids) - EXAMPLES,
        fields=fields,
        back=back,
        action=action,
    )


async def tell(view: View, act: str, outcome: Outcome, back: str) -> Response:
    """Lead back to the list, or show what was refused and why."""
    if not (outcome.left or outcome.more):
        return view.go(back, job_acts.told(act, outcome))
    return await view.page(
        "jobs_outcome.html",
        act=ACTS[act],
        told=job_acts.told(act, outcome),
        outcome=outcome,
        unnamed=outcome.left - len(outcome.refused),
        back=back,
    )
