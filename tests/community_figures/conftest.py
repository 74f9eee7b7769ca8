"""A community whose clock stands at noon."""

from collections.abc import AsyncIterator

import pytest_asyncio
import time_machine

from tests.community_figures.helpers import NOON, Community, community_of
from tests.support import Installation


@pytest_asyncio.fixture
async def community(api: Installation) -> AsyncIterator[Community]:
    """An empty community; it is `NOON`, and the time goes on."""
    made = await community_of(api)
    with time_machine.travel(NOON, tick=True):
        yield made
