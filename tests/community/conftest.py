"""What holds after every test of the community."""

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.community.helpers import WRONG_COUNTERS
from tests.support import Installation


@pytest_asyncio.fixture(autouse=True)
async def counters_are_right(api: Installation) -> AsyncIterator[None]:
    """Every counter equals the rows that it counts."""
    yield
    assert await api.sql(WRONG_COUNTERS) == []
