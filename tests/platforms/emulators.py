"""The emulators of one run: each is started once, and empty for each test."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TypeVar

from tests.servers.platform import PlatformServer

Server = TypeVar("Server", bound=PlatformServer)


class Emulators(ExitStack):
    """Starts an emulator when a test first wants it, and stops all at the end."""

    def __init__(self) -> None:
        super().__init__()
        self._running: dict[type[PlatformServer], PlatformServer] = {}

    def lend(self, kind: type[Server]) -> Iterator[Server]:
        """Yield an empty emulator, which must not see an undocumented request."""
        if kind not in self._running:
            self._running[kind] = self.enter_context(kind())
        server = self._running[kind]
        assert isinstance(server, kind)
        server.reset()
        yield server
        assert server.violations == []
