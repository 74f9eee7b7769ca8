"""How a post will look at each account, counted by its platform, with what is wrong with it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from service.accounts.queries import Account, AccountState
from service.errors import Problem
from service.platforms import entities
from service.platforms.contract import Content, Platform
from service.platforms.limits import Limits
from service.platforms.validation import fitted, usage
from service.posts.composing import Body, Target, content_for, limits_of

UNITS = {"graphemes": "graphemes", "weighted": "weighted characters"}
"""Short names of units; of the others, people say characters."""
LONGEST_FIXED = 20_000
"""Characters of a text for which a cut is proposed while somebody types."""
NEARLY_FULL = 0.8
MENTION = re.compile(r"(?<![\w/@.])@[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*(?:@[\w.-]*\w)?")


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
class Preview:
    """A post at one account."""

    account: Account
    title: str
    """The platform's."""
    letter: str
    pieces: Sequence[Piece]
    card: str | None
    """The host of a link that is shown as a card."""
    counter: Counter
    more: Sequence[Counter]
    """Other limits that are nearly or entirely used up."""
    problems: Sequence[str]
    fix: str | None
    """A shorter text that fits."""
    too_long: bool
    held: bool
    """Whether nothing goes out until the account is reconnected."""


def previews(
    platforms: Mapping[str, Platform], targets: Sequence[Target], body: Body
) -> list[Preview]:
    """Return how a post looks at each of its accounts."""
    return [_preview(platforms[target.account.platform], target, body) for target in targets]


def _preview(platform: Platform, target: Target, body: Body) -> Preview:
    account = target.account
    content, limits = content_for(target, body), limits_of(account)
    shown = platform.text_of(content)
    problems = platform.validate(content, limits)
    too_long = any(_is_length(problem) for problem in problems)
    counters = _counters(shown, limits)
    return Preview(
        account=account,
        title=platform.title,
        letter=(account.display_name or account.handle or "?")[:1].upper(),
        pieces=list(pieces(shown, limits.unit)),
        card=_card(content, shown),
        counter=counters[0],
        more=[c for c in counters[1:] if c.count > NEARLY_FULL * c.most],
        problems=[_said(problem) for problem in problems],
        fix=shortened(platform, content, limits)
        if too_long and len(content.text) <= LONGEST_FIXED
        else None,
        too_long=too_long,
        held=account.state != AccountState.ACTIVE,
    )


def _is_length(problem: Problem) -> bool:
    return problem.field == "text" and problem.code == "too_long"


def _said(problem: Problem) -> str:
    place = re.fullmatch(r"media\[(\d+)\](\.alt)?", problem.field)
    if place is None:
        return problem.message
    what = "Description of image" if place[2] else "Image"
    return f"{what} {int(place[1]) + 1}: {problem.message}"


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
