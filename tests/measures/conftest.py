"""Every platform that has an emulator, with its adapter on the workers' own client."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.platforms.rig import Rig
from tests.platforms.rigs import RIGS
from tests.servers.platform import PlatformServer
from tests.support import Installation

_running: list[PlatformServer] = []


@cache
def _server(name: str) -> PlatformServer:
    server: PlatformServer = RIGS[name][0]()
    server.start()
    _running.append(server)
    return server


@pytest.fixture(scope="module", autouse=True)
def _stop_servers() -> Iterator[None]:
    yield
    while _running:
        _running.pop().stop()
    _server.cache_clear()


@pytest.fixture
def rigs(api: Installation) -> Iterator[Callable[[str], Rig]]:
    """Return the rig of a platform, whose server is empty; nobody breaks its rules."""
    used: dict[str, Rig] = {}

    def of(name: str) -> Rig:
        if name not in used:
            server = _server(name)
            server.reset()
            used[name] = RIGS[name][1](server, api.runtime.outbound)
        return used[name]

    yield of
    for rig in used.values():
        assert rig.server.violations == []


@pytest.fixture(params=sorted(RIGS))
def rig(request: pytest.FixtureRequest, rigs: Callable[[str], Rig]) -> Rig:
    """Each platform in turn."""
    return rigs(request.param)


@pytest.fixture
def bluesky(rigs: Callable[[str], Rig]) -> Rig:
    """One platform, where one is enough."""
    return rigs("bluesky")
