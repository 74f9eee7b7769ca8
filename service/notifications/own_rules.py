"""Pure rules of what single users are told: what may be said, and how a mail says it."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from service.errors import Problem
from service.kit.urls import url_problem

MAX_TITLE = 200
MAX_TEXT = 10_000
MAX_LINK = 2_048
MAX_KEY = 200
MOST_IN_DIGEST = 50
"""Notifications that a digest tells of; the others are counted."""


class Told(Protocol):
    """What a mail says of a notification."""

    title: str
    text: str
    link: str | None


def problems(title: str, text: str, link: str | None, key: str | None) -> Iterator[Problem]:
    """Yield what is wrong with a notification."""
    if not title.strip() or not title.isprintable() or len(title) > MAX_TITLE:
        yield Problem("title", f"is one line of 1 to {MAX_TITLE} characters")
    if len(text) > MAX_TEXT:
        yield Problem("text", f"is longer than {MAX_TEXT:,} characters")
    if link is not None and (wrong := link_problem(link)):
        yield Problem("link", wrong)
    if key is not None and not 1 <= len(key) <= MAX_KEY:
        yield Problem("key", f"has 1 to {MAX_KEY} characters")


def link_problem(link: str) -> str | None:
    """Say why a link cannot be one; None if it can: a path of this site, or an http(s) URL."""
    if len(link) > MAX_LINK:
        return f"is longer than {MAX_LINK:,} characters"
    if not link.isprintable() or " " in link or "\\" in link:
        return "has a character that no link has"
    if link.startswith("/"):
        return "begins with two slashes: write the whole URL" if link[1:2] == "/" else None
    wrong = url_problem(link)
    return f"is neither a path nor a URL: it {wrong}" if wrong else None


def title_of(message: str) -> str:
    """Return the title of a message: its first line with words, as far as it fits."""
    lines = (" ".join(line.split()) for line in message.splitlines())
    line = "".join(c for c in next(filter(None, lines), "") if c.isprintable())
    return line if len(line) <= MAX_TITLE else f"{line[: MAX_TITLE - 1]}…"


def mail_text(notification: Told, site: str) -> str:
    """Return the body of the mail about one notification.

    Args:
        notification: what the user is told.
        site: where this installation is, without a trailing slash.
    """
    return f"{_told(notification, site)}\n{_footer(site)}"


def digest_text(notifications: Sequence[Told], site: str) -> str:
    """Return the body of a digest, the oldest notification first."""
    shown = [_told(each, site) for each in notifications[:MOST_IN_DIGEST]]
    if more := len(notifications) - len(shown):
        shown.append(f"And {more} more: {site}/notifications/mine\n")
    return "\n".join([*shown, _footer(site)])


def digest_subject(notifications: Sequence[Told]) -> str:
    """Return the subject of a digest."""
    count = len(notifications)
    return notifications[0].title if count == 1 else f"{count} notifications"


def _told(notification: Told, site: str) -> str:
    link = notification.link
    if link is not None and link.startswith("/"):
        link = f"{site}{link}"
    parts = (notification.title, notification.text, link)
    return "\n".join(part for part in parts if part) + "\n"


def _footer(site: str) -> str:
    return (
        "--\nYou get this mail because your settings there ask for it: "
        f"{site}/notifications/mine#settings\n"
    )
