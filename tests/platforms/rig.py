"""What the contract's tests need of a platform: its adapter, its emulator, an account, examples."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from service.kit.outbound import Outbound
from service.platforms.contract import Content, Destination, Platform
from service.platforms.setup import App, Setup
from tests.servers.faults import Fault
from tests.servers.platform import PlatformServer

MANY = 1_000_000
APP = App("client-id", "client-secret")


class Rig(ABC):
    """One platform under test. Make one for each test: the server has been reset before."""

    commit_path: str
    """In the path of the irreversible request."""
    commit_method = "POST"
    read_path: str | None = None
    """In the path of a request that `prepare` or `check` makes for `image` or `video`, if any."""

    def __init__(self, server: PlatformServer, outbound: Outbound) -> None:
        self.server = server
        self.platform = self.adapter(
            Setup(outbound, apps={self.name: APP}, urls={self.name: server.url})
        )

    @property
    @abstractmethod
    def name(self) -> str:
        """The platform's name."""

    @abstractmethod
    def adapter(self, setup: Setup) -> Platform:
        """Return the adapter."""

    @abstractmethod
    def destination(self) -> Destination:
        """Return a connected account with tokens that are good now and can be renewed."""

    @abstractmethod
    def contents(self, folder: Path) -> Mapping[str, Content]:
        """Return posts that are good here, by name: text, image, images, video… what it takes."""

    @abstractmethod
    def failures(self) -> Mapping[str, list[Fault]]:
        """Return every documented error of the commit's and the upload's calls, by its class.

        The classes are names of service/platforms/failures.py: `Transient`, `RateLimited`,
        `TokenExpired`, `AuthFailed`, `Rejected`, `Ambiguous`.
        """

    @abstractmethod
    def expire_tokens(self) -> None:
        """Let the account's access token be refused as expired; its refresh token still works."""

    @abstractmethod
    def revoke(self) -> None:
        """Let all of the account's tokens be refused for good."""

    def allow_many(self) -> None:
        """Let the server take any number of posts; by default it does."""
        return

    @abstractmethod
    def ripen(self) -> None:
        """Let whatever the server is processing be ready now."""
