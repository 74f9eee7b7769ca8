"""What people do to posts, one or many: for which it fits, what is said before and after."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from uuid import UUID

from pydantic import ValidationError
from starlette.datastructures import FormData

from service.dashboard.notes import Note
from service.dashboard.view import View
from service.errors import AlmanacError, InvalidInput, Problem
from service.posts import queries
from service.posts import routes as post_routes
from service.posts.desk import Desk
from service.posts.models import DeliveryState, Hold
from service.posts.schemas import ApproveIn, DeliveryOut, PostOut, RetryIn
from service.schema import Schema

T = TypeVar("T", bound=Schema)
MOST_CHOSEN = 200
MOST_TOLD = 3
"""Refusals that a note tells of."""
OPEN = ("draft", "approved", "scheduled", "waiting", "retrying", "held")
STOPPABLE = (*OPEN, "publishing")


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done to many posts."""

    question: str
    button: str
    effect: str
    """What happens, said before."""
    done: str
    fits: Callable[[PostOut], bool]
    style: str = "primary"


def everything(post: PostOut) -> list[DeliveryOut]:
    """Return the deliveries of a post, each before those of what follows it there."""
    found = []
    for main in post.deliveries:
        found += [main, *(d for d in post.follow_ups if d.account_id == main.account_id)]
    return found


def _states(post: PostOut) -> set[str]:
    return {delivery.state for delivery in everything(post)}


def is_editable(post: PostOut) -> bool:
    """Whether a post may still be changed, as far as one can see."""
    return _states(post) <= {*OPEN, "failed", "cancelled"} and post.state != "cancelled"


def may_go_again(delivery: DeliveryOut) -> bool:
    """Whether a person's word is all that it takes to publish it; not: a new connection."""
    held = delivery.state == DeliveryState.HELD and delivery.hold in {Hold.LATE, Hold.OWNER}
    return held or delivery.state == DeliveryState.FAILED


def needs_account(delivery: DeliveryOut) -> bool:
    """Whether it waits until its account is connected again."""
    return delivery.state == DeliveryState.HELD and delivery.hold in {None, Hold.ACCOUNT}


def is_late(delivery: DeliveryOut) -> bool:
    """Whether it waits for somebody to say that it is to go out all the same."""
    return delivery.state == DeliveryState.HELD and delivery.hold == Hold.LATE


def is_out(delivery: DeliveryOut) -> bool:
    """Whether readers find it on its platform, as far as Almanac knows."""
    return delivery.state == DeliveryState.PUBLISHED and delivery.removed_at is None


BULK: Mapping[str, Act] = {
    "cancel": Act(
        "Cancel",
        "Cancel them",
        "Nothing that is not out yet will be published. What is published stays.",
        "cancelled",
        lambda post: bool(_states(post) & set(STOPPABLE)),
        "danger",
    ),
    "delete": Act(
        "Delete",
        "Delete them",
        "Drafts are gone for good. What was scheduled once can only be cancelled.",
        "deleted",
        lambda post: post.state in {"draft", "approved"},
        "danger",
    ),
    "approve": Act(
        "Approve",
        "Approve and schedule",
        "Each is scheduled for its time; those without a time are published at once.",
        "approved",
        lambda post: post.submitted_at is not None,
    ),
    "retry": Act(
        "Publish again",
        "Publish again now",
        "What failed is sent again now; what is published is not sent twice.",
        "on the way again",
        lambda post: (
            any(map(may_go_again, everything(post))) and "unconfirmed" not in _states(post)
        ),
    ),
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Posts that were selected, and what is to be done to them."""

    act: str
    ids: Sequence[UUID]
    revisions: Mapping[UUID, int] = field(default_factory=dict)
    """What was read of each before it was confirmed."""

    @classmethod
    def of(cls, form: FormData) -> Self:
        """Return what a form says; what is no id is left out."""
        ids: dict[UUID, int] = {}
        for value in form.getlist("post")[:MOST_CHOSEN]:
            name, _, revision = str(value).partition(":")
            try:
                ids[UUID(name)] = int(revision or 0)
            except ValueError:
                continue
        return cls(str(form.get("do", "")), list(ids), ids)


async def look(view: View, chosen: Chosen) -> list[PostOut]:
    """Return the chosen posts that the caller may see, in the order of the choice."""
    async with view.runtime.database.session() as session:
        found = {p.id: p for p in await queries.posts_by_id(session, view.caller, chosen.ids)}
    return [post_routes.show(found[post_id]) for post_id in chosen.ids if post_id in found]


async def carry_out(view: View, chosen: Chosen) -> Note:
    """Do it to each in a transaction of its own; say of how many, and why not of others."""
    done = 0
    refused: list[str] = []
    for post in await look(view, chosen):
        try:
            async with view.runtime.unit_of_work() as uow:
                desk = Desk.of(view.runtime, uow, view.caller)
                await _one(desk, chosen, post.id)
        except AlmanacError as error:
            refused.append(f"“{beginning(post.text)}”: {error.message}")
        else:
            done += 1
    words = f"{done} {'post' if done == 1 else 'posts'} {BULK[chosen.act].done}"
    if refused:
        more = f" and {len(refused) - MOST_TOLD} more" if len(refused) > MOST_TOLD else ""
        words += f". Refused: {'; '.join(refused[:MOST_TOLD])}{more}"
    return Note(words, done > 0 or not refused)


async def _one(desk: Desk, chosen: Chosen, post_id: UUID) -> None:
    match chosen.act:
        case "cancel":
            await post_routes.cancel(post_id, desk)
        case "delete":
            await post_routes.discard(post_id, desk)
        case "approve":
            revision = chosen.revisions.get(post_id) or None
            await post_routes.approve(post_id, ApproveIn(revision=revision), desk)
        case "retry":
            await post_routes.retry(post_id, RetryIn(), desk)


def beginning(text: str) -> str:
    """Return the first words of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= 40 else f"{line[:40]}…"


def body(model: type[T], **values: Any) -> T:
    """Return a body of the API. Raises InvalidInput."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        found = [Problem(str(each["loc"][0]), each["msg"]) for each in error.errors()]
        raise InvalidInput(found) from error
