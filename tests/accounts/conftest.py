"""The network, as a platform of the API and of the workers."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI

from tests.accounts.network import Network, install
from tests.servers.oauth import OAuthServer
from tests.support import Installation


@pytest.fixture(scope="session")
def oauth_thread() -> Iterator[OAuthServer]:
    """A running network."""
    with OAuthServer() as server:
        yield server


@pytest.fixture
def server(oauth_thread: OAuthServer) -> Iterator[OAuthServer]:
    """An empty network, whose rules nobody may break."""
    oauth_thread.reset()
    yield oauth_thread
    assert oauth_thread.violations == []


@pytest.fixture
def network(application: FastAPI, api: Installation, server: OAuthServer) -> Network:
    """The adapter of the workers; the API has one like it."""
    install(application.state.runtime, server)
    return install(api.runtime, server)
