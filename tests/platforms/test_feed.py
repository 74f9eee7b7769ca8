"""The built-in feed and the sandboxes."""

from datetime import UTC, datetime

import pytest

from service.errors import InvalidInput
from service.kit.ids import uuid7
from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Destination, Published
from service.platforms.feed import Feed, feed
from service.platforms.instagram.adapter import Instagram
from service.platforms.sandbox import Sandbox
from service.platforms.setup import Setup
from service.platforms.x.adapter import X
from tests.platforms.helpers import Row

pytestmark = pytest.mark.asyncio

PUBLIC = "https://almanac.example"


SETUP = Setup(Outbound())


@pytest.mark.parametrize(
    "platform", [feed(), Sandbox(X(SETUP)), Sandbox(Instagram(SETUP))], ids=lambda p: p.name
)
async def test_the_delivery_is_the_entry(platform: Feed) -> None:
    profile = await platform.connect(f"{PUBLIC}/", {"handle": " @news ", "display_name": "News"})
    assert (profile.handle, profile.display_name, profile.base_url) == ("news", "News", PUBLIC)
    assert profile.limits == platform.limits
    account = Destination(uuid7(), profile.handle, profile.base_url, {}, profile.limits)
    row = Row()
    publication = row.publication(account, Content("a"))
    await platform.prepare(publication)
    assert await platform.check(publication) is None
    assert await platform.reconcile(publication) == Absent()
    entry = str(publication.delivery_id)
    wanted = Published(entry, f"{PUBLIC}/feeds/news#{entry}")
    assert [await platform.commit(publication) for _ in range(3)] == [wanted] * 3
    assert row.handles == []


@pytest.mark.parametrize("handle", ["News", "a b", "-a", "a-", "a/b", "a.b", "é", "a" * 65, "@"])
async def test_handles_that_do_not_fit_an_address(handle: str) -> None:
    with pytest.raises(InvalidInput, match=r"credentials\.handle"):
        await feed().connect(PUBLIC, {"handle": handle})


@pytest.mark.parametrize("handle", ["a", "a" * 64, "the-news_2026"])
async def test_handles_that_fit(handle: str) -> None:
    assert (await feed().connect(PUBLIC, {"handle": handle})).display_name == handle


async def test_an_endless_window_can_be_added_to_an_instant() -> None:
    assert (datetime.now(UTC) + feed().repeat_window).year > 2100
