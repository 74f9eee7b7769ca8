"""The composer's form: what a person typed, and what of it becomes a request."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import FormData

from service.dashboard.formats import zone_of
from service.dashboard.publishing import blocks, choices, fields
from service.dashboard.publishing.blocks import Block, Files
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.platforms.limits import OptionField
from service.posts.schemas import NEXT_SLOT, DeliveryOut, FollowUp, PostOut

WALL = "%Y-%m-%dT%H:%M"
"""How `<input type="datetime-local">` writes a time."""
SAME, COMMENTS, NOTHING, OWN = "", "comments", "none", "own"
"""What follows at one account: as at all, only the comments, nothing, something of its own."""
POLICIES = ("ask", "skip", "send")
_FOLLOW_UPS = TypeAdapter(list[FollowUp])


@dataclass(slots=True)
class Sheet:
    """Everything in the form, kept when it is shown again."""

    zone: str
    text: str = ""
    link: str = ""
    accounts: list[UUID] = field(default_factory=list)
    texts: dict[UUID, str] = field(default_factory=dict)
    """What somebody typed as the own text of an account, chosen or not."""
    files: Files = field(default_factory=Files)
    own_files: dict[UUID, Files] = field(default_factory=dict)
    """Of accounts that get other images and videos than the post's."""
    typed: dict[UUID, dict[str, str]] = field(default_factory=dict)
    """What somebody chose for an account, as it is typed."""
    sent: list[UUID] = field(default_factory=list)
    """Accounts whose choices came with the form: a box that is not there was not ticked."""
    known: dict[UUID, Mapping[str, OptionField]] = field(default_factory=dict)
    """What there is to choose at each account, once that is looked up."""
    parts: list[Block] = field(default_factory=list)
    """What follows the post."""
    follow: dict[UUID, str] = field(default_factory=dict)
    """What follows at an account: `SAME` and so on."""
    own_threads: dict[UUID, list[Any]] = field(default_factory=dict)
    """What follows at accounts at which that is something of its own, as a request names it."""
    late: str = ""
    timed: bool = False
    """Whether it is for the time `at`, not for now."""
    at: str = ""
    queued: bool = False
    """Whether it is for the next free slot of each account."""

    @property
    def own_texts(self) -> dict[UUID, str]:
        """Other texts that are in force: of accounts that are chosen, not blank."""
        written = ((account, self.texts.get(account, "")) for account in self.accounts)
        return {account: text for account, text in written if text.strip()}

    @property
    def places(self) -> dict[str, Files]:
        """Every place that has files, by the prefix of its fields."""
        own = {f"own-{account}-": files for account, files in self.own_files.items()}
        parts = {f"part-{number}-": part.files for number, part in enumerate(self.parts)}
        return {"": self.files, **own, **parts}

    def options(self, account: UUID) -> dict[str, object]:
        """Return what is chosen for an account, as a post has it."""
        return choices.options(self.known.get(account, {}), self.typed.get(account, {}))

    def thread_at(self, account: UUID) -> list[tuple[int | None, dict[str, Any]]]:
        """Return what follows at an account, each with its number on the form if it is on it."""
        follow = self.follow.get(account, SAME)
        if follow == OWN:
            return [(None, part) for part in self.own_threads.get(account, [])]
        return [
            (number, part.request())
            for number, part in enumerate(self.parts)
            if follow == SAME or (follow == COMMENTS and part.kind == "comment")
        ]

    def own_thread_text(self, account: UUID) -> str:
        """Return what follows only at an account, to be kept in a field of the form."""
        return json.dumps(self.own_threads[account])

    def values(self) -> dict[str, Any]:
        """Return the form as a request to schedule a post.

        Raises:
            InvalidInput: it is for a time, and there is none; or something waits for no time.
        """
        return {**self.content(), **self.time()}

    def content(self) -> dict[str, Any]:
        """Return what the post says, and to whom."""
        return {
            "text": self.text,
            "link": self.link or None,
            "accounts": self.accounts,
            "overrides": {
                str(id_): found for id_ in self.accounts if (found := self._differs(id_))
            },
            "media": self.files.references(),
            "thread": blocks.requests(self.parts),
            "late": self.late or None,
        }

    def _differs(self, account: UUID) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if text := self.own_texts.get(account):
            found["text"] = text
        if (own := self.own_files.get(account)) is not None:
            found["media"] = own.references()
        if options := self.options(account):
            found["options"] = options
        follow = self.follow.get(account, SAME)
        if follow == OWN or (follow != SAME and self.parts):
            found["thread"] = [part for _, part in self.thread_at(account)]
        return found

    def time(self) -> dict[str, Any]:
        """Return when it is to be published."""
        if self.queued:
            return {"publish_at": NEXT_SLOT, "zone": self.zone}
        if self.timed and not self.at:
            raise InvalidInput([Problem("publish_at", "Choose a date and a time, or now")])
        return {"publish_at": self.at if self.timed else None, "zone": self.zone}

    def same_time(self, other: "Sheet") -> bool:
        """Whether two forms mean the same time."""
        if self.queued or other.queued:
            return False
        if not (self.timed and other.timed):
            return self.timed == other.timed
        return (self.at, self.zone) == (other.at, other.zone)


def from_form(form: FormData, zone: ZoneInfo) -> Sheet:
    """Return what was sent, as the pressed button arranges it."""
    sheet = Sheet(
        text=fields.words(form, "text"),
        link=fields.words(form, "link").strip(),
        accounts=fields.ids(form, "accounts"),
        texts=fields.by_id(form, "text-"),
        files=Files.read(form),
        own_files={id_: Files.read(form, f"own-{id_}-") for id_ in fields.ids(form, "own")},
        typed=fields.by_id_and_name(form, "choice-"),
        sent=fields.ids(form, "choices"),
        parts=blocks.arranged(blocks.read(form), form),
        follow=fields.by_id(form, "follow-"),
        own_threads={id_: _parsed(t) for id_, t in fields.by_id(form, "own-thread-").items()},
        late=late if (late := fields.words(form, "late")) in POLICIES else "",
        timed=form.get("when") == "at",
        queued=form.get("when") == "queue",
        at=fields.words(form, "at").strip(),
        zone=fields.words(form, "zone").strip() or zone.key,
    )
    for account in fields.ids(form, "differ"):
        sheet.own_files.setdefault(account, sheet.files.copy())
    for account in fields.ids(form, "same"):
        sheet.own_files.pop(account, None)
    return sheet


def _parsed(text: str) -> list[Any]:
    """Return what follows at one account; this page wrote it, but anybody can send anything."""
    try:
        return [part.model_dump(mode="json") for part in _FOLLOW_UPS.validate_json(text)]
    except ValidationError:
        return []


def from_post(post: PostOut) -> Sheet:
    """Return the form of a stored post."""
    local = post.publish_at.astimezone(zone_of(post.zone)) if post.publish_at else None
    chosen = [d for d in post.deliveries if d.state != "cancelled"] or post.deliveries
    sheet = Sheet(
        text=post.text,
        link=post.link or "",
        accounts=[delivery.account_id for delivery in chosen],
        texts={d.account_id: d.text for d in chosen if d.text is not None},
        files=Files.of(post.media),
        own_files={d.account_id: Files.of(d.media) for d in chosen if d.media is not None},
        typed={
            d.account_id: {name: choices.text_of(value) for name, value in d.options.items()}
            for d in chosen
        },
        parts=[Block.of(part) for part in post.thread],
        late=post.late or "",
        timed=local is not None,
        at=local.strftime(WALL) if local else "",
        zone=post.zone,
    )
    for delivery in chosen:
        _follow(sheet, delivery.account_id, post.follow_ups)
    return sheet


def _follow(sheet: Sheet, account: UUID, follow_ups: Sequence[DeliveryOut]) -> None:
    """Note what follows at an account, by the name it has there if it has one."""
    planned = [
        {
            "kind": each.kind,
            "text": each.text or "",
            "media": Files.of(each.media or []).references(),
            "delay": each.delay or 0,
        }
        for each in follow_ups
        if each.account_id == account
    ]
    for follow in (SAME, NOTHING, COMMENTS):
        sheet.follow[account] = follow
        if [part for _, part in sheet.thread_at(account)] == planned:
            return
    sheet.follow[account], sheet.own_threads[account] = OWN, planned


def empty(
    zone: ZoneInfo, at: str | None, accounts: Sequence[UUID], *, queued: bool = False
) -> Sheet:
    """Return the form of a new post, for a time or slot and accounts that a link may name."""
    local = (at or "")[:16]
    return Sheet(zone.key, accounts=list(accounts), timed=bool(at), at=local, queued=queued)


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
