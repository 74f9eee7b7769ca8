"""What the composer shows beside its form: accounts, files, previews; what it looks up first."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import available_timezones

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.accounts.queries import Account
from service.dashboard.publishing import choices
from service.dashboard.publishing import previews as post_previews
from service.dashboard.publishing.choices import Choice
from service.dashboard.publishing.sheet import COMMENTS, NOTHING, OWN, SAME, Sheet
from service.dashboard.view import View
from service.kit.pagination import Page
from service.media import actions as media_actions
from service.media import queries as media
from service.media.models import Media
from service.platforms.contract import Platform
from service.platforms.limits import Replies
from service.posts import routes as post_routes
from service.posts.composing import Target, content_for, limits_of
from service.posts.schemas import PostDetail

MOST_ACCOUNTS = 200
FEW = 25
"""Accounts of which all show what may differ at them; of more, only those that are chosen."""
RECENT_FILES = 12

Entry = dict[str, Any]
"""A file as a post keeps it, with its name."""


@dataclass(frozen=True, slots=True)
class Card:
    """An account in the form."""

    account: Account
    chosen: bool
    shown: bool
    """Whether its fields are there."""
    text: str
    needed: Sequence[Choice]
    """What must be chosen."""
    free: Sequence[Choice]
    """What may be."""
    media: Sequence[Entry] | None
    follow: str
    follows: Sequence[tuple[str, str]]
    """What may follow here: what is sent, and what it says."""
    own_thread: str | None
    differs: bool


class Group(NamedTuple):
    """The accounts of one platform."""

    title: str
    accounts: Sequence[Card]


@dataclass(slots=True)
class Written:
    """The parts of a form that platforms limit."""

    text: str
    link: str | None
    media: list[Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What a form names, looked up."""

    accounts: Sequence[Account]
    files: Mapping[UUID, Media]
    recent: Sequence[Media]

    def entries(self, references: Iterable[Mapping[str, Any]]) -> list[Entry]:
        """Return files that a request names as a post keeps them, without those that are gone."""
        found = [(self.files.get(UUID(str(each["id"]))), each["alt"]) for each in references]
        return [_entry(row, alt) for row, alt in found if row is not None]


def _entry(row: Media, alt: str = "") -> Entry:
    measures = dict.fromkeys(media_actions.MEASURES)  # a post keeps only those that are known
    return {**measures, **media_actions.kept_entry(row, alt), "filename": row.filename}


async def stored(view: View, post_id: UUID) -> PostDetail:
    """Return a post that the caller may see. Raises NotFound."""
    view.caller.require(Scope.POSTS_READ)
    async with view.runtime.unit_of_work() as uow:
        return await post_routes.show_post(post_id, view.caller, uow)


async def look_up(view: View, sheet: Sheet) -> Known:
    """Return what a form names; note in it what there is to choose at its accounts."""
    caller, platforms = view.caller, view.runtime.platforms
    wanted = {found for files in sheet.places.values() for found in files.ids}
    for parts in sheet.own_threads.values():
        wanted |= {UUID(str(file["id"])) for part in parts for file in part["media"]}
    async with view.runtime.database.session() as session:
        known = list((await accounts.list_accounts(session, caller, Page(MOST_ACCOUNTS))).items)
        missing = set(sheet.accounts) - {account.id for account in known}
        known += await accounts.usable_accounts(session, caller, missing) if missing else []
        files = {row.id: row for row in await media.media_by_id(session, caller, wanted)}
        recent = (
            (await media.list_media(session, caller, Page(RECENT_FILES))).items
            if caller.may(Scope.CONTENT_READ)
            else ()
        )
    for place in sheet.places.values():
        place.ids = [found for found in place.ids if found in files]
    sheet.known = {account.id: platforms[account.platform].option_fields for account in known}
    for account in sheet.sent:
        sheet.typed[account] = choices.settled(
            sheet.known.get(account, {}), sheet.typed.get(account, {})
        )
    return Known(known, files, recent)


def targets(sheet: Sheet, known: Known) -> list[Target]:
    """Return what each chosen account would get."""
    by_id = {account.id: account for account in known.accounts}
    return [
        Target(
            by_id[id_],
            sheet.own_texts.get(id_),
            known.entries(sheet.own_files[id_].references()) if id_ in sheet.own_files else None,
            sheet.options(id_),
            [part for _, part in _follows(sheet, known, id_)],
        )
        for id_ in sheet.accounts
        if id_ in by_id
    ]


def _follows(sheet: Sheet, known: Known, account: UUID) -> post_previews.Follows:
    return [
        (number, {**part, "media": known.entries(part["media"])})
        for number, part in sheet.thread_at(account)
    ]


def written(sheet: Sheet, known: Known) -> Written:
    """Return what the post says to all."""
    return Written(sheet.text, sheet.link or None, known.entries(sheet.files.references()))


def desk_of(view: View, sheet: Sheet, known: Known) -> dict[str, Any]:
    """Return what is shown of a form: its accounts and files, and how it will look."""
    chosen = targets(sheet, known)
    follows = [_follows(sheet, known, target.account.id) for target in chosen]
    platforms, content = view.runtime.platforms, written(sheet, known)
    return {
        "sheet": sheet,
        "groups": _groups(view, sheet, known),
        "images": content.media,
        "part_files": [known.entries(part.files.references()) for part in sheet.parts],
        "recent": [_entry(row) for row in known.recent],
        "few": len(known.accounts) <= FEW,
        "previews": post_previews.previews(platforms, chosen, follows, content),
    }


def _groups(view: View, sheet: Sheet, known: Known) -> list[Group]:
    platforms = view.runtime.platforms

    def title(account: Account) -> str:
        return platforms[account.platform].title

    ordered = sorted(known.accounts, key=lambda account: (title(account), account.handle))
    return [
        Group(name, [_card(platforms[each.platform], each, sheet, known) for each in found])
        for name, found in groupby(ordered, title)
    ]


def _card(platform: Platform, account: Account, sheet: Sheet, known: Known) -> Card:
    id_ = account.id
    typed = sheet.typed.get(id_, {})
    found = choices.choices(platform.option_fields, typed)
    own = sheet.own_files.get(id_)
    follow = sheet.follow.get(id_, SAME)
    free = [choice for choice in found if not choice.required]
    return Card(
        account=account,
        chosen=id_ in sheet.accounts,
        shown=id_ in sheet.accounts or len(known.accounts) <= FEW,
        text=sheet.texts.get(id_, ""),
        needed=[choice for choice in found if choice.required],
        free=free,
        media=known.entries(own.references()) if own is not None else None,
        follow=follow,
        follows=_may_follow(platform.replies, sheet, id_) if sheet.parts or follow == OWN else (),
        own_thread=sheet.own_thread_text(id_) if id_ in sheet.own_threads else None,
        differs=bool(sheet.texts.get(id_, "").strip())
        or own is not None
        or follow != SAME
        or any(choice.name in sheet.options(id_) for choice in free),
    )


def _may_follow(replies: Replies, sheet: Sheet, account: UUID) -> list[tuple[str, str]]:
    offered = [(SAME, "The same as everywhere")]
    if replies == Replies.COMMENTS and any(part.kind == "comment" for part in sheet.parts):
        offered.append((COMMENTS, "Only the comments"))
    offered.append((NOTHING, "Nothing"))
    if account in sheet.own_threads:
        count = len(sheet.own_threads[account])
        offered.append((OWN, f"Its own: {count} {'post' if count == 1 else 'posts'}, kept as is"))
    return offered


async def shorten(view: View, sheet: Sheet, known: Known, account_id: str) -> None:
    """Give one account an own text that fits it: the post's, cut behind a word."""
    target = next((t for t in targets(sheet, known) if str(t.account.id) == account_id), None)
    if target is None:
        return
    account, content = target.account, content_for(target, written(sheet, known))
    platform = view.runtime.platforms[account.platform]
    # Counting a long text many times takes a while.
    text = await asyncio.to_thread(post_previews.shortened, platform, content, limits_of(account))
    sheet.texts[account.id] = text or content.text


def leave_out(view: View, sheet: Sheet, known: Known, account_id: str) -> None:
    """Let nothing follow at an account of what its platform refuses."""
    for account in known.accounts:
        if str(account.id) == account_id:
            replies = view.runtime.platforms[account.platform].replies
            offered = dict(_may_follow(replies, sheet, account.id))
            sheet.follow[account.id] = COMMENTS if COMMENTS in offered else NOTHING


@cache
def zones() -> list[str]:
    """Return the names of time zones that people choose."""
    return sorted(name for name in available_timezones() if "/" in name and name[:4] != "Etc/")
