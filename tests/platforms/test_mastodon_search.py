"""Looking for a post on Mastodon once the server may have forgotten its key."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.platforms.contract import Absent, Content, Destination, Published, Reference, Unknown
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.mastodon.search import plain_text
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.mastodon import account as strict_account
from tests.platforms.test_mastodon import TEXT, account, publish
from tests.servers.mastodon import MastodonServer
from tests.servers.mastodon_strict import StrictMastodon

pytestmark = pytest.mark.asyncio


@pytest.fixture
def destination(mastodon_server: MastodonServer) -> Destination:
    return account(mastodon_server, mastodon_server.url)


def by_text(folder: Path) -> Content:
    return Content(TEXT)


def by_link(folder: Path) -> Content:
    return Content("Read this:\n\nnow", link="https://example.com/" + "long/" * 20)


def by_image(folder: Path) -> Content:
    return Content("", media=(image(folder), image(folder)))


@pytest.mark.parametrize("make", [by_text, by_link, by_image])
async def test_reconciling_finds_the_post_among_others(
    mastodon: Mastodon,
    mastodon_server: MastodonServer,
    destination: Destination,
    tmp_path: Path,
    make: Callable[[Path], Content],
) -> None:
    mastodon_server.add_post("something else")
    row, started, content = Row(), datetime.now(UTC), make(tmp_path)
    published = await publish(mastodon, row.publication(destination, content))
    for _ in range(45):
        mastodon_server.add_post("more")
    handles = row.handles[-1] if row.handles else {}
    later = row.publication(destination, content, handles=handles, committed_since=started)
    assert await mastodon.reconcile(later) == published


async def test_the_parts_of_a_thread_that_say_the_same_are_told_apart(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    """What a post answers is compared, too."""
    started = datetime.now(UTC)
    first = await publish(mastodon, Row().publication(destination, Content("Again!")))
    second = Row().publication(destination, Content("Again!"), committed_since=started)
    second.reply_to = second.root = Reference(first.remote_id)
    assert await mastodon.reconcile(second) == Absent()
    published = await publish(mastodon, second)
    assert await mastodon.reconcile(second) == published
    assert published.remote_id != first.remote_id


async def test_reconciling_is_sure_of_absence_only_when_it_saw_everything(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    started = datetime.now(UTC)
    lost = Row().publication(destination, Content("mine"), committed_since=started)
    assert await mastodon.reconcile(lost) == Absent(), "the account has no post at all"
    mastodon_server.add_post("mine too")
    assert await mastodon.reconcile(lost) == Absent(), "another text is another post"
    for number in range(200):
        mastodon_server.add_post(f"other {number}")
    uncertain = await mastodon.reconcile(lost)
    assert isinstance(uncertain, Unknown)
    assert "more than 200 times" in uncertain.reason


async def test_a_post_from_before_the_commit_is_another_one(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    mastodon_server.add_post("Good morning")
    began = datetime.now(UTC) + timedelta(minutes=3)
    publication = Row().publication(destination, Content("Good morning"), committed_since=began)
    assert await mastodon.reconcile(publication) == Absent()
    publication.committed_since = None
    assert await mastodon.reconcile(publication) == Absent()


async def test_reconciling_without_a_stored_account(
    mastodon: Mastodon, mastodon_server: MastodonServer, destination: Destination
) -> None:
    post_id = mastodon_server.add_post("mine")
    destination.session = {}
    publication = Row().publication(destination, Content("mine"), committed_since=datetime.now(UTC))
    found = await mastodon.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == post_id


async def test_after_an_hour_the_key_is_forgotten_and_the_post_is_still_found(
    mastodon: Mastodon, strict_mastodon: StrictMastodon
) -> None:
    """What would be a second post by then is found instead: the repeat window ends before."""
    destination, started = strict_account(strict_mastodon), datetime.now(UTC)
    publication = Row().publication(destination, Content("once"), committed_since=started)
    published = await publish(mastodon, publication)
    strict_mastodon.clock += timedelta(minutes=59)
    assert await mastodon.commit(publication) == published
    assert await mastodon.reconcile(publication) == published
    assert len(strict_mastodon.posts) == 1
    strict_mastodon.clock += timedelta(minutes=2)
    assert await mastodon.commit(publication) != published
    assert len(strict_mastodon.posts) == 2
    assert mastodon.repeat_window < timedelta(hours=1)


async def test_html_of_the_server() -> None:
    """As mastodon.social renders a mention and a long link."""
    html = (
        '<p>Hi <span class="h-card"><a href="https://b.example/@bob">@<span>bob</span></a></span>'
        " &amp; all</p><p>see<br />"
        '<a href="https://example.com/long/path"><span class="invisible">https://</span>'
        '<span class="ellipsis">example.com/long</span><span class="invisible">/path</span></a></p>'
    )
    assert plain_text(html) == "Hi @bob & all\nsee\nhttps://example.com/long/path"
