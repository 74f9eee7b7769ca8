"""Which platforms there are."""

from collections.abc import Mapping

from service.platforms.bluesky import Bluesky
from service.platforms.contract import Platform
from service.platforms.facebook import Facebook
from service.platforms.feed import feed
from service.platforms.instagram import Instagram
from service.platforms.linkedin import LinkedIn
from service.platforms.mastodon import Mastodon
from service.platforms.setup import Setup
from service.platforms.threads import Threads
from service.platforms.tiktok import TikTok
from service.platforms.webhook import Webhook
from service.platforms.x import X
from service.platforms.youtube import YouTube

ALIASES = {"twitter": "x"}
"""Other names that people write."""


def build(setup: Setup) -> Mapping[str, Platform]:
    """Return the platforms by name, to be shared by all work of a process."""
    platforms: list[Platform] = [
        feed(),
        Mastodon(setup),
        Bluesky(setup),
        X(setup),
        Instagram(setup),
        Facebook(setup),
        Threads(setup),
        TikTok(setup),
        YouTube(setup),
        LinkedIn(setup),
        Webhook(setup.outbound),
    ]
    return {platform.name: platform for platform in platforms}
