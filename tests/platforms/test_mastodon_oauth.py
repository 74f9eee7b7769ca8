"""Connecting a Mastodon account in a browser, at servers with PKCE and without."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.ids import uuid7
from service.platforms.contract import Authorization, Content, Destination, OAuth, Reference
from service.platforms.failures import AuthFailed, Rejected, TokenExpired, Transient
from service.platforms.mastodon.adapter import Mastodon
from service.platforms.tokens import expires_at
from tests.platforms.helpers import Row
from tests.platforms.rigs.mastodon import account
from tests.platforms.test_mastodon import publish
from tests.servers.faults import Fault
from tests.servers.mastodon_strict import StrictMastodon

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/oauth/mastodon/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = "read:accounts read:statuses write:statuses write:media"


@pytest.fixture
def oauth(mastodon: Mastodon) -> OAuth:
    assert mastodon.oauth is not None
    return mastodon.oauth


async def sent(oauth: OAuth, server: StrictMastodon) -> Authorization:
    return await oauth.authorize(f"{server.url}/@alice", BACK, "the-state", CHALLENGE)


@pytest.mark.parametrize("has_pkce", [True, False])
async def test_an_account_is_connected_and_publishes(
    mastodon: Mastodon, oauth: OAuth, strict_mastodon: StrictMastodon, has_pkce: bool
) -> None:
    strict_mastodon.oauth.has_pkce = has_pkce
    authorization = await sent(oauth, strict_mastodon)
    url = urlsplit(authorization.url)
    asked = {name: values[0] for name, values in parse_qs(url.query).items()}
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{strict_mastodon.url}/oauth/authorize"
    assert (asked["state"], asked["redirect_uri"], asked["scope"]) == ("the-state", BACK, SCOPES)
    assert asked.get("code_challenge") == (CHALLENGE if has_pkce else None)
    assert authorization.keep["client_secret"] not in authorization.url
    code = strict_mastodon.oauth.approve(authorization.url)
    [grant] = await oauth.exchange(strict_mastodon.url, BACK, code, VERIFIER, authorization.keep)
    profile = grant.profile
    assert (profile.handle, profile.base_url) == ("alice@strict.example", strict_mastodon.url)
    assert profile.session["account_id"] == strict_mastodon.account_id
    assert profile.session["scope"] == SCOPES
    assert set(grant.credentials) == {"client_id", "client_secret"}
    destination = Destination(
        uuid7(), "alice", profile.base_url, grant.credentials, profile.limits, profile.session
    )
    await publish(mastodon, Row().publication(destination, Content("Hello")))
    assert [post["text"] for post in strict_mastodon.posts] == ["Hello"]


async def test_a_code_works_once_and_only_with_its_verifier(
    oauth: OAuth, strict_mastodon: StrictMastodon
) -> None:
    authorization = await sent(oauth, strict_mastodon)
    keep, root = authorization.keep, strict_mastodon.url
    code = strict_mastodon.oauth.approve(authorization.url)
    with pytest.raises(AuthFailed, match=r"logging in: status 400: invalid_grant") as refused:
        await oauth.exchange(root, BACK, code, "another-verifier", keep)
    assert code not in refused.value.message
    code = strict_mastodon.oauth.approve(authorization.url)
    assert len(await oauth.exchange(root, BACK, code, VERIFIER, keep)) == 1
    with pytest.raises(AuthFailed, match="invalid_grant"):
        await oauth.exchange(root, BACK, code, VERIFIER, keep)
    code = strict_mastodon.oauth.approve(authorization.url)
    with pytest.raises(AuthFailed, match="invalid_client"):
        await oauth.exchange(root, BACK, code, VERIFIER, {**keep, "client_secret": "wrong"})


@pytest.mark.parametrize(
    ("allowed", "missing"),
    [
        ("read:accounts read:statuses write:statuses", "write:media"),
        ("read", "write:statuses, write:media"),
        ("", "read:accounts, read:statuses, write:statuses, write:media"),
    ],
)
async def test_a_missing_scope_is_named(
    oauth: OAuth, strict_mastodon: StrictMastodon, allowed: str, missing: str
) -> None:
    authorization = await sent(oauth, strict_mastodon)
    code = strict_mastodon.oauth.approve(authorization.url, scope=allowed or "profile")
    with pytest.raises(AuthFailed, match=f"Not allowed: {missing}. Connect the account again"):
        await oauth.exchange(strict_mastodon.url, BACK, code, VERIFIER, authorization.keep)


async def test_an_error_that_quotes_the_request_tells_no_secret(
    oauth: OAuth, strict_mastodon: StrictMastodon
) -> None:
    authorization = await sent(oauth, strict_mastodon)
    code, keep = strict_mastodon.oauth.approve(authorization.url), authorization.keep
    echo = {"error": f"code={code} client_secret={keep['client_secret']} verifier {VERIFIER}"}
    strict_mastodon.fail(Fault("/oauth/token", 400, echo))
    with pytest.raises(AuthFailed, match="logging in: status 400") as refused:
        await oauth.exchange(strict_mastodon.url, BACK, code, VERIFIER, keep)
    for secret in (code, keep["client_secret"], VERIFIER):
        assert secret not in refused.value.message


async def test_wider_scopes_are_enough(oauth: OAuth, strict_mastodon: StrictMastodon) -> None:
    authorization = await sent(oauth, strict_mastodon)
    code = strict_mastodon.oauth.approve(authorization.url, scope="read write")
    [grant] = await oauth.exchange(strict_mastodon.url, BACK, code, VERIFIER, authorization.keep)
    assert grant.profile.session["scope"] == "read write"


async def test_a_server_that_registers_no_app(
    oauth: OAuth, strict_mastodon: StrictMastodon
) -> None:
    with pytest.raises(Rejected, match=r"registering this app: status 422.*absolute URI"):
        await oauth.authorize(strict_mastodon.url, "back", "state", CHALLENGE)
    for path in ("/.well-known/oauth-authorization-server", "/api/v1/apps"):
        strict_mastodon.fail(Fault(path, 503))
        with pytest.raises(Transient, match="status 503"):
            await sent(oauth, strict_mastodon)
    with pytest.raises(InvalidInput, match="base_url: Missing"):
        await oauth.authorize("", BACK, "state", CHALLENGE)
    assert strict_mastodon.oauth.apps == {}
    assert oauth.configured


async def test_mastodons_own_tokens_cannot_be_renewed(
    mastodon: Mastodon, strict_mastodon: StrictMastodon
) -> None:
    destination = account(strict_mastodon, renewable=False)
    strict_mastodon.expire_tokens()
    with pytest.raises(AuthFailed, match="posting: status 401") as refused:
        await publish(mastodon, Row().publication(destination, Content("a")))
    assert type(refused.value) is AuthFailed
    with pytest.raises(AuthFailed, match="connect it again"):
        await mastodon.refresh(destination)


async def test_tokens_of_other_servers_are_renewed(
    mastodon: Mastodon, strict_mastodon: StrictMastodon
) -> None:
    destination = account(strict_mastodon)
    old = dict(destination.session)
    strict_mastodon.expire_tokens()
    publication = Row().publication(destination, Content("a"))
    with pytest.raises(TokenExpired, match="posting: status 401"):
        await publish(mastodon, publication)
    destination.session = await mastodon.refresh(destination)
    await publish(mastodon, publication)
    assert len(strict_mastodon.posts) == 1
    assert destination.session["account_id"] == old["account_id"]
    assert destination.session["refresh_token"] != old["refresh_token"]
    assert expires_at(destination.session) is not None
    strict_mastodon.fail(Fault("/api/v1/statuses", 403, {"error": "Your login is disabled"}))
    with pytest.raises(AuthFailed, match="status 403: Your login is disabled") as closed:
        await mastodon.delete(destination, Reference("1"))
    assert type(closed.value) is AuthFailed, "a new token would change nothing"
    strict_mastodon.revoke()
    with pytest.raises(AuthFailed, match="renewing the token: status 400: invalid_grant"):
        await mastodon.refresh(destination)
