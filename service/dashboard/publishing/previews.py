"""How a post will look at each account, counted by its platform, with what is wrong with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from service.accounts.queries import Account, AccountState
from service.errors import Problem
from service.platforms import entities
from service.platforms.contract import Content, Platform
from service.platforms.limits import Limits
from service.platforms.validation import fitted, usage
from service.posts.composing import Body, Part, Target, content_for, limits_of, part_content

UNITS = {"graphemes": "graphemes", "weighted": "weighted characters"}
"""Short names of units; of the others, people say characters."""
LONGEST_FIXED = 20_000
"""Characters of a text for which a cut is proposed while somebody types."""
NEARLY_FULL = 0.8
MENTION = re.compile(r"(?<![\w/@.])@[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*(?:@[\w.-]*\w)?")
PLACE = re.compile(r"(?:thread\[(\d+)\]\.)?(?:media\[(\d+)\](\.alt)?)?")
"""Begins the field of any problem; says which follow-up and which file it is about."""
UNFOLLOWED = {"no_threads", "no_comments"}
"""Codes of problems that are about what follows at all, whatever it says."""


@dataclass(frozen=True, slots=True)
class Counter:
    """What is used of a limit."""

    count: int
    most: int
    unit: str

    @property
    def over(self) -> int:
        """By how much it is too long."""
        return max(0, self.count - self.most)


class Piece(NamedTuple):
    """A part of a text: `text`, `link`, `mention` or `tag`."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Following:
    """What follows a post at an account."""

    number: int | None
    """On the form, from 0; None: it is not there, for it is the account's own."""
    kind: str
    pieces: Sequence[Piece]
    media: Sequence[Mapping[str, Any]]
    counter: Counter
    problems: Sequence[str]
    delay: int


@dataclass(frozen=True, slots=True)
class Preview:
    """A post at one account."""

    account: Account
    title: str
    """The platform's."""
    letter: str
    pieces: Sequence[Piece]
    media: Sequence[Mapping[str, Any]]
    card: str | None
    """The host of a link that is shown as a card."""
    counter: Counter
    more: Sequence[Counter]
    """Other limits that are nearly or entirely used up."""
    problems: Sequence[str]
    """Of the post itself, then of all that follows it."""
    fix: str | None
    """A shorter text that fits."""
    too_long: bool
    held: bool
    """Whether nothing goes out until the account is reconnected."""
    thread: Sequence[Following] = ()
    unfollowed: bool = False
    """Whether the platform lets nothing follow of what is to."""


Follows = Sequence[tuple[int | None, Part]]
"""What follows at an account, each with its number on the form."""


def previews(
    platforms: Mapping[str, Platform],
    targets: Sequence[Target],
    follows: Sequence[Follows],
    body: Body,
) -> list[Preview]:
    """Return how a post looks at each of its accounts, with what follows it there."""
    return [
        _preview(platforms[target.account.platform], target, following, body)
        for target, following in zip(targets, follows, strict=True)
    ]


def _preview(platform: Platform, target: Target, follows: Follows, body: Body) -> Preview:
    account = target.account
    content, limits = content_for(target, body), limits_of(account)
    shown = platform.text_of(content)
    problems = platform.validate(content, limits)
    too_long = any(_is_length(problem) for problem in problems)
    counters = _counters(shown, limits)
    thread = [_following(platform, limits, number, part) for number, part in follows]
    refused = [problem for _, found in thread for problem in found]
    return Preview(
        account=account,
        title=platform.title,
        letter=(account.display_name or account.handle or "?")[:1].upper(),
        pieces=list(pieces(shown, limits.unit)),
        media=body.media if target.media is None else target.media,
        card=_card(content, shown),
        counter=counters[0],
        more=[c for c in counters[1:] if c.count > NEARLY_FULL * c.most],
        problems=[*map(said, problems), *dict.fromkeys(map(said, refused))],
        fix=shortened(platform, content, limits)
        if too_long and len(content.text) <= LONGEST_FIXED
        else None,
        too_long=too_long,
        held=account.state != AccountState.ACTIVE,
        thread=[following for following, _ in thread],
        unfollowed=any(problem.code in UNFOLLOWED for problem in refused),
    )


def _following(
    platform: Platform, limits: Limits, number: int | None, part: Part
) -> tuple[Following, list[Problem]]:
    content = part_content(part)
    shown = platform.text_of(content)
    if content.kind == "comment":
        limits = replace(limits, text_units=limits.comment_units or limits.text_units)
    problems = [_placed(problem, number) for problem in platform.validate(content, limits)]
    following = Following(
        number=number,
        kind=content.kind,
        pieces=pieces(shown, limits.unit),
        media=part["media"],
        counter=_counters(shown, limits)[0],
        problems=[problem.message for problem in problems],
        delay=part["delay"],
    )
    return following, problems


def _placed(problem: Problem, number: int | None) -> Problem:
    if problem.code in UNFOLLOWED or number is None:
        return Problem("thread", problem.message, problem.code)
    return Problem(f"thread[{number}].{problem.field}", problem.message, problem.code)


def _is_length(problem: Problem) -> bool:
    return problem.field == "text" and problem.code == "too_long"


def said(problem: Problem) -> str:
    """Return what is wrong in words that say where, as far as its message does not."""
    place = PLACE.match(problem.field)
    follow, number, alt = place.groups() if place else (None, None, None)
    message = problem.message
    if number is not None:
        what = "Description of file" if alt else "File"
        message = f"{what} {int(number) + 1}: {message}"
    return message if follow is None else f"Follow-up {int(follow) + 1}: {message}"


def _card(content: Content, shown: str) -> str | None:
    if content.link is None or content.link in shown or content.media:
        return None
    return urlsplit(content.link).netloc or content.link


def _counters(shown: str, limits: Limits) -> list[Counter]:
    first, *others = usage(shown, limits)
    unit = UNITS.get(limits.unit, "characters")
    return [
        Counter(first.count, first.most, unit),
        *(Counter(o.count, o.most, "bytes") for o in others),
    ]


def shortened(platform: Platform, content: Content, limits: Limits) -> str | None:
    """Return the longest beginning of the text that its platform takes; None: there is none."""

    def fits(text: str) -> bool:
        shown = platform.text_of(Content(text, content.link, content.media))
        return all(used.over <= 0 for used in usage(shown, limits))

    return fitted(content.text, fits)


def pieces(text: str, unit: str) -> list[Piece]:
    """Split a text into what its platform shows plainly and what it makes a link of."""
    pattern = entities.X_LINK if unit == "weighted" else entities.LINK
    found = [("link", s.start, s.end) for s in entities.links(text, pattern)]
    found += [("tag", s.start, s.end) for s in entities.hashtags(text)]
    found += _mentions(text, unit)
    made: list[Piece] = []
    position = 0
    for kind, start, end in sorted(found, key=lambda each: each[1]):
        if start < position:
            continue
        made += [Piece("text", text[position:start])] if start > position else []
        made.append(Piece(kind, text[start:end]))
        position = end
    return [*made, Piece("text", text[position:])] if position < len(text) else made


def _mentions(text: str, unit: str) -> list[tuple[str, int, int]]:
    if unit == "graphemes":  # Bluesky knows people by their domains only
        return [("mention", s.start, s.end) for s in entities.handle_mentions(text)]
    return [("mention", *match.span()) for match in MENTION.finditer(text)]
