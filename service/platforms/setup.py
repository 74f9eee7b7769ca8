"""What adapters are made with: the HTTP client, our apps, and where platforms are."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from service.kit.outbound import Outbound
from service.platforms.failures import AuthFailed


@dataclass(frozen=True, slots=True)
class App:
    """This installation as a client of a platform (RFC 6749 §2)."""

    client_id: str
    client_secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Setup:
    """Made once by each process."""

    outbound: Outbound
    apps: Mapping[str, App] = field(default_factory=dict)
    """By platform; those of instagram, facebook and threads are Meta's."""
    urls: Mapping[str, str] = field(default_factory=dict)
    """By platform: where it is instead of its own hosts, all of them; for tests and proxies."""

    def app(self, platform: str) -> App:
        """Return this installation's app at a platform.

        Raises:
            AuthFailed: there is none, so nobody can log in, and no token can be renewed.
        """
        if platform not in self.apps:
            raise AuthFailed(
                f"This installation has no app there: add one for '{platform}' to ALMANAC_APPS"
            )
        return self.apps[platform]

    def root(self, platform: str, host: str) -> str:
        """Return the beginning of a URL on one of a platform's hosts, without a trailing slash.

        Args:
            platform: its name.
            host: such as `api.x.com`.
        """
        return self.urls.get(platform, f"https://{host}").rstrip("/")
