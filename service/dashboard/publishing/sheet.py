"""The composer's form: what a person typed, and what of it becomes a request."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from starlette.datastructures import FormData

from service.dashboard.formats import zone_of
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.posts.schemas import PostOut

WALL = "%Y-%m-%dT%H:%M"
"""How `<input type="datetime-local">` writes a time."""


@dataclass(slots=True)
class Sheet:
    """Everything in the form, kept when it is shown again."""

    zone: str
    text: str = ""
    link: str = ""
    accounts: list[UUID] = field(default_factory=list)
    texts: dict[UUID, str] = field(default_factory=dict)
    """What somebody typed as the own text of an account, chosen or not."""
    media: list[UUID] = field(default_factory=list)
    alts: dict[UUID, str] = field(default_factory=dict)
    timed: bool = False
    """Whether it is for the time `at`, not for now."""
    at: str = ""

    @property
    def own_texts(self) -> dict[UUID, str]:
        """Other texts that are in force: of accounts that are chosen, not blank."""
        typed = ((account, self.texts.get(account, "")) for account in self.accounts)
        return {account: text for account, text in typed if text.strip()}

    def values(self) -> dict[str, Any]:
        """Return the form as a request to schedule a post.

        Raises:
            InvalidInput: it is for a time, and there is none.
        """
        return {**self.content(), **self.time()}

    def content(self) -> dict[str, Any]:
        """Return what the post says, and to whom."""
        return {
            "text": self.text,
            "link": self.link or None,
            "accounts": self.accounts,
            "overrides": {str(id_): {"text": text} for id_, text in self.own_texts.items()},
            "media": [{"id": id_, "alt": self.alts.get(id_, "")} for id_ in self.media],
        }

    def time(self) -> dict[str, Any]:
        """Return when it is to be published."""
        if self.timed and not self.at:
            raise InvalidInput([Problem("publish_at", "Choose a date and a time, or now")])
        return {"publish_at": self.at if self.timed else None, "zone": self.zone}

    def same_time(self, other: "Sheet") -> bool:
        """Whether two forms mean the same time."""
        if not (self.timed and other.timed):
            return self.timed == other.timed
        return (self.at, self.zone) == (other.at, other.zone)


def from_form(form: FormData, zone: ZoneInfo) -> Sheet:
    """Return what was sent."""
    own, alts = _by_id(form, "text-"), _by_id(form, "alt-")
    media = [*_ids(form, "media"), *_ids(form, "pick")]
    dropped = set(_ids(form, "drop"))
    return Sheet(
        text=_words(form, "text"),
        link=_words(form, "link").strip(),
        accounts=_ids(form, "accounts"),
        texts=own,
        media=[found for found in dict.fromkeys(media) if found not in dropped],
        alts=alts,
        timed=form.get("when") == "at",
        at=_words(form, "at").strip(),
        zone=_words(form, "zone").strip() or zone.key,
    )


def from_post(post: PostOut) -> Sheet:
    """Return the form of a stored post."""
    local = post.publish_at.astimezone(zone_of(post.zone)) if post.publish_at else None
    open_deliveries = [d for d in post.deliveries if d.state != "cancelled"] or post.deliveries
    return Sheet(
        text=post.text,
        link=post.link or "",
        accounts=[delivery.account_id for delivery in open_deliveries],
        texts={d.account_id: d.text for d in open_deliveries if d.text is not None},
        media=[UUID(entry["id"]) for entry in post.media],
        alts={UUID(entry["id"]): entry["alt"] for entry in post.media},
        timed=local is not None,
        at=local.strftime(WALL) if local else "",
        zone=post.zone,
    )


def empty(zone: ZoneInfo, at: str | None, accounts: Sequence[UUID]) -> Sheet:
    """Return the form of a new post, for a time and accounts that a link may name."""
    return Sheet(zone=zone.key, accounts=list(accounts), timed=bool(at), at=(at or "")[:16])


def copy(post: PostOut, zone: ZoneInfo) -> Sheet:
    """Return the form of a new post that says what another one says, without its time."""
    sheet = from_post(post)
    sheet.timed, sheet.at, sheet.zone = False, "", zone.key
    return sheet


def change(sheet: Sheet, post: PostOut) -> dict[str, Any]:
    """Return the form as a change of a post; a time that stays is not named, it may have passed."""
    if sheet.same_time(from_post(post)):
        return sheet.content()
    when = sheet.time()
    if when["publish_at"] is None and post.state not in {"draft", "approved"}:
        when["publish_at"] = now().isoformat()
    return {**sheet.content(), **when}


def _words(form: FormData, name: str) -> str:
    """Return a field with line ends as platforms count them; a browser sends two characters."""
    value = form.get(name, "")
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _ids(form: FormData, name: str) -> list[UUID]:
    found = (_id(value) for value in form.getlist(name))
    return list(dict.fromkeys(id_ for id_ in found if id_ is not None))


def _by_id(form: FormData, prefix: str) -> dict[UUID, str]:
    found = ((_id(name.removeprefix(prefix)), name) for name in form if name.startswith(prefix))
    return {id_: _words(form, name) for id_, name in found if id_ is not None}


def _id(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
