"""From a request to checked content: accounts, media, limits. Every problem in one answer."""

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
from service.media import queries as media
from service.platforms.contract import Content, Limits, MediaFile, Platform
from service.platforms.registry import ALIASES
from service.posts import rules
from service.posts.desk import Desk
from service.posts.schemas import MediaRef, Override, PostIn


@dataclass(frozen=True, slots=True)
class Target:
    """An account that a post goes to, with its own text if it has one."""

    account: Account
    text: str | None = None


@dataclass(slots=True)
class Composition:
    """A post that fits all its accounts."""

    text: str
    link: str | None
    media: list[dict[str, Any]]
    targets: list[Target]
    publish_at: datetime | None
    zone: str


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
    chosen = await choose_accounts(desk, body.accounts, body.platforms, problems)
    targets = choose_targets(body.overrides, chosen, problems, body.hashtags)
    composed = Composition(text, body.link, found, targets, publish_at, zone)
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
    if body.publish_at is None:
        return name, None
    instant = rules.parse_instant(body.publish_at, zone, now)
    if isinstance(instant, Problem):
        problems.append(instant)
        return name, None
    return name, instant


async def choose_media(
    desk: Desk, refs: Sequence[MediaRef], problems: list[Problem]
) -> list[dict[str, Any]]:
    """Return the images a request names, as a post keeps them."""
    rows = {
        row.id: row
        for row in await media.media_by_id(desk.session, desk.caller, [r.id for r in refs])
    }
    found = []
    for index, ref in enumerate(refs):
        row = rows.get(ref.id)
        if row is None:
            problems.append(Problem(f"media[{index}].id", f"{ref.id} is not among your uploads"))
            continue
        found.append(
            {
                "id": str(row.id),
                "sha256": row.sha256,
                "content_type": row.content_type,
                "size": row.size,
                "alt": ref.alt,
            }
        )
    return found


async def choose_accounts(
    desk: Desk, ids: Sequence[UUID], names: Sequence[str], problems: list[Problem]
) -> list[Account]:
    """Return the accounts a request names, by id or by platform; each once, in its order."""
    by_id = {row.id: row for row in await accounts.usable_accounts(desk.session, desk.caller, ids)}
    problems += [
        Problem(f"accounts[{index}]", f"{wanted} is not among your accounts")
        for index, wanted in enumerate(ids)
        if wanted not in by_id
    ]
    canonical = [ALIASES.get(name, name) for name in names]
    own = await accounts.accounts_on(desk.session, desk.caller.user_id, canonical)
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


def _why_not_one(name: str, platforms: Mapping[str, Platform], count: int) -> str:
    if name not in platforms:
        return f"'{name}' is unknown; known: {', '.join(platforms)}"
    if count == 0:
        return f"you have no account on '{name}'; connect one with POST /v1/accounts"
    return f"you have {count} accounts on '{name}'; name one in 'accounts'"


def choose_targets(
    wanted: Mapping[str, Override],
    chosen: Sequence[Account],
    problems: list[Problem],
    hashtags: Sequence[str] = (),
) -> list[Target]:
    """Return the accounts, each with the text that is wanted for it or for its platform."""
    overrides = {ALIASES.get(name, name): override for name, override in wanted.items()}
    known = {str(account.id) for account in chosen} | {account.platform for account in chosen}
    problems += [
        Problem(f"overrides.{name}", "names no account or platform of this post")
        for name in overrides
        if name not in known
    ]
    targets = []
    for account in chosen:
        override = overrides.get(str(account.id)) or overrides.get(account.platform)
        text = rules.with_hashtags(override.text, hashtags) if override else None
        targets.append(Target(account, text))
    return targets


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
        account = target.account
        label = f"{account.platform} account {account.handle}"
        problems += [
            Problem(problem.field, f"{label}: {problem.message}", problem.code)
            for problem in platforms[account.platform].validate(
                content_for(target, body), limits_of(account)
            )
        ]
    return problems


def content_for(target: Target, body: Body) -> Content:
    """Return what an account would get."""
    files = tuple(media_file(row, Path()) for row in body.media)
    return Content(body.text if target.text is None else target.text, body.link, files)


def limits_of(account: Account) -> Limits:
    """Return what an account takes."""
    return msgspec.convert(account.limits, Limits)


def media_file(row: Mapping[str, Any], path: Path) -> MediaFile:
    """Return an image of a post as adapters see it."""
    return MediaFile(UUID(row["id"]), path, row["content_type"], row["size"], row["alt"])
