"""Connecting Threads accounts, keeping their tokens alive, figures and removal."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content, Published, Reference
from service.platforms.failures import AuthFailed, PlatformError, RateLimited, Rejected, Transient
from service.platforms.setup import Setup
from service.platforms.threads.adapter import Threads
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs import threads as rig
from tests.platforms.rigs.threads import ThreadsRig
from tests.servers.faults import Fault
from tests.servers.threads import ThreadsServer

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/v1/oauth/callback"
REFRESH = "/refresh_access_token"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[ThreadsServer]:
    yield from emulators.lend(ThreadsServer)


@pytest.fixture
def account(server: ThreadsServer, outbound: Outbound) -> ThreadsRig:
    return ThreadsRig(server, outbound)


def days_left(session: object) -> float:
    """Return how many days a session's token lasts."""
    assert isinstance(session, dict)
    end = datetime.fromisoformat(session["expires_at"])
    return (end - datetime.now(UTC)) / timedelta(days=1)


async def test_a_person_allows_almanac_in_a_browser(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    """The code becomes a token of an hour, and that one of 60 days."""
    login = account.platform.oauth
    assert login is not None
    assert login.configured
    there = await login.authorize("", BACK, "the-state", "the-challenge")
    url = urlsplit(there.url)
    assert url.path == "/oauth/authorize"
    assert parse_qs(url.query) == {
        "client_id": ["client-id"],
        "redirect_uri": [BACK],
        "scope": [
            "threads_basic,threads_content_publish,threads_manage_replies,threads_read_replies,"
            "threads_manage_insights,threads_delete"
        ],
        "response_type": ["code"],
        "state": ["the-state"],
    }
    [grant] = await login.exchange("", BACK, server.allow(BACK), "the-verifier", {})
    profile = grant.profile
    assert (profile.handle, profile.display_name) == ("alice", "Alice")
    assert set(profile.session) == {"access_token", "expires_at", "scope", "user_id"}
    assert 59.9 < days_left(profile.session) <= 60
    assert server.tokens[str(profile.session["access_token"])].kind == "user"
    assert server.violations == []


async def test_a_code_works_once_and_a_person_may_allow_too_little(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    login = account.platform.oauth
    assert login is not None
    code = server.allow(BACK)
    await login.exchange("", BACK, code, "", {})
    with pytest.raises(AuthFailed, match="Invalid authorization code"):
        await login.exchange("", BACK, code, "", {})
    server.scopes = ("threads_basic",)
    with pytest.raises(AuthFailed, match="Not allowed: threads_content_publish"):
        await login.exchange("", BACK, server.allow(BACK), "", {})
    server.fail(Fault("/oauth/access_token", 500))
    with pytest.raises(Transient):
        await login.exchange("", BACK, server.allow(BACK), "", {})


async def test_without_an_app_nothing_can_be_connected(
    server: ThreadsServer, outbound: Outbound
) -> None:
    login = Threads(Setup(outbound, urls={"threads": server.url})).oauth
    assert login is not None
    assert not login.configured
    with pytest.raises(AuthFailed, match="no app there"):
        await login.authorize("", BACK, "state", "challenge")


@pytest.mark.parametrize(("tester", "days"), [(True, 60), (False, 11)])
async def test_a_token_given_by_hand_is_proved_and_its_end_known_or_assumed(
    account: ThreadsRig, server: ThreadsServer, tester: bool, days: int
) -> None:
    """One of which Threads does not tell the end is renewed after a day, which is soon enough."""
    server.tester = tester
    token = server.give_token(server.user_id)
    profile = await account.platform.connect("", {"access_token": f" {token} "})
    assert (profile.handle, profile.base_url) == ("alice", "https://www.threads.net")
    assert profile.session["user_id"] == server.user_id
    assert days - 0.1 < days_left(profile.session) <= days
    assert ("scope" in profile.session) == tester
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await account.platform.connect("", {})
    with pytest.raises(AuthFailed, match="Invalid OAuth access token"):
        await account.platform.connect("", {"access_token": "THwrong"})
    assert server.violations == []


async def test_a_token_is_renewed_for_another_60_days(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    destination = account.destination()
    before = destination.session["access_token"]
    destination.session = await account.platform.refresh(destination)
    assert destination.session["access_token"] != before
    assert destination.session["user_id"] == server.user_id
    assert 59.9 < days_left(destination.session) <= 60
    assert account.platform.refresh_before == timedelta(days=10)


async def test_a_token_that_is_too_young_or_too_old_is_not_renewed(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    young = account.destination()
    token = str(young.session["access_token"])
    server.tokens[token].made_at = server.now()
    with pytest.raises(AuthFailed, match="younger than 24 hours") as refused:
        await account.platform.refresh(young)
    assert type(refused.value) is AuthFailed
    server.advance(timedelta(days=61))
    with pytest.raises(AuthFailed, match="connect the account again") as refused:
        await account.platform.refresh(young)
    assert type(refused.value) is AuthFailed
    assert token not in refused.value.message


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(REFRESH, 500), Transient),
        (Fault(REFRESH, 400, rig.answer(4)), RateLimited),
        (Fault(REFRESH, 400, rig.answer(190, 460)), AuthFailed),
        (Fault(REFRESH, 200, {"access_token": ""}), AuthFailed),
        (Fault(REFRESH, lost=True), Transient),
    ],
)
async def test_when_a_token_cannot_be_renewed(
    account: ThreadsRig, server: ThreadsServer, fault: Fault, expected: type[PlatformError]
) -> None:
    destination = account.destination()
    server.fail(fault)
    with pytest.raises(expected) as failed:
        await account.platform.refresh(destination)
    assert type(failed.value) is expected


async def test_figures_are_mapped_and_what_is_not_told_is_left_out(
    account: ThreadsRig, server: ThreadsServer
) -> None:
    destination = account.destination()
    post = await _posted(account)
    server.insights = {
        "views": 90,
        "likes": 4,
        "replies": 3,
        "reposts": 2,
        "quotes": 1,
        "shares": 5,
    }
    assert await account.platform.metrics(destination, post) == {
        "views": 90,
        "likes": 4,
        "comments": 3,
        "shares": 8,
    }
    server.insights = {"likes": 0}
    assert await account.platform.metrics(destination, post) == {"likes": 0}
    assert await account.platform.audience(destination) == {"followers": 1_200}
    server.followers = None
    assert await account.platform.audience(destination) == {}
    server.scopes = ("threads_basic",)
    with pytest.raises(Rejected, match="does not have permission"):
        await account.platform.audience(destination)
    assert server.violations == []


async def test_a_post_is_removed_once(account: ThreadsRig, server: ThreadsServer) -> None:
    destination = account.destination()
    post = await _posted(account)
    await account.platform.delete(destination, post)
    assert server.posts == []
    await account.platform.delete(destination, post)
    assert server.deleted == [post.remote_id]


async def test_removals_are_limited(account: ThreadsRig, server: ThreadsServer) -> None:
    destination = account.destination()
    post = await _posted(account)
    server.deletes_a_day = 0
    with pytest.raises(RateLimited):
        await account.platform.delete(destination, post)
    assert len(server.posts) == 1


async def _posted(account: ThreadsRig) -> Reference:
    publication = Row().publication(account.destination(), Content("a"))
    await account.platform.prepare(publication)
    assert await account.platform.check(publication) is None
    published = await account.platform.commit(publication)
    assert isinstance(published, Published)
    return Reference(published.remote_id, published.details)
