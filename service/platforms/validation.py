"""What is wrong with a post for a platform, and with what was given to connect an account."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import httpx

from service.errors import InvalidInput, Problem
from service.kit.urls import url_problem
from service.platforms.contract import Content, CredentialField
from service.platforms.entities import hashtags, mentions
from service.platforms.lengths import byte_length, graphemes, length
from service.platforms.limits import Limits, OptionField, Replies
from service.platforms.media_validation import media_problems, too_long
from service.platforms.options import option_problems

LOOK_BACK = 100
"""How many shorter texts are tried where the count does not only grow with the text."""

_UNIT_NAMES = {
    "characters": "characters",
    "graphemes": "characters",
    "mastodon": "characters as Mastodon counts them",
    "weighted": "characters as X counts them",
    "utf16": "characters as TikTok counts them",
    "threads": "characters as Threads counts them",
}


def problems(
    content: Content,
    text: str,
    limits: Limits,
    *,
    options: Mapping[str, OptionField] | None = None,
    replies: Replies = Replies.NONE,
) -> list[Problem]:
    """Return every problem of a post.

    Args:
        content: the post.
        text: what the platform will show as its text, where that is not `content.text`.
        limits: of the account.
        options: what the platform lets an author choose.
        replies: what may follow a post there.
    """
    if content.kind == "thread" and replies != Replies.THREADS:
        return [Problem("thread", "There are no threads here.", "no_threads")]
    if content.kind == "comment":
        if replies == Replies.NONE:
            return [Problem("thread", "There are no comments here.", "no_comments")]
        limits = _of_comments(limits)
    return [
        *_text_problems(content, text, limits),
        *media_problems(content.media, limits),
        *option_problems(content.options, options or {}, complete=content.kind == "post"),
    ]


def _of_comments(limits: Limits) -> Limits:
    return replace(
        limits,
        text_units=limits.comment_units or limits.text_units,
        images=limits.comment_images,
        videos=0,
        media_required=False,
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a limit a text uses."""

    count: int
    most: int
    unit: str
    """In words, after a number."""

    @property
    def over(self) -> int:
        """By how much it is too long; below zero, what is left."""
        return self.count - self.most


def usage(text: str, limits: Limits) -> list[Usage]:
    """Count a text in every unit in which it is limited, the platform's own first."""
    units = length(text, limits.unit, limits.url_units)
    found = [Usage(units, limits.text_units, _UNIT_NAMES[limits.unit])]
    if limits.text_bytes is not None:
        found.append(Usage(byte_length(text), limits.text_bytes, "bytes in UTF-8"))
    return found


def fitted(text: str, fits: Callable[[str], bool]) -> str | None:
    """Return the longest beginning of a text that fits, cut behind a word, with an ellipsis.

    Args:
        text: that does not fit.
        fits: tells of a shortened text whether it does.

    Returns:
        None when not even the ellipsis fits.
    """
    for ends in (_word_ends(text), _grapheme_ends(text)):
        low, high = 0, len(ends)
        while low < high:  # the first that does not fit
            middle = (low + high) // 2
            low, high = (middle + 1, high) if fits(_cut(text, ends[middle])) else (low, middle)
        # A link that is cut can count more than one that is whole.
        for end in reversed(ends[max(0, low - LOOK_BACK) : low]):
            if fits(_cut(text, end)):
                return _cut(text, end)
    return None


def _cut(text: str, end: int) -> str:
    return text[:end].rstrip(" \t\n\r,;:-") + "…"


def _word_ends(text: str) -> list[int]:
    return [match.start() for match in re.finditer(r"(?<=\S)\s", text)]


def _grapheme_ends(text: str) -> list[int]:
    return list(accumulate(map(len, graphemes(text))))


def _text_problems(content: Content, text: str, limits: Limits) -> Iterator[Problem]:
    written = bool(content.text.strip())
    if not (written or content.link or content.media):
        yield Problem("text", "The post is empty: give a text, a link or an image.", "empty")
    elif limits.text_required and not written:
        yield Problem("text", "A text is needed here.", "text_required")
    if content.link and (wrong := url_problem(content.link)):
        yield Problem("link", f"The link {wrong}.", "link")
    if any("\ud800" <= character <= "\udfff" for character in text):
        yield Problem("text", "The text holds half of a surrogate pair.", "text_encoding")
    for used in usage(text, limits):
        if used.over > 0:
            yield too_long("text", used.count, used.most, used.unit)
    yield from _counted("hashtags", len(hashtags(text)), limits.hashtags)
    yield from _counted("mentions", len(mentions(text)), limits.mentions)


def _counted(what: str, count: int, most: int | None) -> Iterator[Problem]:
    if most is not None and count > most:
        message = f"{count} {what}; at most {most} are allowed."
        yield Problem("text", message, f"too_many_{what}")


def check_credentials(
    fields: Mapping[str, CredentialField], credentials: Mapping[str, str]
) -> None:
    """Refuse missing and unknown credentials, all at once.

    Raises:
        InvalidInput: with one problem for each.
    """
    known = ", ".join(fields)
    found = [
        Problem(f"credentials.{name}", f"Missing: {field.description}", "missing")
        for name, field in fields.items()
        if field.required and not credentials.get(name, "").strip()
    ]
    found += [
        Problem(f"credentials.{name}", f"Unknown here; known: {known}.", "unknown")
        for name in credentials
        if name not in fields
    ]
    if found:
        raise InvalidInput(found)


def server_root(base_url: str) -> str:
    """Return scheme, host and port of the server a person named, without a path.

    Raises:
        InvalidInput: it is missing or not such a URL.
    """
    if not base_url:
        message = "Missing: the address of the server, e.g. https://mastodon.social"
        raise InvalidInput([Problem("base_url", message, "missing")])
    if wrong := url_problem(base_url):
        raise InvalidInput([Problem("base_url", f"The address {wrong}.")])
    url = httpx.URL(base_url)
    return f"{url.scheme}://{url.netloc.decode('ascii')}"
