"""Rosters of tests, and a terminal."""

import pytest

from tests.commands.terminal import Terminal
from tests.rosters.helpers import Desk
from tests.support import Installation


@pytest.fixture
def desk(api: Installation) -> Desk:
    """Whoever makes rosters, as an admin."""
    return Desk(api)


@pytest.fixture
def terminal(api: Installation, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on the test's servers."""
    return Terminal(api, monkeypatch)
