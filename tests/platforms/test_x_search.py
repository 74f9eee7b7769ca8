"""Finding a post among those of the account, however X shows it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Publication, Published, Unknown
from service.platforms.failures import Ambiguous, TokenExpired
from service.platforms.x.answers import Tweet
from service.platforms.x.search import plain_text
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.x import POST, XRig, picture
from tests.servers.faults import Fault
from tests.servers.x import XServer
from tests.servers.x_text import shown

ALIKE = [
    "plain",
    "1 < 2 && 3 > 2, \"quoted\" & 'so' &amp;",
    "https://example.com",
    "see https://www.example.com/a/?b=c&d=ä, then (https://example.org/x_(y)).",
    "👍🏽👩‍🚀",
    "多言語 https://例.example.jp/パス です",
    "lines\n\nand   spaces\t",
    "#tag @bob $TSLA",
]
PIECES = [
    "word",
    "&",
    "<b>",
    "&lt;",
    "é",
    "文字",
    "👍🏽",
    "\n",
    "#a",
    "@b",
    "https://example.com/a?b=1",
]


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    yield from emulators.lend(XServer)


@pytest.fixture
def rig(server: XServer, outbound: Outbound) -> XRig:
    return XRig(server, outbound)


def begun(rig: XRig, content: Content) -> Publication:
    return Row().publication(rig.destination(), content, committed_since=now())


async def lose(rig: XRig, server: XServer, publication: Publication) -> str:
    """Commit, lose the answer, and return the id of the post that is out."""
    await rig.platform.prepare(publication)
    assert await rig.platform.check(publication) is None
    server.fail(Fault(POST, lost=True, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    return str(server.posts[-1]["id"])


@given(st.lists(st.sampled_from(PIECES), min_size=1), st.booleans())
def test_what_x_makes_of_a_text_can_be_undone(pieces: list[str], with_media: bool) -> None:
    """Shortened links, a link to the media, entities of HTML: the text is what it was."""
    text = " ".join(pieces).strip()
    text_shown, urls = shown(text, ["3_1"] if with_media else [], "1")
    tweet = msgspec.convert(
        {"id": "1", "text": text_shown, "created_at": now(), "entities": {"urls": urls}}, Tweet
    )
    assert plain_text(tweet) == text


@pytest.mark.asyncio
@pytest.mark.parametrize("text", ALIKE)
async def test_a_text_is_known_again(rig: XRig, server: XServer, text: str) -> None:
    publication = begun(rig, Content(text, link="https://example.com/story?a=1"))
    lost = await lose(rig, server, publication)
    for other in ALIKE:
        if other != text:
            server.add_post(f"{other}\n\nhttps://example.com/story?a=1")
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == lost


@pytest.mark.asyncio
async def test_the_same_words_with_another_link_are_another_post(
    rig: XRig, server: XServer
) -> None:
    publication = begun(rig, Content("New article:", link="https://example.com/2"))
    server.add_post("New article:\n\nhttps://example.com/1")
    assert await rig.platform.reconcile(publication) == Absent()


@pytest.mark.asyncio
async def test_media_are_known_by_their_ids(rig: XRig, server: XServer, tmp_path: Path) -> None:
    """Also of a post without a text, beside another such one, and long after the upload."""
    first, second = picture(tmp_path, b"1"), picture(tmp_path, b"2")
    other = begun(rig, Content("", media=(first,)))
    await rig.platform.prepare(other)
    publication = begun(rig, Content("", media=(second,)))
    lost = await lose(rig, server, publication)
    for handle in publication.handles.values():
        assert isinstance(handle, dict)
        handle["expires_at"] = 0
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == lost
    assert await rig.platform.reconcile(other) == Absent()


@pytest.mark.asyncio
async def test_the_same_text_without_the_media_is_another_post(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    publication = begun(rig, Content("a", media=(picture(tmp_path),)))
    await rig.platform.prepare(publication)
    server.add_post("a")
    assert await rig.platform.reconcile(publication) == Absent()


@pytest.mark.asyncio
async def test_a_long_text_is_cut_in_the_timeline(rig: XRig, server: XServer) -> None:
    """Its whole text stands elsewhere, with links of its own."""
    server.subscription_type = "Premium"
    text = "word " * 100 + "https://example.com/end"
    lost = await lose(rig, server, publication := begun(rig, Content(text)))
    server.add_post("word " * 100 + "https://example.com/other")
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == lost


@pytest.mark.asyncio
async def test_a_clock_that_is_off_by_a_minute(rig: XRig, server: XServer) -> None:
    publication = begun(rig, Content("a"))
    server.advance(-60)
    lost = await lose(rig, server, publication)
    server.advance(60)
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == lost


@pytest.mark.asyncio
async def test_older_posts_are_not_looked_at(rig: XRig, server: XServer) -> None:
    server.add_post("a", ago=180)
    assert await rig.platform.reconcile(begun(rig, Content("a"))) == Absent()


@pytest.mark.asyncio
async def test_all_pages_are_read(rig: XRig, server: XServer) -> None:
    """Up to 500 posts; beyond, that it is not there would be no proof."""
    publication = begun(rig, Content("wanted"))
    publication.committed_since = now() - timedelta(minutes=10)
    wanted = server.add_post("wanted", ago=300)
    for number in range(450):
        server.add_post(f"number {number}")
    found = await rig.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == wanted
    for number in range(100):
        server.add_post(f"more {number}")
    found = await rig.platform.reconcile(publication)
    assert found == Unknown("the account has posted more than 500 times since the attempt")


@pytest.mark.asyncio
async def test_the_account_is_asked_for_where_its_id_is_not_known(
    rig: XRig, server: XServer
) -> None:
    publication = begun(rig, Content("a"))
    del publication.destination.session["user_id"]
    assert await rig.platform.reconcile(publication) == Absent()
    assert ("GET", "/2/users/me") in server.calls


@pytest.mark.asyncio
async def test_a_look_with_an_expired_token_finds_nothing_out(rig: XRig, server: XServer) -> None:
    publication = begun(rig, Content("a"))
    rig.expire_tokens()
    with pytest.raises(TokenExpired, match="X, looking for the post: status 401"):
        await rig.platform.reconcile(publication)
