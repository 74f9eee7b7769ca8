"""X's logins: the code flow with PKCE, and refresh tokens that work once."""

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from service.kit.clock import now
from service.kit.outbound import Outbound
from service.platforms.contract import Content, Handles
from service.platforms.failures import AuthFailed, TokenExpired, Transient
from service.platforms.setup import App, Setup
from service.platforms.tokens import expires_at
from service.platforms.x.adapter import X
from service.platforms.x.limits import LIMITS
from service.platforms.x.oauth import SCOPES, XOAuth
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rig import APP
from tests.platforms.rigs.x import XRig
from tests.servers.faults import Fault
from tests.servers.x import XServer

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/accounts/callback/x"
TOKEN = "/2/oauth2/token"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode()[:-1]


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    yield from emulators.lend(XServer)


@pytest.fixture
def rig(server: XServer, outbound: Outbound) -> XRig:
    return XRig(server, outbound)


@pytest.fixture
def logins(server: XServer, outbound: Outbound) -> XOAuth:
    return XOAuth(Setup(outbound, apps={"x": APP}, urls={"x": server.url}))


async def allowed(logins: XOAuth) -> str:
    """Send a person to X, who agrees, and return the code that comes back."""
    authorization = await logins.authorize("", BACK, "state & co", CHALLENGE)
    async with httpx.AsyncClient(trust_env=False) as browser:
        answer = await browser.get(authorization.url)
    assert answer.status_code == 302, answer.text
    location = urlsplit(answer.headers["location"])
    assert f"{location.scheme}://{location.netloc}{location.path}" == BACK
    query = parse_qs(location.query)
    assert query["state"] == ["state & co"]
    return query["code"][0]


async def test_a_login_connects_the_account(
    logins: XOAuth, server: XServer, outbound: Outbound
) -> None:
    """The code becomes tokens, of which the session keeps both with their end, and an account."""
    assert logins.configured
    [grant] = await logins.exchange("", BACK, await allowed(logins), VERIFIER, {})
    assert grant.profile.handle == "alice"
    assert grant.profile.limits == LIMITS
    session = grant.profile.session
    assert session["user_id"] == XServer.user_id
    assert session["access_token"] in server.logins.access
    assert session["refresh_token"] in server.logins.refresh
    ends = expires_at(session)
    assert ends is not None
    assert 7_190 < (ends - now()).total_seconds() <= 7_200


async def test_a_public_client_has_no_secret(server: XServer, outbound: Outbound) -> None:
    server.client_secret = ""
    setup = Setup(outbound, apps={"x": App("client-id")}, urls={"x": server.url})
    logins = XOAuth(setup)
    [grant] = await logins.exchange("", BACK, await allowed(logins), VERIFIER, {})
    renewed = await logins.refresh(
        grant.profile.session, str(grant.profile.session["refresh_token"])
    )
    assert renewed["access_token"] in server.logins.access


async def test_an_installation_without_an_app(outbound: Outbound) -> None:
    logins = XOAuth(Setup(outbound))
    assert not logins.configured
    with pytest.raises(AuthFailed, match="has no app there"):
        await logins.authorize("", BACK, "state", CHALLENGE)
    x = X(Setup(outbound))
    assert x.oauth is not None
    assert not x.oauth.configured


async def test_codes_live_for_30_seconds_and_work_once(logins: XOAuth, server: XServer) -> None:
    code = await allowed(logins)
    server.advance(31)
    with pytest.raises(AuthFailed, match=r"authorization code was invalid\. Connect .* again"):
        await logins.exchange("", BACK, code, VERIFIER, {})
    code = await allowed(logins)
    await logins.exchange("", BACK, code, VERIFIER, {})
    with pytest.raises(AuthFailed, match="authorization code was invalid"):
        await logins.exchange("", BACK, code, VERIFIER, {})


async def test_a_code_that_somebody_else_brings(logins: XOAuth, server: XServer) -> None:
    """PKCE: without the verifier a stolen code is worth nothing; no secret is in the error."""
    code = await allowed(logins)
    with pytest.raises(AuthFailed, match="code verifier did not match") as refused:
        await logins.exchange("", BACK, code, "another-verifier", {})
    assert "another-verifier" not in refused.value.message
    assert server.logins.access == {}


async def test_a_scope_that_was_not_allowed(logins: XOAuth, server: XServer) -> None:
    server.logins.denied = {"media.write"}
    with pytest.raises(AuthFailed, match=r"Not allowed: media\.write"):
        await logins.exchange("", BACK, await allowed(logins), VERIFIER, {})
    assert "offline.access" in SCOPES


async def test_an_app_that_x_does_not_know(server: XServer, outbound: Outbound) -> None:
    setup = Setup(outbound, apps={"x": App("client-id", "wrong-secret")}, urls={"x": server.url})
    with pytest.raises(AuthFailed, match="check its client id and secret") as refused:
        await XOAuth(setup).refresh({}, "refresh-1")
    assert "wrong-secret" not in refused.value.message


async def test_renewing_rotates_both_tokens(rig: XRig, server: XServer) -> None:
    """What else the session holds stays; the old refresh token is used up."""
    destination = rig.destination()
    before = dict(destination.session)
    after = await rig.platform.refresh(destination)
    assert after["user_id"] == XServer.user_id
    assert after["access_token"] != before["access_token"]
    assert server.logins.refresh == {after["refresh_token"]}
    with pytest.raises(AuthFailed, match=r"token was invalid\. Connect the account again") as gone:
        await rig.platform.refresh(destination)
    assert str(before["refresh_token"]) not in gone.value.message
    assert type(gone.value) is AuthFailed


async def test_an_answer_without_a_refresh_token_keeps_the_old_one(
    rig: XRig, server: XServer
) -> None:
    server.logins.gives_refresh_tokens = False
    destination = rig.destination()
    destination.session["refresh_token"] = "refresh-kept"
    server.logins.refresh.add("refresh-kept")
    after = await rig.platform.refresh(destination)
    assert after["refresh_token"] == "refresh-kept"


async def test_two_workers_that_renew_at_once_do_not_both_succeed(
    rig: XRig, server: XServer
) -> None:
    """Why the caller lets only one of them do it."""
    destination = rig.destination()
    renewals: list[Handles | BaseException] = await asyncio.gather(
        *(rig.platform.refresh(destination) for _ in range(2)), return_exceptions=True
    )
    assert sorted(isinstance(renewal, AuthFailed) for renewal in renewals) == [False, True]
    assert server.logins.renewals == 1


async def test_tokens_that_a_person_gave_are_renewed_too(rig: XRig, server: XServer) -> None:
    """The account was connected by hand, with both tokens among its credentials."""
    given = server.logins.issue()
    destination = rig.destination()
    destination.credentials = {name: given[name] for name in ("access_token", "refresh_token")}
    destination.session = {"user_id": XServer.user_id}
    rig.expire_tokens()
    publication = Row().publication(destination, Content("a"))
    with pytest.raises(TokenExpired):
        await rig.platform.commit(publication)
    destination.session = await rig.platform.refresh(destination)
    await rig.platform.commit(publication)
    assert len(server.posts) == 1


async def test_a_login_that_cannot_be_renewed(rig: XRig, server: XServer) -> None:
    destination = rig.destination()
    destination.session = {"access_token": "access"}
    with pytest.raises(AuthFailed, match="X: the login has ended: connect the account again"):
        await rig.platform.refresh(destination)
    assert server.calls == []


async def test_an_outage_of_the_token_endpoint_passes(rig: XRig, server: XServer) -> None:
    """It must not look like a refusal, after which a person would have to log in."""
    destination = rig.destination()
    server.fail(Fault(TOKEN, 503))
    with pytest.raises(Transient, match="X, renewing the login: status 503"):
        await rig.platform.refresh(destination)
    await rig.platform.refresh(destination)
    assert server.logins.renewals == 1
