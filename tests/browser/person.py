"""Somebody at a browser: what they see, press and type, and what the browser complains of."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser, ConsoleMessage, Page

from tests.access.helpers import PASSWORD, new_user
from tests.support import Installation

AXE = Path(__file__).with_name("vendor") / "axe-4.14.1.min.js"
WIDE, PHONE = (1280, 900), (390, 844)


@dataclass(frozen=True, slots=True)
class Screen:
    """What somebody looks at."""

    size: tuple[int, int] = WIDE
    dark: bool = False
    scripts: bool = True


@dataclass(slots=True)
class Person:
    """One tab of one browser."""

    page: Page
    api: Installation
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, refusals of the security policy, files that are missing."""

    @classmethod
    @asynccontextmanager
    async def at(
        cls, browser: Browser, site: str, api: Installation, screen: Screen
    ) -> AsyncIterator[Self]:
        """Open a browser of its own."""
        width, height = screen.size
        context = await browser.new_context(
            base_url=site,
            color_scheme="dark" if screen.dark else "light",
            viewport={"width": width, "height": height},
            java_script_enabled=screen.scripts,
            timezone_id="Europe/Paris",
            reduced_motion="reduce",
        )
        context.set_default_timeout(10_000)
        page = await context.new_page()
        person = cls(page, api)
        # Playwright marks what it calls, which a method of a slotted class cannot bear.
        page.on("console", lambda message: person._hear(message))  # noqa: PLW0108
        page.on("pageerror", lambda error: person.complaints.append(str(error)))
        try:
            yield person
        finally:
            await context.close()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    async def log_in(self, name: str = "ann", *scopes: str) -> None:
        """Make a user, an admin without scopes, unless there is one; log in."""
        if not await self.api.sql("SELECT 1 FROM users WHERE name = :name", name=name):
            await new_user(self.api, name, *(scopes or ("admin",)))
        await self.page.goto("/login")
        await self.page.get_by_label("Name").fill(name)
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Log in").click()
        await self.page.wait_for_url("/")

    async def open(self, path: str) -> None:
        """Open a page with a live part, and wait until it listens and is up to date."""
        async with self.page.expect_response(lambda r: "hx-request" in r.request.headers):
            await self.page.goto(path)

    async def overflow(self) -> int:
        """Return by how many pixels the page is wider than the screen."""
        found: int = await self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        return found

    async def barriers(self) -> list[str]:
        """Return what axe-core calls serious or critical: rule, what it is, where."""
        await self.page.evaluate(_axe())
        result: dict[str, Any] = await self.page.evaluate("axe.run()")
        return [
            f"{found['id']}: {found['help']}: {node['target']} {node['failureSummary']}"
            for found in result["violations"]
            if found["impact"] in {"serious", "critical"}
            for node in found["nodes"]
        ]


@cache
def _axe() -> str:
    return AXE.read_text("utf-8")
