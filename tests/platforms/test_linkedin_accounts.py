"""LinkedIn's logins, its errors, and what is checked of a post beforehand."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.linkedin.adapter import LinkedIn
from service.platforms.linkedin.errors import midnight_utc
from service.platforms.linkedin.post import LIMITS
from service.platforms.setup import Setup
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.linkedin import DAILY, LinkedInRig, video
from tests.servers.faults import Fault
from tests.servers.linkedin import LinkedInServer
from tests.servers.linkedin_login import MEMBER, PAGE
from tests.servers.linkedin_rules import error

pytestmark = pytest.mark.asyncio

HOME = "https://almanac.test/callback"


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[LinkedInRig]:
    for server in emulators.lend(LinkedInServer):
        yield LinkedInRig(server, outbound)


async def test_connecting_a_member_and_a_page(rig: LinkedInRig) -> None:
    token = rig.server.issue()
    member = await rig.linkedin.connect("", {"access_token": f" {token} "})
    assert (member.handle, member.display_name) == ("AbC_12-x", "Ada Lovelace")
    assert member.base_url == "https://www.linkedin.com"
    assert member.session == {"access_token": token, "author": MEMBER}
    for organization in ("2414183", PAGE):
        given = {"access_token": token, "refresh_token": "r", "organization": organization}
        page = await rig.linkedin.connect("", given)
        assert (page.handle, page.display_name) == ("wool-co", "Wool & Co.")
        assert page.session == {"access_token": token, "refresh_token": "r", "author": PAGE}


async def test_connecting_with_wrong_input(rig: LinkedInRig) -> None:
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await rig.linkedin.connect("", {"organization": "1"})
    with pytest.raises(AuthFailed, match="LinkedIn, reading the account: status 401") as refused:
        await rig.linkedin.connect("", {"access_token": "AQ-wrong"})
    assert "AQ-wrong" not in refused.value.message
    given = {"access_token": rig.server.issue(), "organization": "7"}
    with pytest.raises(AuthFailed, match="have a role on the page"):
        await rig.linkedin.connect("", given)


async def test_the_browser_flow_opens_the_profile_and_its_pages(rig: LinkedInRig) -> None:
    """A page on which the member is only an analyst is left out."""
    oauth = rig.linkedin.oauth
    assert oauth is not None
    assert oauth.configured
    page = await oauth.authorize("", HOME, "state-1", "challenge")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert urlsplit(page.url).path == "/oauth/v2/authorization"
    assert asked == {
        "response_type": "code",
        "client_id": "client-id",
        "redirect_uri": HOME,
        "state": "state-1",
        "scope": (
            "openid profile w_member_social w_organization_social r_organization_social "
            "rw_organization_admin"
        ),
    }
    rig.server.codes.add("code-1")
    grants = await oauth.exchange("", HOME, "code-1", "verifier", {})
    assert [grant.profile.session["author"] for grant in grants] == [MEMBER, PAGE]
    sessions = [grant.profile.session for grant in grants]
    assert sessions[0]["access_token"] == sessions[1]["access_token"]
    assert sessions[0]["refresh_token"] in rig.server.refresh
    with pytest.raises(AuthFailed, match="exchanging the code"):
        await oauth.exchange("", HOME, "code-1", "verifier", {})


async def test_a_login_without_pages_or_with_too_little(rig: LinkedInRig) -> None:
    oauth = rig.linkedin.oauth
    assert oauth is not None
    rig.server.codes |= {"code-1", "code-2"}
    rig.server.scopes = "openid,profile,w_member_social"
    [grant] = await oauth.exchange("", HOME, "code-1", "", {})
    assert grant.profile.session["author"] == MEMBER
    rig.server.scopes = "openid,profile"
    with pytest.raises(AuthFailed, match="Not allowed: w_member_social"):
        await oauth.exchange("", HOME, "code-2", "", {})


async def test_without_an_app(rig: LinkedInRig, outbound: Outbound) -> None:
    oauth = LinkedIn(Setup(outbound)).oauth
    assert oauth is not None
    assert not oauth.configured
    with pytest.raises(AuthFailed, match="no app there"):
        await oauth.authorize("", HOME, "s", "c")


async def test_renewing(rig: LinkedInRig) -> None:
    """LinkedIn's answer has no refresh token: the old one stays, and so does the author."""
    destination = rig.destination()
    old = dict(destination.session)
    rig.expire_tokens()
    destination.session = await rig.linkedin.refresh(destination)
    assert destination.session["refresh_token"] == old["refresh_token"]
    assert destination.session["author"] == PAGE
    ends = datetime.fromisoformat(str(destination.session["expires_at"]))
    assert timedelta(days=59) < ends - datetime.now(UTC) <= timedelta(days=60)
    assert await rig.linkedin.audience(destination) == {"followers": 219}
    assert rig.linkedin.refresh_before == timedelta(days=10)


async def test_an_account_that_cannot_be_renewed(rig: LinkedInRig) -> None:
    destination = rig.destination()
    rig.revoke()
    with pytest.raises(AuthFailed, match="expired or revoked; connect the account again"):
        await rig.linkedin.refresh(destination)
    del destination.session["refresh_token"]
    with pytest.raises(AuthFailed, match="gave no refresh token: connect the account again"):
        await rig.linkedin.refresh(destination)
    rig.server.fail(Fault("/oauth/v2/accessToken", 503))
    with pytest.raises(Transient):
        await rig.linkedin.refresh(rig.destination())


CASES = [
    (400, error(400, "INVALID_MEDIA"), Rejected),
    (401, error(401, "EXPIRED_ACCESS_TOKEN"), TokenExpired),
    (401, error(401, "REVOKED_ACCESS_TOKEN"), AuthFailed),
    (403, error(403, "ACCESS_DENIED", "Not enough permissions"), AuthFailed),
    (403, error(403, "ACCESS_DENIED", "This resource is forbidden"), Transient),
    (404, error(404, "X", "Unable to obtain activity"), Transient),
    (422, error(422, "FIELD_LENGTH_TOO_LONG"), Rejected),
    (426, error(426, "NONEXISTENT_VERSION"), Rejected),
    (429, error(429, "TOO_MANY_REQUESTS"), RateLimited),
    (500, error(500, "INTERNAL_SERVER_ERROR"), Ambiguous),
    (503, None, Ambiguous),
]


@pytest.mark.parametrize(("status", "body", "expected"), CASES)
async def test_documented_errors(
    rig: LinkedInRig, status: int, body: dict[str, object] | None, expected: type[PlatformError]
) -> None:
    """V012: an error means what its code and words say; nothing is posted, no token is told."""
    destination = rig.destination()
    token = str(destination.session["access_token"])
    told = None if body is None else {**body, "message": f"{body['message']} for {token}"}
    rig.server.fail(Fault("/rest/posts", status, told))
    with pytest.raises(PlatformError) as failed:
        await rig.linkedin.commit(Row().publication(destination, Content("a")))
    assert type(failed.value) is expected
    assert failed.value.message.startswith(f"LinkedIn, posting: status {status}: ")
    assert token not in failed.value.message
    assert rig.server.posts == []


@pytest.mark.parametrize(("who", "scope"), [("MEMBER", "account"), ("APPLICATION", "app")])
async def test_until_when_a_daily_limit_makes_wait(rig: LinkedInRig, who: str, scope: str) -> None:
    publication = Row().publication(rig.destination(), Content("a"))
    body = error(429, "TOO_MANY_REQUESTS", DAILY.format(who))
    rig.server.fail(Fault("/rest/posts", 429, body))
    with pytest.raises(RateLimited) as limited:
        await rig.linkedin.commit(publication)
    assert (limited.value.until, limited.value.scope) == (midnight_utc(datetime.now(UTC)), scope)
    rig.server.fail(Fault("/rest/posts", 429, body, {"Retry-After": "90"}))
    with pytest.raises(RateLimited) as limited:
        await rig.linkedin.commit(publication)
    assert timedelta(seconds=80) < limited.value.until - datetime.now(UTC) <= timedelta(seconds=90)


async def test_midnight_in_utc() -> None:
    instant = datetime.fromisoformat("2026-12-31T23:30:00-05:00")
    assert midnight_utc(instant) == datetime(2027, 1, 2, tzinfo=UTC)


async def test_what_is_good_is_not_refused(rig: LinkedInRig, tmp_path: Path) -> None:
    for name, content in rig.contents(tmp_path).items():
        assert rig.linkedin.validate(content, LIMITS) == [], name
    assert rig.linkedin.validate(Content("x" * 1_250, kind="comment"), LIMITS) == []


async def test_all_problems_of_a_post_at_once(rig: LinkedInRig, tmp_path: Path) -> None:
    moving = image(tmp_path, content_type="image/webp", alt="x" * 4_087)
    webp = replace(moving, seconds=2)
    short = replace(video(tmp_path), seconds=1)
    options = {"visibility": "friends", "mood": "good"}
    content = Content("x" * 3_001, media=(webp, short), options=options)
    found = [(problem.field, problem.code) for problem in rig.linkedin.validate(content, LIMITS)]
    assert found == [
        ("text", "too_long"),
        ("media", "mixed_media"),
        ("media[0]", "image_type"),
        ("media[0].alt", "too_long"),
        ("media[1]", "video_length"),
        ("options.visibility", "option"),
        ("options.mood", "unknown"),
    ]
    assert rig.linkedin.validate(Content("x" * 1_251, kind="comment"), LIMITS) != []
    [thread] = rig.linkedin.validate(Content("x", kind="thread"), LIMITS)
    assert thread.code == "no_threads"
