"""Rules of the community: names, hashtags and visibility. No I/O."""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import regex

from service.community.models import Visibility
from service.errors import Problem
from service.providers.mail import addresses

MAX_USERNAME = 50
MAX_NAME = 100
MAX_CONTENT = 2200
MAX_COMMENT = 1000
MAX_MEDIA = 10
MAX_HASHTAG = 100
"""Characters of a hashtag, without `#`."""
MAX_HASHTAGS = 30
ACTIVE_STEP = timedelta(minutes=5)
"""How exact `last_active_at` is: not every like has to write a member's row."""

_USERNAME = regex.compile(r"[\p{L}\p{M}\p{Nd}_.@+-]+")
_UNPRINTABLE = regex.compile(r"[\p{Cc}\p{Cs}]")
_LINK = regex.compile(r"\b[\p{L}][\p{L}\p{Nd}+.-]*://\S+|\bwww\.\S+")
# Not after a letter, a digit or `_` (a word), `/` (a path) or `&` (an entity such as &#39;).
_HASHTAG = regex.compile(r"(?<![\p{L}\p{M}\p{Nd}_/&])#([\p{L}\p{M}\p{Nd}_]+)")
_SAYS_SOMETHING = regex.compile(r"[\p{L}\p{Nd}]")


def folded(text: str) -> str:
    """Return a text in which case and compatible forms do not matter (NFKC, casefold).

    Folding may undo the normal form and open another folding, so it is done until both hold:
    Unicode's toNFKC_Casefold (chapter 3.13, D146) without removing what is not shown.
    """
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFKC", once.casefold())


def username_of(text: str) -> str | Problem:
    """Return a username as it is kept, or what is wrong with it."""
    name = folded(text.strip())
    if not 1 <= len(name) <= MAX_USERNAME:
        return Problem("username", f"has {len(name)} characters; it needs 1 to {MAX_USERNAME}")
    if not _USERNAME.fullmatch(name):
        return Problem("username", "may have letters, digits and _ . @ + - only")
    return name


def email_of(text: str) -> str | Problem:
    """Return a mail address as it is kept and compared, or what is wrong with it."""
    try:
        address = addresses.key(addresses.check(text.strip()))
    except ValueError as error:
        return Problem("email", str(error))
    if len(address) > addresses.MAX_ADDRESS:  # a few letters become two in lower case
        return Problem("email", f"is longer than {addresses.MAX_ADDRESS} characters")
    return address


def display_name_of(text: str) -> str | Problem:
    """Return a name as it is shown, or what is wrong with it."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME:
        problem = f"has {len(name)} characters; it needs 1 to {MAX_NAME}"
        return Problem("display_name", problem)
    if _UNPRINTABLE.search(name):
        return Problem("display_name", "contains control characters")
    return name


def member_names(given: Mapping[str, str]) -> tuple[dict[str, str], list[Problem]]:
    """Return a member's mail address and names as they are kept, and what is wrong with them."""
    readers = {"email": email_of, "username": username_of, "display_name": display_name_of}
    read = {name: readers[name](text) for name, text in given.items()}
    values = {name: value for name, value in read.items() if isinstance(value, str)}
    return values, [value for value in read.values() if isinstance(value, Problem)]


def hashtags_of(content: str) -> tuple[str, ...]:
    """Return the hashtags of a text, folded, each once, in their order.

    A hashtag is `#` (or its wide form) before letters, digits and `_`, at least one of them no
    `_`. In an address of the web, and in a word, `#` makes none.
    """
    found = _HASHTAG.findall(_LINK.sub(" ", folded(content)))
    return tuple(dict.fromkeys(name for name in found if _SAYS_SOMETHING.search(name)))


def hashtag_of(text: str) -> str:
    """Return the name under which somebody looks for a hashtag, with `#` or without."""
    return folded(text.strip()).removeprefix("#")


def content_problems(content: str, media: Sequence[object]) -> list[Problem]:
    """Return what is wrong with what a post says."""
    if not (content.strip() or media):
        return [Problem("content", "says nothing, and there is no media")]
    names = hashtags_of(content)
    problems = [
        Problem("content", f"has a hashtag of {len(name)} characters; at most {MAX_HASHTAG}")
        for name in names
        if len(name) > MAX_HASHTAG
    ]
    if len(names) > MAX_HASHTAGS:
        problems.append(Problem("content", f"has {len(names)} hashtags; at most {MAX_HASHTAGS}"))
    return problems


def sees(visibility: str, *, is_author: bool, follows: bool) -> bool:
    """Whether a member sees a post of this visibility."""
    return (
        is_author
        or visibility == Visibility.PUBLIC
        or (visibility == Visibility.FOLLOWERS and follows)
    )


def visible_kinds(*, is_author: bool, follows: bool) -> list[str]:
    """Return the visibilities of an author's posts that a member sees."""
    return [kind for kind in Visibility if sees(kind, is_author=is_author, follows=follows)]


def is_stale(last_active_at: datetime | None, now: datetime) -> bool:
    """Whether it is time to note again that a member does something."""
    return last_active_at is None or last_active_at <= now - ACTIVE_STEP
