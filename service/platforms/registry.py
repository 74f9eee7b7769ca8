"""Which platforms there are."""

from collections.abc import Mapping

from service.platforms.bluesky.adapter import Bluesky
from service.platforms.contract import Platform
from service.platforms.facebook.adapter import Facebook
from service.platforms.feed import feed
from service.platforms.instagram.adapter import Instagram
from service.platforms.linkedin.adapter import LinkedIn
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.setup import Setup
from service.platforms.threads.adapter import Threads
from service.platforms.tiktok.adapter import TikTok
from service.platforms.webhook.adapter import Webhook
from service.platforms.x.adapter import X
from service.platforms.youtube.adapter import YouTube

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
