"""People who are logged in."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio
from fastapi import FastAPI

from service.dashboard import summary
from tests.dashboard.person import Person
from tests.support import Installation


@pytest_asyncio.fixture
async def stranger(application: FastAPI, installation: Installation) -> AsyncIterator[Person]:
    """Somebody who has not logged in."""
    summary.forget()
    transport = httpx.ASGITransport(application, raise_app_exceptions=False)
    address = installation.runtime.settings.base_url
    async with httpx.AsyncClient(transport=transport, base_url=address) as http:
        yield Person(http, installation)


@pytest_asyncio.fixture
async def admin(stranger: Person) -> Person:
    """An admin who is logged in."""
    await stranger.enter()
    return stranger
