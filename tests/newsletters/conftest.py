"""A publisher: an installation with a mail server, whose jobs run one by one."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.newsletters.publisher import Publisher
from tests.servers.smtp import SmtpServer
from tests.support import Installation


@pytest_asyncio.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    """A mail server."""
    async with SmtpServer() as server:
        yield server


@pytest.fixture
def publisher(api: Installation, smtp: SmtpServer) -> Publisher:
    """An installation that mails through the server."""
    return Publisher.mailing(api, smtp)
