"""Publishing to LinkedIn, on an emulator that is strict about the protocol."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Absent,
    Content,
    Publication,
    Published,
    Reference,
    Refused,
    Unknown,
    Wait,
)
from service.platforms.failures import Ambiguous, Rejected, Transient
from service.platforms.linkedin.adapter import MEMBERS_ARE_PRIVATE
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.linkedin import LinkedInRig, bring
from tests.servers.faults import Fault
from tests.servers.linkedin import LinkedInServer
from tests.servers.linkedin_login import MEMBER, PAGE

pytestmark = pytest.mark.asyncio

TEXT = "Wool (100 %) is *warm* & #soft_wool, isn't it? {yes|no} @you <3 ~ \\o/ [1]"


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[LinkedInRig]:
    for server in emulators.lend(LinkedInServer):
        yield LinkedInRig(server, outbound)


def committed(publication: Publication) -> Publication:
    """Return it as the caller has stamped it."""
    return replace(publication, committed_since=datetime.now(UTC))


def commenting(row: Row, rig: LinkedInRig, post: str, author: str = PAGE) -> Publication:
    made = row.publication(rig.destination(author), Content("First (of all)!", kind="comment"))
    return replace(made, reply_to=Reference(post), root=Reference(post))


@pytest.mark.parametrize("author", [PAGE, MEMBER])
async def test_a_text_is_shown_whole(rig: LinkedInRig, author: str) -> None:
    """V003: reserved characters would cut the text; the id is the one of the header."""
    options = {"visibility": "connections", "resharing": False}
    content = Content(TEXT, link="https://example.com/a_(b)#c", options=options)
    publication = Row().publication(rig.destination(author), content)
    published = await bring(rig, publication)
    [post] = rig.server.posts
    assert post["text"] == f"{TEXT}\n\nhttps://example.com/a_(b)#c"
    assert r"{hashtag|\#|soft\_wool}" in post["commentary"]
    assert (post["author"], post["visibility"]) == (author, "CONNECTIONS")
    assert post["isReshareDisabledByAuthor"] is True
    url = f"https://www.linkedin.com/feed/update/{post['id']}/"
    assert published == Published(post["id"], url)
    assert post["id"].startswith("urn:li:share:")


async def test_by_default_a_post_is_public(rig: LinkedInRig) -> None:
    await bring(rig, Row().publication(rig.destination(), Content("a")))
    [post] = rig.server.posts
    assert (post["visibility"], post["isReshareDisabledByAuthor"]) == ("PUBLIC", False)
    assert "content" not in post


async def test_a_lost_answer_of_a_page_is_found(rig: LinkedInRig, tmp_path: Path) -> None:
    """G010: by the text where there are no media, else by the media's own URNs."""
    rig.server.add_post("Another one")
    for number, content in enumerate(rig.contents(tmp_path).values(), 1):
        publication = committed(Row().publication(rig.destination(), content))
        await rig.linkedin.prepare(publication)
        rig.ripen()
        assert await rig.linkedin.reconcile(publication) == Absent()
        rig.server.fail(Fault("/rest/posts", lost=True, method="POST"))
        with pytest.raises(Ambiguous, match="the post may be there"):
            await rig.linkedin.commit(publication)
        urn = rig.server.stored[-1]["id"]
        rig.server.add_post("A later one")
        found = await rig.linkedin.reconcile(publication)
        assert isinstance(found, Published)
        assert found.remote_id == urn
        assert len(rig.server.stored) == 2 * number + 1


async def test_a_lost_answer_of_a_member_stays_unknown(rig: LinkedInRig) -> None:
    """G010: what cannot be read is never taken for absent, and so never posted again."""
    publication = committed(Row().publication(rig.destination(MEMBER), Content("a")))
    rig.server.fail(Fault("/rest/posts", 503, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.linkedin.commit(publication)
    assert await rig.linkedin.reconcile(publication) == Unknown(MEMBERS_ARE_PRIVATE)
    assert ("GET", "/rest/posts") not in rig.server.calls
    never = replace(publication, committed_since=None)
    assert await rig.linkedin.reconcile(never) == Absent()


@pytest.mark.parametrize("author", [PAGE, MEMBER])
async def test_a_crash_behind_the_answer_is_no_doubt(rig: LinkedInRig, author: str) -> None:
    """V003: the id is stored before anything else happens, so that even a member's is known."""
    row = Row()
    publication = committed(row.publication(rig.destination(author), Content("a")))
    published = await bring(rig, publication)
    again = committed(
        row.publication(publication.destination, publication.content, handles=row.handles[-1])
    )
    assert await rig.linkedin.reconcile(again) == published
    assert await rig.linkedin.commit(again) == published
    assert len(rig.server.posts) == 1


async def test_an_older_post_of_the_same_text_is_another(rig: LinkedInRig) -> None:
    rig.server.add_post("a", age=600)
    publication = committed(Row().publication(rig.destination(), Content("a")))
    assert await rig.linkedin.reconcile(publication) == Absent()
    urn = rig.server.add_post("a")
    found = await rig.linkedin.reconcile(publication)
    assert isinstance(found, Published)
    assert found.remote_id == urn


async def test_absent_only_when_all_was_seen(rig: LinkedInRig) -> None:
    publication = committed(Row().publication(rig.destination(), Content("wanted")))
    for number in range(50):
        rig.server.add_post(f"older {number}", age=600)
    for number in range(200):
        rig.server.add_post(f"busy {number}")
    assert await rig.linkedin.reconcile(publication) == Absent()
    assert rig.server.calls.count(("GET", "/rest/posts")) == 5
    rig.server.add_post("busier")
    assert isinstance(await rig.linkedin.reconcile(publication), Unknown)


async def test_a_page_whose_posts_may_not_be_read(rig: LinkedInRig) -> None:
    publication = committed(Row().publication(rig.destination(), Content("a")))
    denied = {"status": 403, "code": "ACCESS_DENIED", "message": "Not enough permissions"}
    rig.server.fail(Fault("/rest/posts", 403, denied, method="GET"))
    assert isinstance(await rig.linkedin.reconcile(publication), Unknown)


@pytest.mark.parametrize(
    ("state", "expected"), [("PUBLISH_REQUESTED", Wait), ("PUBLISH_FAILED", Refused)]
)
async def test_a_post_that_was_taken_is_not_out_yet(
    rig: LinkedInRig, state: str, expected: type[Wait | Refused]
) -> None:
    publication = committed(Row().publication(rig.destination(), Content("a")))
    rig.server.add_post("a")
    rig.server.stored[0]["lifecycleState"] = state
    assert isinstance(await rig.linkedin.reconcile(publication), expected)


async def test_the_same_text_again_is_refused_with_its_address(rig: LinkedInRig) -> None:
    first = await bring(rig, Row().publication(rig.destination(), Content("a")))
    with pytest.raises(Rejected) as refused:
        await bring(rig, Row().publication(rig.destination(), Content("a")))
    assert refused.value.message == (
        f"LinkedIn, posting: LinkedIn has a post of this text already at {first.url}: "
        "change the text to post it again"
    )
    assert len(rig.server.posts) == 1


async def test_an_answer_without_an_id_is_ambiguous(rig: LinkedInRig) -> None:
    rig.server.fail(Fault("/rest/posts", 201, method="POST"))
    with pytest.raises(Ambiguous, match="does not say under which id"):
        await bring(rig, Row().publication(rig.destination(), Content("a")))


async def test_a_comment_below_the_post(rig: LinkedInRig) -> None:
    row = Row()
    post = await bring(rig, row.publication(rig.destination(), Content("a")))
    publication = committed(commenting(row, rig, post.remote_id))
    assert await rig.linkedin.reconcile(publication) == Absent()
    published = await bring(rig, publication)
    [comment] = rig.server.comments
    assert (comment["text"], comment["actor"]) == ("First (of all)!", PAGE)
    assert published.details == {"comment": comment["id"], "post": post.remote_id}
    assert await rig.linkedin.reconcile(publication) == published
    reference = Reference(published.remote_id, published.details)
    assert await rig.linkedin.metrics(publication.destination, reference) == {}
    await rig.linkedin.delete(publication.destination, reference)
    await rig.linkedin.delete(publication.destination, reference)
    assert (rig.server.comments, len(rig.server.stored)) == ([], 1)


async def test_a_lost_answer_of_a_comment(rig: LinkedInRig) -> None:
    row = Row()
    post = await bring(rig, row.publication(rig.destination(), Content("a")))
    of_page = committed(commenting(row, rig, post.remote_id))
    rig.server.fail(Fault("/comments", lost=True, method="POST"))
    with pytest.raises(Ambiguous):
        await rig.linkedin.commit(of_page)
    found = await rig.linkedin.reconcile(of_page)
    assert isinstance(found, Published)
    assert found.remote_id == rig.server.comments[0]["id"]
    of_member = committed(commenting(row, rig, post.remote_id, MEMBER))
    assert isinstance(await rig.linkedin.reconcile(of_member), Unknown)


async def test_a_comment_on_a_post_that_is_too_new(rig: LinkedInRig) -> None:
    """LinkedIn's services learn of a post one after the other."""
    publication = commenting(Row(), rig, "urn:li:share:1")
    with pytest.raises(Transient, match="Unable to obtain activity"):
        await bring(rig, publication)
    assert rig.server.comments == []


async def test_removing_and_measuring(rig: LinkedInRig) -> None:
    destination = rig.destination()
    published = await bring(rig, Row().publication(destination, Content("a")))
    post = Reference(published.remote_id)
    assert await rig.linkedin.metrics(destination, post) == {}
    rig.server.statistics = {
        "impressionCount": 90,
        "uniqueImpressionsCount": 60,
        "likeCount": 5,
        "commentCount": 2,
        "shareCount": 0,
        "clickCount": 7,
    }
    assert await rig.linkedin.metrics(destination, post) == {
        "views": 90,
        "likes": 5,
        "comments": 2,
        "shares": 0,
        "clicks": 7,
    }
    assert await rig.linkedin.audience(destination) == {"followers": 219}
    member = rig.destination(MEMBER)
    assert await rig.linkedin.metrics(member, post) == {}
    assert await rig.linkedin.audience(member) == {}
    await rig.linkedin.delete(destination, post)
    await rig.linkedin.delete(destination, post)
    assert rig.server.posts == []
