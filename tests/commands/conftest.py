"""A terminal for every test of commands."""

import pytest

from tests.commands.terminal import Terminal
from tests.support import Installation


@pytest.fixture
def terminal(api: Installation, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on the test's servers."""
    return Terminal(api, monkeypatch)
