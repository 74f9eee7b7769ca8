"""Chromium, an installation with a worker that serves it, and somebody who is logged in."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from service.app import create_app
from service.dashboard import summary
from service.kit.tasks import end
from service.runtime import Runtime
from tests.browser.person import Person, Screen
from tests.servers.threaded import ThreadedServer
from tests.support import Installation
from workers.engine import LEDGER
from workers.ledger import JobLedger
from workers.recorder import serve


def pytest_addoption(parser: pytest.Parser) -> None:
    """Say where pictures for the documentation go."""
    parser.addoption("--pictures", type=Path, help="folder in which pictures are made anew")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Make pictures only where they are asked for, and then nothing else."""
    wanted = config.getoption("--pictures") is not None
    items[:] = [item for item in items if (item.path.stem == "test_pictures") == wanted]


NAMES = ("chromium", "chromium-browser", "google-chrome")
QUEUES = ("publishing", "maintenance", "webhooks")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is."""
    for name in NAMES:
        if (path := shutil.which(name)) is not None:
            return path
    missing = "there is no Chromium: apt-get install chromium"
    if os.environ.get("CI"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest_asyncio.fixture(scope="session")
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A running Chromium."""
    async with async_playwright() as playwright:
        # Root cannot have Chromium's own sandbox; the pages are ours.
        yield await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


@pytest.fixture
def site(installation: Installation) -> Iterator[str]:
    """Where the dashboard is served."""
    summary.forget()
    with ThreadedServer(create_app(installation.runtime.settings)) as server:
        yield server.url


@asynccontextmanager
async def served(runtime: Runtime, api: Installation) -> AsyncIterator[None]:
    """Run the workers of all queues, and record what they do."""
    ledger = JobLedger(runtime)
    ctx = {"runtime": runtime, LEDGER: ledger}
    workers = [api.worker(queue, burst=False, ctx=dict(ctx)) for queue in QUEUES]
    tasks = [asyncio.create_task(worker.async_run()) for worker in workers]
    tasks.append(asyncio.create_task(serve(runtime)))
    try:
        yield
    finally:
        await end(*tasks)


@pytest_asyncio.fixture
async def person(browser: Browser, site: str, api: Installation) -> AsyncIterator[Person]:
    """An admin at a wide, light screen."""
    async with Person.at(browser, site, api, Screen()) as person:
        await person.log_in()
        yield person
