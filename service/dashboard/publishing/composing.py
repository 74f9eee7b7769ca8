"""What the composer shows beside its form: accounts, images, previews; and what it stores first."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any, NamedTuple, cast
from uuid import UUID
from zoneinfo import available_timezones

from fastapi import UploadFile
from starlette.datastructures import UploadFile as Sent

from service.access.caller import Scope
from service.accounts import queries as accounts
from service.accounts.queries import Account, AccountState
from service.dashboard.publishing import previews as post_previews
from service.dashboard.publishing.sheet import Sheet
from service.dashboard.view import View
from service.errors import InvalidInput, PayloadTooLarge, Problem
from service.kit.pagination import Page
from service.media import queries as media
from service.media import routes as media_routes
from service.posts import routes as post_routes
from service.posts.composing import Target, content_for, limits_of
from service.posts.schemas import PostDetail

MOST_ACCOUNTS = 200
RECENT_IMAGES = 12


class Group(NamedTuple):
    """The accounts of one platform."""

    title: str
    accounts: Sequence[Account]


@dataclass(slots=True)
class Written:
    """The parts of a form that platforms limit."""

    text: str
    link: str | None
    media: list[Any]


async def stored(view: View, post_id: UUID) -> PostDetail:
    """Return a post that the caller may see. Raises NotFound."""
    view.caller.require(Scope.POSTS_READ)
    async with view.runtime.unit_of_work() as uow:
        return await post_routes.show_post(post_id, view.caller, uow)


async def desk_of(view: View, sheet: Sheet) -> dict[str, Any]:
    """Return what is shown of a form: its accounts and images, and how it will look."""
    caller, platforms = view.caller, view.runtime.platforms
    sees_media = caller.may(Scope.CONTENT_READ)
    async with view.runtime.database.session() as session:
        known = list((await accounts.list_accounts(session, caller, Page(MOST_ACCOUNTS))).items)
        missing = set(sheet.accounts) - {account.id for account in known}
        known += await accounts.usable_accounts(session, caller, missing) if missing else []
        files = {row.id: row for row in await media.media_by_id(session, caller, sheet.media)}
        recent = (
            await media.list_media(session, caller, Page(RECENT_IMAGES)) if sees_media else None
        )
    sheet.media = [found for found in sheet.media if found in files]
    images = [
        {
            "id": str(found),
            "content_type": files[found].content_type,
            "size": files[found].size,
            "alt": sheet.alts.get(found, ""),
            "filename": files[found].filename,
        }
        for found in sheet.media
    ]
    by_id = {account.id: account for account in known}
    own = sheet.own_texts
    targets = [Target(by_id[id_], own.get(id_)) for id_ in sheet.accounts if id_ in by_id]
    body = Written(sheet.text, sheet.link or None, images)
    return {
        "sheet": sheet,
        "groups": _groups(view, known),
        "held": AccountState.NEEDS_RECONNECT,
        "images": images,
        "recent": [row for row in recent.items if row.id not in files] if recent else [],
        "previews": post_previews.previews(platforms, targets, body),
    }


def _groups(view: View, known: Sequence[Account]) -> list[Group]:
    titles = {name: platform.title for name, platform in view.runtime.platforms.items()}
    ordered = sorted(known, key=lambda account: (titles[account.platform], account.handle))
    return [
        Group(title, list(found))
        for title, found in groupby(ordered, lambda account: titles[account.platform])
    ]


async def upload(view: View) -> tuple[list[UUID], list[Problem]]:
    """Keep the files that came with a form; return their ids, and what is wrong with others."""
    added: list[UUID] = []
    problems: list[Problem] = []
    sent = [file for file in view.form.getlist("files") if isinstance(file, Sent) and file.filename]
    if sent:
        view.caller.require(Scope.CONTENT_WRITE)
    for file in cast("list[UploadFile]", sent):
        name = (file.filename or "")[:80]
        try:
            content = await media_routes.stored(view.runtime, file, view.caller)
            async with view.runtime.unit_of_work() as uow:
                added.append((await media_routes.upload(content, file, view.caller, uow)).id)
        except InvalidInput as error:
            problems += [Problem("media", f"{name} {p.message}", p.code) for p in error.problems]
        except PayloadTooLarge as error:
            problems.append(Problem("media", f"{name}: {error.message}"))
    return added, problems


async def shorten(view: View, sheet: Sheet, account_id: str) -> None:
    """Give one account an own text that fits it: the post's, cut behind a word."""
    try:
        wanted = UUID(account_id)
    except ValueError:
        return
    async with view.runtime.database.session() as session:
        found = await accounts.usable_accounts(session, view.caller, [wanted])
        files = await media.media_by_id(session, view.caller, sheet.media)
    if not found or wanted not in sheet.accounts:
        return
    images = [
        {"id": str(row.id), "content_type": row.content_type, "size": row.size, "alt": ""}
        for row in files
    ]
    account = found[0]
    target = Target(account, sheet.own_texts.get(wanted))
    content = content_for(target, Written(sheet.text, sheet.link or None, images))
    platform = view.runtime.platforms[account.platform]
    # Counting a long text many times takes a while.
    text = await asyncio.to_thread(post_previews.shortened, platform, content, limits_of(account))
    sheet.texts[wanted] = text or content.text


def by_field(problems: Sequence[Problem]) -> dict[str, str]:
    """Return what is wrong by the part of the form it is about, all of it."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        name = problem.field.partition("[")[0].partition(".")[0]
        message = problem.message[:1].upper() + problem.message[1:]
        found.setdefault(name, []).append(message)
    return {name: " ".join(dict.fromkeys(messages)) for name, messages in found.items()}


@cache
def zones() -> list[str]:
    """Return the names of time zones that people choose."""
    return sorted(name for name in available_timezones() if "/" in name and name[:4] != "Etc/")
