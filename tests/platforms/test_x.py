"""Publishing to X, on an emulator that is strict about the protocol."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Publication, Published, Reference, Unknown
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.limits import Replies
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.x import (
    APP_ONLY,
    BROKE,
    BUSY,
    CAPPED,
    EXPIRED,
    NOT_ENROLLED,
    POST,
    SUSPENDED,
    XRig,
    forbidden,
    picture,
    problem,
)
from tests.servers.faults import Fault
from tests.servers.x import XServer

pytestmark = pytest.mark.asyncio

DUPLICATE = "You are not allowed to create a Tweet with duplicate content."
TIMELINE = f"/2/users/{XServer.user_id}/tweets"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    yield from emulators.lend(XServer)


@pytest.fixture
def rig(server: XServer, outbound: Outbound) -> XRig:
    return XRig(server, outbound)


def begun(rig: XRig, content: Content) -> Publication:
    """Return a publication whose commit has just been stamped."""
    return Row().publication(rig.destination(), content, committed_since=now())


async def commit(rig: XRig, publication: Publication) -> Published:
    published = await rig.platform.commit(publication)
    assert isinstance(published, Published)
    return published


def texts(server: XServer) -> list[str]:
    return [post["text"] for post in server.posts]


async def test_a_post_goes_out_with_all_that_was_chosen(
    rig: XRig, server: XServer, tmp_path: Path
) -> None:
    """V003, V012, G030: one request, in the documented form, and the post's address comes back."""
    content = Content(
        "Grüße & <3",
        link="https://example.com/a",
        media=(picture(tmp_path, b"1", alt="A cat"), picture(tmp_path, b"2")),
        options={
            "reply_settings": "mentionedUsers",
            "made_with_ai": True,
            "paid_partnership": True,
        },
    )
    publication = begun(rig, content)
    await rig.platform.prepare(publication)
    assert await rig.platform.check(publication) is None
    published = await commit(rig, publication)
    [post] = server.posts
    assert published == Published(post["id"], f"https://x.com/alice/status/{post['id']}")
    assert post["text"] == "Grüße & <3\n\nhttps://example.com/a"
    assert [server.media.all[number].content[8:] for number in post["media"]] == [b"1", b"2"]
    assert post["alts"] == ["A cat", None]
    assert post["reply_settings"] == "mentionedUsers"
    assert (post["made_with_ai"], post["paid_partnership"]) == (True, True)
    assert server.calls.count(("POST", POST)) == 1


async def test_what_is_not_chosen_is_not_sent(rig: XRig, server: XServer) -> None:
    options = {"reply_settings": "everyone", "made_with_ai": False, "community_id": ""}
    await rig.platform.commit(begun(rig, Content("a", options=options)))
    [post] = server.posts
    assert not {"reply_settings", "made_with_ai", "community_id", "reply"} & set(post)


async def test_a_community(rig: XRig, server: XServer) -> None:
    options = {"community_id": "1146654567674912769", "share_with_followers": True}
    publication = begun(rig, Content("a", options=options))
    await rig.platform.commit(publication)
    [post] = server.posts
    assert post["community_id"] == "1146654567674912769"
    assert post["share_with_followers"] is True
    found = await rig.platform.reconcile(publication)
    assert found == Unknown("X does not list posts in communities with the account's own")


async def test_threads_and_comments_answer_a_post(rig: XRig, server: XServer) -> None:
    """Options of the first post that X refuses of an answer are left out."""
    first = await commit(rig, begun(rig, Content("one")))
    options = {"reply_settings": "following", "made_with_ai": True}
    for kind, text in (("thread", "two"), ("comment", "three")):
        content = Content(text, options=options, kind="thread" if kind == "thread" else "comment")
        publication = begun(rig, content)
        publication.reply_to = publication.root = Reference(first.remote_id)
        await rig.platform.commit(publication)
    assert [post["reply_to"] for post in server.posts] == [None, first.remote_id, first.remote_id]
    assert rig.platform.replies == Replies.THREADS


async def test_an_answer_to_nothing_is_not_sent(rig: XRig, server: XServer) -> None:
    """A thread's second post must not become a post of its own."""
    with pytest.raises(Rejected, match="the post that this one answers is not known"):
        await rig.platform.commit(begun(rig, Content("two", kind="thread")))
    assert server.calls == []
    publication = begun(rig, Content("two", kind="thread"))
    publication.reply_to = Reference("1")
    with pytest.raises(Rejected, match=r"deleted or not visible.* X lets an app answer"):
        await rig.platform.commit(publication)
    assert server.posts == []


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, problem(400, "Invalid Request", "wrong", "invalid-request"), Rejected),
        (401, EXPIRED, TokenExpired),
        (403, APP_ONLY, AuthFailed),
        (403, NOT_ENROLLED, AuthFailed),
        (403, SUSPENDED, AuthFailed),
        (403, {"errors": [{"code": 326, "message": "This account is locked."}]}, AuthFailed),
        (403, forbidden("Forbidden"), Rejected),
        (403, forbidden("The Tweet contains an invalid URL."), Rejected),
        (403, forbidden("post a video longer than 20 minutes."), Rejected),
        (403, problem(403, "Forbidden", "suspended", "user-suspended"), Rejected),
        (403, {"errors": [{"code": 344, "message": "You have reached your limit"}]}, RateLimited),
        (404, problem(404, "Not Found", "Not Found"), Rejected),
        (408, {}, Transient),
        (429, {}, RateLimited),
        (429, CAPPED, RateLimited),
        (402, BROKE, RateLimited),
        (500, {"title": "Internal"}, Ambiguous),
        (503, BUSY, Ambiguous),
        (504, {}, Ambiguous),
    ],
)
async def test_failures_of_the_commit(
    rig: XRig, server: XServer, status: int, body: dict[str, object], expected: type[PlatformError]
) -> None:
    """G010: each documented error is what it means, named by platform and step, without secrets."""
    publication = begun(rig, Content("a"))
    token = str(publication.destination.session["access_token"])
    server.fail(Fault(POST, status, {**body, "detail": f"{body.get('detail', '')} {token}"}))
    if body == forbidden("Forbidden"):
        server.fail(Fault(POST, status, body))
    with pytest.raises(expected) as failed:
        await rig.platform.commit(publication)
    assert type(failed.value) is expected
    assert failed.value.message.startswith(f"X, posting: status {status}: ")
    assert token not in failed.value.message
    assert server.posts == []


async def test_every_class_of_the_rig_is_raised_by_the_commit(rig: XRig, server: XServer) -> None:
    for name, faults in rig.failures().items():
        for fault in (fault for fault in faults if fault.path == POST):
            server.fail(fault)
            with pytest.raises(PlatformError) as failed:
                await rig.platform.commit(begun(rig, Content("a")))
            names = {cls.__name__ for cls in type(failed.value).__mro__}
            assert name in names, failed.value.message
    assert server.posts == []


async def test_a_lost_answer_is_ambiguous_and_the_post_is_found(rig: XRig, server: XServer) -> None:
    """It is seen after the lag that the platform's figures allow for, and not committed again."""
    server.lag = 50
    publication = begun(rig, Content("Ä & B <3 #x", link="https://www.example.com/ä?b=c&d=e"))
    server.fail(Fault(POST, lost=True))
    with pytest.raises(Ambiguous, match=r"X, posting: .*the post may be there"):
        await rig.platform.commit(publication)
    server.advance(rig.platform.visibility_lag.total_seconds())
    found = await rig.platform.reconcile(publication)
    [post] = server.posts
    assert found == Published(post["id"], f"https://x.com/alice/status/{post['id']}")


async def test_a_commit_that_never_arrived_is_absent(rig: XRig, server: XServer) -> None:
    """That is proof: the caller commits again."""
    publication = begun(rig, Content("a"))
    server.add_post("something else")
    server.fail(Fault(POST, 503, BUSY))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    assert await rig.platform.reconcile(publication) == Absent()
    assert rig.platform.absence_is_proof
    await rig.platform.commit(publication)
    assert texts(server) == ["something else", "a"]


async def test_nothing_was_committed_yet(rig: XRig, server: XServer) -> None:
    publication = Row().publication(rig.destination(), Content("a"))
    assert await rig.platform.reconcile(publication) == Absent()
    assert server.calls == []


async def test_a_duplicate_after_an_uncertain_commit_is_the_post(
    rig: XRig, server: XServer
) -> None:
    """The first commit went through unseen: the second one finds it instead of doubling it."""
    publication = begun(rig, Content("a"))
    server.fail(Fault(POST, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    published = await commit(rig, publication)
    assert [post["id"] for post in server.posts] == [published.remote_id]


async def test_a_duplicate_of_an_older_post_is_rejected(rig: XRig, server: XServer) -> None:
    """The older one, by hand a minute ago, does not pass for ours."""
    server.add_post("a", ago=60)
    with pytest.raises(Rejected, match=r"duplicate content\. X takes no text twice .*: change it"):
        await rig.platform.commit(begun(rig, Content("a")))
    assert len(server.posts) == 1


async def test_a_timeline_that_lags_for_longer_than_allowed(rig: XRig, server: XServer) -> None:
    """The post looks absent and is committed again: X itself refuses the text it has."""
    server.lag = 600
    publication = begun(rig, Content("a"))
    server.fail(Fault(POST, lost=True))
    with pytest.raises(Ambiguous):
        await rig.platform.commit(publication)
    assert await rig.platform.reconcile(publication) == Absent()
    with pytest.raises(Rejected, match="duplicate content"):
        await rig.platform.commit(publication)
    assert texts(server) == ["a"]


async def test_a_duplicate_that_cannot_be_looked_for_is_no_success(
    rig: XRig, server: XServer
) -> None:
    server.fail(Fault(POST, 403, forbidden(DUPLICATE)))
    server.fail(Fault(TIMELINE, 503, BUSY))
    with pytest.raises(Transient, match="X, looking for the post: status 503"):
        await rig.platform.commit(begun(rig, Content("a")))


async def test_the_limit_of_a_quarter_of_an_hour(rig: XRig, server: XServer) -> None:
    """The last call that is allowed says so, before the next one is refused."""
    server.limits["POST /2/tweets"] = 2
    destination = rig.destination()
    row = Row()
    first = await commit(rig, row.publication(destination, Content("1")))
    second = await commit(rig, row.publication(destination, Content("2")))
    assert (first.pause_until is None, second.pause_until is None) == (True, False)
    with pytest.raises(RateLimited) as limited:
        await rig.platform.commit(row.publication(destination, Content("3")))
    assert limited.value.scope == "account"
    assert limited.value.until == second.pause_until
    assert timedelta(seconds=890) < limited.value.until - now() <= timedelta(seconds=900)
    assert texts(server) == ["1", "2"]
    server.advance(901)
    await rig.platform.commit(row.publication(destination, Content("3")))
    assert texts(server) == ["1", "2", "3"]


@pytest.mark.parametrize(("whose", "scope"), [("app", "app"), ("user", "account")])
async def test_the_limits_of_a_day(rig: XRig, server: XServer, whose: str, scope: str) -> None:
    """What the app has used up, all accounts wait for."""
    setattr(server, f"{whose}_day_limit", 1)
    destination = rig.destination()
    first = await commit(rig, Row().publication(destination, Content("1")))
    with pytest.raises(RateLimited) as limited:
        await rig.platform.commit(Row().publication(destination, Content("2")))
    assert limited.value.scope == scope
    assert limited.value.until == first.pause_until
    assert timedelta(hours=23) < limited.value.until - now() <= timedelta(hours=24)
    assert texts(server) == ["1"]


@pytest.mark.parametrize(("status", "body"), [(429, CAPPED), (402, BROKE)])
async def test_a_month_without_credits_is_the_apps(
    rig: XRig, server: XServer, status: int, body: dict[str, object]
) -> None:
    """Nobody knows when somebody buys more: it is asked every hour, and no attempt is used up."""
    server.fail(Fault(POST, status, body))
    with pytest.raises(RateLimited, match="developer console") as limited:
        await rig.platform.commit(begun(rig, Content("a")))
    assert limited.value.scope == "app"
    assert timedelta(minutes=59) < limited.value.until - now() <= timedelta(hours=1)


async def test_an_expired_token_changes_nothing_and_a_new_one_goes_on(
    rig: XRig, server: XServer
) -> None:
    publication = begun(rig, Content("a"))
    rig.expire_tokens()
    with pytest.raises(TokenExpired, match="X, posting: status 401: Unauthorized"):
        await rig.platform.commit(publication)
    assert server.posts == []
    publication.destination.session = await rig.platform.refresh(publication.destination)
    await rig.platform.commit(publication)
    assert texts(server) == ["a"]


async def test_the_commit_has_a_deadline(
    rig: XRig, server: XServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rig.platform, "commit_deadline", timedelta(seconds=0.3))
    server.fail(Fault(POST, delay=0.6))
    with pytest.raises(Ambiguous, match=r"no whole answer within 0\.3 s"):
        await rig.platform.commit(begun(rig, Content("a")))


async def test_an_answer_that_is_not_understood_is_ambiguous(rig: XRig, server: XServer) -> None:
    server.fail(Fault(POST, 201, {"data": {}}))
    with pytest.raises(Ambiguous, match="not understood"):
        await rig.platform.commit(begun(rig, Content("a")))


async def test_limits_reach_until_the_reset_that_x_names(rig: XRig, server: XServer) -> None:
    reset = int(datetime.now(UTC).timestamp()) + 77
    headers = {"x-rate-limit-remaining": "0", "x-rate-limit-reset": str(reset)}
    server.fail(Fault(POST, 429, {}, headers=headers))
    with pytest.raises(RateLimited) as limited:
        await rig.platform.commit(begun(rig, Content("a")))
    assert limited.value.until.timestamp() == reset
