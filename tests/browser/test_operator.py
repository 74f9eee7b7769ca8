"""An operator acts: cancel, replay, pause, resume; with scripts and without."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, expect

from service.queue.operations import is_paused
from tests.api.lifting import Gym, lift
from tests.browser.office import four_steps
from tests.browser.person import Person, Screen
from tests.support import Installation
from tests.workflows.bench import Code, make_worker

pytestmark = pytest.mark.asyncio
KEY = "almanac:publishing"


@pytest.fixture(params=[True, False], ids=["with scripts", "without scripts"])
def screen(request: pytest.FixtureRequest) -> Screen:
    """With scripts and without."""
    return Screen(scripts=bool(request.param))


@asynccontextmanager
async def operator(
    browser: Browser, site: str, api: Installation, screen: Screen
) -> AsyncIterator[Person]:
    """Log in somebody who may steer jobs, and no more."""
    async with Person.at(browser, site, api, screen) as person:
        await person.log_in("olga", "jobs:read", "jobs:operate")
        yield person
        assert person.complaints == []


async def test_cancel_a_running_job(
    browser: Browser, site: str, api: Installation, screen: Screen
) -> None:
    gym = Gym(door=asyncio.Event())
    sent = await api.runtime.queue.enqueue(lift(weight=5))
    assert sent is not None
    async with operator(browser, site, api, screen) as person:
        training = asyncio.create_task(gym.train(api, allow_abort_jobs=True))
        await gym.inside.wait()
        await person.page.goto("/jobs?q=state:running")
        await person.page.get_by_role("link", name="tests.lift").first.click()
        await person.page.get_by_role("button", name="Cancel").click()
        await person.page.locator(".confirm button").click()
        async with asyncio.timeout(20):
            await training
        await person.page.goto(f"/jobs/{sent.job_id}")
        await expect(person.page.locator(".standing")).to_contain_text("cancelled")


async def test_replay_dead_jobs_by_filter(
    browser: Browser, site: str, api: Installation, screen: Screen
) -> None:
    """Those that match run again, after a question that says how many; others stay dead."""
    gym = Gym()
    await api.runtime.queue.enqueue_many([lift(weight=101 + n) for n in range(3)])
    await gym.train(api)
    async with operator(browser, site, api, screen) as person:
        await person.page.goto("/jobs?q=state:dead")
        await person.page.get_by_label("Search").fill("state:dead args.weight:102")
        await person.page.keyboard.press("Enter")
        await person.page.get_by_role("button", name="Run again all that match").click()
        await expect(person.page.get_by_role("heading", level=1)).to_have_text(
            "Run the one job that matches again?"
        )
        gym.strong = True
        await person.page.locator(".confirm button").click()
        await expect(person.page.locator(".note")).to_have_text("1 job sent again.")
    await gym.train(api)
    assert gym.runs.count(102) == 3
    assert (gym.runs.count(101), gym.runs.count(103)) == (2, 2)


async def test_pause_a_queue_and_let_it_go_on(
    browser: Browser, site: str, api: Installation, screen: Screen
) -> None:
    """V039: from the list of queues."""
    async with operator(browser, site, api, screen) as person:
        await person.page.goto("/queues")
        await person.page.get_by_role("button", name="Pause publishing").click()
        await expect(person.page.get_by_role("button", name="Resume publishing")).to_be_visible()
        assert await is_paused(api.runtime.queue, KEY)
        await person.page.get_by_role("button", name="Resume publishing").click()
        await expect(person.page.get_by_role("button", name="Pause publishing")).to_be_visible()
        assert not await is_paused(api.runtime.queue, KEY)


async def test_resume_a_workflow(
    browser: Browser, site: str, api: Installation, screen: Screen
) -> None:
    """It goes on from the step that failed; the page follows it where scripts run."""
    reply = await api.post("/v1/workflows", four_steps())
    await make_worker(api.runtime, Code(failing={"voice"})).async_run()
    async with Person.at(browser, site, api, screen) as person:
        await person.log_in()
        await person.page.goto(f"/workflows/{reply.json()['id']}")
        live = person.page.locator("#live")
        await expect(live).to_contain_text("bad luck with voice")
        await person.page.get_by_role("button", name="Resume from where it stopped").click()
        await expect(live).not_to_contain_text("bad luck")
        code = Code()
        await make_worker(api.runtime, code).async_run()
        if not screen.scripts:
            await person.page.reload()
        await expect(live.locator(".lead")).to_contain_text("succeeded", timeout=10_000)
    assert code.runs == ["voice", "publish"]
