"""Connecting TikTok accounts, renewing their tokens, reading their figures."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Reference
from service.platforms.failures import AuthFailed, PlatformError, RateLimited, Transient
from service.platforms.setup import Setup
from service.platforms.tiktok.adapter import TikTok
from tests.platforms.emulators import Emulators
from tests.platforms.rigs import tiktok as rig
from tests.platforms.rigs.tiktok import TikTokRig
from tests.servers.faults import Fault
from tests.servers.tiktok import TikTokServer

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/v1/oauth/callback"
TOKEN = "/v2/oauth/token/"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[TikTokServer]:
    yield from emulators.lend(TikTokServer)


@pytest.fixture
def account(server: TikTokServer, outbound: Outbound) -> TikTokRig:
    return TikTokRig(server, outbound)


async def test_a_person_allows_almanac_in_a_browser(
    account: TikTokRig, server: TikTokServer
) -> None:
    login = account.platform.oauth
    assert login is not None
    assert login.configured
    there = await login.authorize("", BACK, "the-state", "the-challenge")
    url = urlsplit(there.url)
    assert url.path == "/v2/auth/authorize/"
    assert parse_qs(url.query) == {
        "client_key": ["client-id"],
        "scope": [
            "user.info.basic,video.publish,user.info.profile,user.info.stats,"
            "video.upload,video.list"
        ],
        "response_type": ["code"],
        "redirect_uri": [BACK],
        "state": ["the-state"],
    }
    server.max_seconds = 180
    [grant] = await login.exchange("", BACK, server.allow(BACK), "the-verifier", {})
    profile = grant.profile
    assert (profile.handle, profile.display_name) == ("alice", "Alice")
    video = profile.limits.video
    assert video is not None
    assert list(video.seconds) == [1, 180]
    assert set(profile.session) == {
        *("access_token", "refresh_token", "expires_at", "scope"),
        *("open_id", "username"),
    }
    end = datetime.fromisoformat(str(profile.session["expires_at"]))
    assert timedelta(hours=23) < end - datetime.now(UTC) <= timedelta(hours=24)
    assert server.violations == []


async def test_a_code_works_once_and_a_person_may_allow_too_little(
    account: TikTokRig, server: TikTokServer
) -> None:
    login = account.platform.oauth
    assert login is not None
    code = server.allow(BACK)
    await login.exchange("", BACK, code, "", {})
    with pytest.raises(AuthFailed, match="invalid_grant") as refused:
        await login.exchange("", BACK, code, "", {})
    assert code not in refused.value.message
    server.granted = ("user.info.basic",)
    with pytest.raises(AuthFailed, match=r"Not allowed: video\.publish"):
        await login.exchange("", BACK, server.allow(BACK), "", {})


async def test_without_an_app_nothing_can_be_connected(
    server: TikTokServer, outbound: Outbound
) -> None:
    login = TikTok(Setup(outbound, urls={"tiktok": server.url})).oauth
    assert login is not None
    assert not login.configured
    with pytest.raises(AuthFailed, match="no app there"):
        await login.authorize("", BACK, "state", "challenge")
    assert server.calls == []


async def test_tokens_given_by_hand_are_proved(account: TikTokRig, server: TikTokServer) -> None:
    given = server.login()
    profile = await account.platform.connect("", {"access_token": f" {given['access_token']} "})
    assert (profile.handle, profile.base_url) == ("alice", "https://www.tiktok.com")
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await account.platform.connect("", {})
    with pytest.raises(AuthFailed, match="access_token_invalid"):
        await account.platform.connect("", {"access_token": "act.wrong"})


async def test_refreshing_keeps_what_the_session_knows(
    account: TikTokRig, server: TikTokServer
) -> None:
    destination = account.destination()
    before = dict(destination.session)
    destination.session = await account.platform.refresh(destination)
    assert destination.session["username"] == "alice"
    assert destination.session["access_token"] != before["access_token"]
    assert destination.session["refresh_token"] != before["refresh_token"]
    await account.platform.audience(destination)
    assert server.violations == []


async def test_a_refresh_token_works_once(account: TikTokRig) -> None:
    destination = account.destination()
    await account.platform.refresh(destination)
    with pytest.raises(AuthFailed, match="connect the account again") as refused:
        await account.platform.refresh(destination)
    assert str(destination.session["refresh_token"]) not in refused.value.message
    destination.session = {"access_token": "act.1"}
    with pytest.raises(AuthFailed, match="no refresh token"):
        await account.platform.refresh(destination)


async def test_an_answer_without_a_refresh_token_leaves_the_old_one(
    account: TikTokRig, server: TikTokServer
) -> None:
    destination = account.destination()
    answer = {"access_token": "act.new", "refresh_token": "", "expires_in": 7_200}
    server.fail(Fault(TOKEN, 200, answer))
    session = await account.platform.refresh(destination)
    assert session["access_token"] == "act.new"
    assert session["refresh_token"] == destination.session["refresh_token"]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(TOKEN, 500), Transient),
        (Fault(TOKEN, 429), RateLimited),
        (Fault(TOKEN, 400, {"error": "rate_limit_exceeded"}), RateLimited),
        (Fault(TOKEN, 400, {"error": "invalid_client"}), AuthFailed),
        (Fault(TOKEN, 200, {"error": "invalid_grant"}), AuthFailed),
        (Fault(TOKEN, 200, {}), AuthFailed),
        (Fault(TOKEN, lost=True), Transient),
    ],
)
async def test_when_tokens_cannot_be_renewed(
    account: TikTokRig, server: TikTokServer, fault: Fault, expected: type[PlatformError]
) -> None:
    destination = account.destination()
    server.fail(fault)
    with pytest.raises(expected) as failed:
        await account.platform.refresh(destination)
    assert type(failed.value) is expected
    assert "client-secret" not in failed.value.message


async def test_figures_of_a_post_and_of_the_account(
    account: TikTokRig, server: TikTokServer
) -> None:
    destination = account.destination()
    counts = {"view_count": 900, "like_count": 40, "comment_count": 3, "share_count": 2}
    server.videos["7400"] = counts
    post = Reference("7400", {"publish_id": "v_pub_file~1", "post_id": "7400"})
    assert await account.platform.metrics(destination, post) == {
        "views": 900,
        "likes": 40,
        "comments": 3,
        "shares": 2,
    }
    assert await account.platform.metrics(destination, Reference("1")) == {}
    assert await account.platform.audience(destination) == {
        "followers": 1_200,
        "following": 30,
        "posts": 44,
    }
    assert server.violations == []


async def test_figures_that_nobody_may_read_are_not_zero_and_break_no_account(
    account: TikTokRig, server: TikTokServer
) -> None:
    destination = account.destination()
    server.granted = ("video.publish",)
    assert await account.platform.metrics(destination, Reference("7400")) == {}
    assert await account.platform.audience(destination) == {}
    server.fail(Fault("/v2/user/info/", 500, rig.error("internal_error")))
    with pytest.raises(Transient):
        await account.platform.audience(destination)
