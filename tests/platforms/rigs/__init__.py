"""Every platform that has an emulator, for the contract's tests."""

from tests.platforms.rig import Rig
from tests.platforms.rigs.bluesky import BlueskyRig
from tests.platforms.rigs.facebook import FacebookRig
from tests.platforms.rigs.instagram import InstagramRig
from tests.platforms.rigs.linkedin import LinkedInRig
from tests.platforms.rigs.mastodon import MastodonRig
from tests.platforms.rigs.threads import ThreadsRig
from tests.platforms.rigs.tiktok import TikTokRig
from tests.platforms.rigs.x import XRig
from tests.platforms.rigs.youtube import YouTubeRig
from tests.servers.bluesky import BlueskyServer
from tests.servers.facebook import FacebookServer
from tests.servers.instagram import InstagramServer
from tests.servers.linkedin import LinkedInServer
from tests.servers.mastodon_strict import StrictMastodon
from tests.servers.platform import PlatformServer
from tests.servers.threads import ThreadsServer
from tests.servers.tiktok import TikTokServer
from tests.servers.x import XServer
from tests.servers.youtube import YouTubeServer

RIGS: dict[str, tuple[type[PlatformServer], type[Rig]]] = {
    "bluesky": (BlueskyServer, BlueskyRig),
    "facebook": (FacebookServer, FacebookRig),
    "instagram": (InstagramServer, InstagramRig),
    "linkedin": (LinkedInServer, LinkedInRig),
    "mastodon": (StrictMastodon, MastodonRig),
    "threads": (ThreadsServer, ThreadsRig),
    "tiktok": (TikTokServer, TikTokRig),
    "youtube": (YouTubeServer, YouTubeRig),
    "x": (XServer, XRig),
}
