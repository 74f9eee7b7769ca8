"""Where a scenario of the test suite happens."""

import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.chaos.engine.scenario import REGISTERED, Findings, Site, Size, prepared


@pytest_asyncio.fixture
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """The place of the scenario that this test is."""
    chosen = REGISTERED[request.node.name]
    with tempfile.TemporaryDirectory(prefix="chaos") as folder:
        async with prepared(chosen, Path(folder), Size(), Findings(patience=3.0)) as site:
            yield site
