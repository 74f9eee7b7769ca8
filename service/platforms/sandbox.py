"""Accounts that only look like another network's: its rules, and posts on Almanac's own pages."""

from collections.abc import Mapping

from service.errors import Problem
from service.platforms.contract import Content, Platform
from service.platforms.feed import Feed
from service.platforms.limits import Limits


class Sandbox(Feed):
    """Shows what a platform would have published.

    Args:
        original: whose limits, options and rules hold.
    """

    def __init__(self, original: Platform) -> None:
        super().__init__(original.name, original.title, original.limits, live=False)
        self.option_fields = original.option_fields
        self.replies = original.replies
        self._original = original

    def text_of(self, content: Content) -> str:
        """Return the text as the original shows it."""
        return self._original.text_of(content)

    def validate(self, content: Content, limits: Limits) -> list[Problem]:
        """Return what the original would complain of."""
        return self._original.validate(content, limits)


def adapter(platforms: Mapping[str, Platform], name: str, *, local: bool) -> Platform:
    """Return what publishes for an account of a platform.

    Args:
        platforms: all there are.
        name: of the platform.
        local: whether Almanac shows the account's posts itself.
    """
    found = platforms[name]
    return Sandbox(found) if local and not found.local else found
