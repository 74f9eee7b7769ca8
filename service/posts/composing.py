"""From a request to checked content: accounts, media, limits. Every problem in one answer."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from service.accounts import queries as accounts
from service.accounts.queries import Account
from service.errors import InvalidInput, Problem
from service.kit.urls import url_problem
from service.media import actions as media_actions
from service.media import queries as media
from service.platforms.contract import Content, MediaFile, Platform
from service.platforms.limits import Limits
from service.platforms.registry import ALIASES
from service.posts import rules, slotting
from service.posts.desk import Desk
from service.posts.schemas import NEXT_SLOT, FollowUp, MediaRef, Override, PostIn

Part = Mapping[str, Any]
"""`{kind, text, media, delay}` of a follow-up, as a post keeps it."""


@dataclass(frozen=True, slots=True)
class Target:
    """An account that a post goes to, with its own text if it has one."""

    account: Account
    text: str | None = None
    media: list[dict[str, Any]] | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    thread: Sequence[Part] = ()
    """What follows it there."""


@dataclass(slots=True)
class Composition:
    """A post that fits all its accounts."""

    text: str
    link: str | None
    media: list[dict[str, Any]]
    targets: list[Target]
    publish_at: datetime | None
    zone: str
    thread: list[Part] = dataclasses.field(default_factory=list)
    slots: slotting.Times = dataclasses.field(default_factory=dict)
    """Where each account has its own time: that."""


async def compose(desk: Desk, body: PostIn, now: datetime) -> Composition:
    """Check a request as a whole.

    Raises:
        InvalidInput: with every problem of every account.
    """
    problems: list[Problem] = []
    zone, publish_at = _when(body, now, problems)
    text = rules.with_hashtags(body.text, body.hashtags)
    problems += link_problems(body.link)
    found = await choose_media(desk, body.media, problems)
    thread = await choose_parts(desk, body.thread, problems)
    chosen = await choose_accounts(desk, body.accounts, body.platforms, problems)
    targets = await choose_targets(
        desk, body.overrides, [Target(a, thread=thread) for a in chosen], problems, body.hashtags
    )
    slots = await slotting.take(desk.session, body.publish_at, chosen, now, problems)
    publish_at = min(slots.values(), default=publish_at)
    if slots and body.zone is None:
        zone = await slotting.zone_of(desk.session, slots)
    composed = Composition(text, body.link, found, targets, publish_at, zone, thread, slots)
    if not body.draft:
        problems += content_problems(desk.platforms, targets, composed)
    if not (text or body.link or found):
        problems.append(Problem("text", "is needed, or a link, or media", "missing"))
    if problems:
        raise InvalidInput(problems)
    return composed


def _when(body: PostIn, now: datetime, problems: list[Problem]) -> tuple[str, datetime | None]:
    zone = rules.parse_zone(body.zone) if body.zone else None
    if isinstance(zone, Problem):
        problems.append(zone)
        zone = ZoneInfo("UTC")
    name = zone.key if zone else "UTC"
    if body.publish_at is None or body.publish_at == NEXT_SLOT:
        return name, None
    instant = rules.parse_instant(body.publish_at, zone, now)
    if isinstance(instant, Problem):
        problems.append(instant)
        return name, None
    return name, instant


async def choose_parts(
    desk: Desk, parts: Sequence[FollowUp], problems: list[Problem], field: str = "thread"
) -> list[Part]:
    """Return what is to follow a post, as a post keeps it."""
    return [
        {
            "kind": part.kind,
            "text": part.text,
            "media": await choose_media(desk, part.media, problems, f"{field}[{index}].media"),
            "delay": part.delay,
        }
        for index, part in enumerate(parts)
    ]


async def choose_media(
    desk: Desk, refs: Sequence[MediaRef], problems: list[Problem], field: str = "media"
) -> list[dict[str, Any]]:
    """Return the media a request names, as a post keeps them."""
    if not refs:
        return []
    rows = {
        row.id: row
        for row in await media.media_by_id(desk.session, desk.caller, [r.id for r in refs])
    }
    found = []
    for index, ref in enumerate(refs):
        row = rows.get(ref.id)
        if row is None:
            problems.append(Problem(f"{field}[{index}].id", f"{ref.id} is not among your uploads"))
            continue
        found.append(media_actions.kept_entry(row, ref.alt))
    media_actions.prepare(desk.uow, list(rows.values()))
    return found


async def choose_accounts(
    desk: Desk, ids: Sequence[UUID], names: Sequence[str], problems: list[Problem]
) -> list[Account]:
    """Return the accounts a request names, by id or by platform; each once, in its order."""
    canonical = [ALIASES.get(name, name) for name in names]
    usable, own = await _named(desk, ids, canonical)
    by_id = {account.id: account for account in usable}
    problems += [
        Problem(f"accounts[{index}]", f"{wanted} is not among your accounts")
        for index, wanted in enumerate(ids)
        if wanted not in by_id
    ]
    chosen = [by_id[wanted] for wanted in ids if wanted in by_id]
    for index, name in enumerate(canonical):
        candidates = [account for account in own if account.platform == name]
        if len(candidates) == 1:
            chosen += candidates
            continue
        problems.append(
            Problem(f"platforms[{index}]", _why_not_one(name, desk.platforms, len(candidates)))
        )
    return list({account.id: account for account in chosen}.values())


async def _named(
    desk: Desk, ids: Sequence[UUID], platforms: Sequence[str]
) -> tuple[Sequence[Account], Sequence[Account]]:
    """Return the accounts of these ids that the caller may use, and their own on platforms."""
    if desk.known is not None:
        mine = [account for account in desk.known if account.owner_id == desk.caller.user_id]
        return desk.known, mine
    usable = await accounts.usable_accounts(desk.session, desk.caller, ids)
    return usable, await accounts.accounts_on(desk.session, desk.caller.user_id, platforms)


def _why_not_one(name: str, platforms: Mapping[str, Platform], count: int) -> str:
    if name not in platforms:
        return f"'{name}' is unknown; known: {', '.join(platforms)}"
    if count == 0:
        return f"you have no account on '{name}'; connect one with POST /v1/accounts"
    return f"you have {count} accounts on '{name}'; name one in 'accounts'"


async def choose_targets(
    desk: Desk,
    wanted: Mapping[str, Override],
    targets: Sequence[Target],
    problems: list[Problem],
    hashtags: Sequence[str] = (),
) -> list[Target]:
    """Return the targets, each with what is wanted otherwise for it or for its platform."""
    overrides = {ALIASES.get(name, name): override for name, override in wanted.items()}
    accounts = [target.account for target in targets]
    known = {str(account.id) for account in accounts} | {a.platform for a in accounts}
    problems += [
        Problem(f"overrides.{name}", "names no account or platform of this post")
        for name in overrides
        if name not in known
    ]
    made = []
    for target in targets:
        for name in (str(target.account.id), target.account.platform):
            if override := overrides.get(name):
                made.append(await _differing(desk, target, override, problems, name, hashtags))
                break
        else:
            made.append(target)
    return made


async def _differing(  # noqa: PLR0913, PLR0917 - what, for whom, and what to call it in a problem
    desk: Desk,
    target: Target,
    override: Override,
    problems: list[Problem],
    name: str,
    hashtags: Sequence[str],
) -> Target:
    place, media, thread = f"overrides.{name}", target.media, target.thread
    if override.media is not None:
        media = await choose_media(desk, override.media, problems, f"{place}.media")
    if override.thread is not None:
        thread = await choose_parts(desk, override.thread, problems, f"{place}.thread")
    text = None if override.text is None else rules.with_hashtags(override.text, hashtags)
    return Target(target.account, text, media, override.options, thread)


def link_problems(link: str | None) -> list[Problem]:
    """Return what is wrong with a link, if anything."""
    fault = url_problem(link) if link is not None else None
    return [Problem("link", fault)] if fault else []


class Body(Protocol):
    """The parts of a post that platforms limit; a stored post and a composition have them."""

    text: str
    link: str | None
    media: list[Any]


def content_problems(
    platforms: Mapping[str, Platform], targets: Sequence[Target], body: Body
) -> list[Problem]:
    """Return what keeps this content from any of these accounts, each named."""
    problems = []
    for target in targets:
        account, limits = target.account, limits_of(target.account)
        platform = platforms[account.platform]
        label = f"{account.platform} account {account.handle}"
        found = [*platform.validate(content_for(target, body), limits)]
        for index, part in enumerate(target.thread):
            found += [
                Problem(f"thread[{index}].{problem.field}", problem.message, problem.code)
                for problem in platform.validate(part_content(part), limits)
            ]
        problems += [Problem(p.field, f"{label}: {p.message}", p.code) for p in found]
    return problems


def content_for(target: Target, body: Body) -> Content:
    """Return what an account would get."""
    media = body.media if target.media is None else target.media
    text = body.text if target.text is None else target.text
    return Content(text, body.link, _files(media), target.options)


def part_content(part: Part) -> Content:
    """Return what an account would get of a follow-up."""
    return Content(part["text"], media=_files(part["media"]), kind=part["kind"])


def _files(media: Sequence[Mapping[str, Any]]) -> tuple[MediaFile, ...]:
    return tuple(media_file(row, Path()) for row in media)


def limits_of(account: Account) -> Limits:
    """Return what an account takes."""
    return msgspec.convert(account.limits, Limits)


def media_file(row: Mapping[str, Any], path: Path) -> MediaFile:
    """Return an image or a video of a post as adapters see it."""
    return media_actions.kept_file(row, path)
