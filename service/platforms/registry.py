"""Which platforms there are."""

from collections.abc import Mapping

from service.platforms import sandbox
from service.platforms.bluesky import Bluesky
from service.platforms.contract import Platform
from service.platforms.feed import feed
from service.platforms.mastodon import Mastodon
from service.platforms.setup import Setup
from service.platforms.webhook import Webhook

ALIASES = {"twitter": "x"}
"""Other names that people write."""


def build(setup: Setup) -> Mapping[str, Platform]:
    """Return the platforms by name, to be shared by all work of a process."""
    outbound = setup.outbound
    platforms: list[Platform] = [
        feed(),
        Mastodon(setup),
        Bluesky(setup),
        Webhook(outbound),
        sandbox.x(),
        sandbox.instagram(),
    ]
    return {platform.name: platform for platform in platforms}
