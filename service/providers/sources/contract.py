"""What is read of a feed or a page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

MOST_ARTICLES = 20
"""Of one feed, the newest."""
MOST_TEXT = 6_000
"""Characters of one article."""


@dataclass(frozen=True, slots=True)
class Article:
    """One entry of a feed, or a page, as plain text."""

    title: str
    url: str
    """Of http or https; the source's own where the entry has none."""
    published: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """A feed or a page."""

    title: str
    url: str
    """As it was asked for."""
    articles: Sequence[Article]
    """The newest first, those without a date last; at least one."""
