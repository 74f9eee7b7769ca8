"""Connecting accounts through a login in a browser: by programs, and against other people."""

from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from service.accounts import authorization_actions
from service.accounts.actions import unseal
from service.accounts.authorizing import CALLBACK, challenge
from service.platforms.contract import Destination
from tests.access.helpers import actions_noted
from tests.accounts.network import NAME, Network, install
from tests.servers.faults import Fault
from tests.servers.mastodon import MastodonServer
from tests.servers.oauth import OAuthServer
from tests.support import Installation, problems

pytestmark = [pytest.mark.asyncio, pytest.mark.usefixtures("network")]
PATH = "/v1/accounts/authorize"
TABLES = ("accounts", "authorizations")


async def begin(api: Installation, key: str | None = None, **body: Any) -> Any:
    """Begin a login; return the reply."""
    reply = await api.post(PATH, {"platform": NAME, **body}, key=key)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def finish(
    api: Installation, back: dict[str, str], *, key: str | None = None, **other: str
) -> httpx.Response:
    """Give back what the platform sent."""
    sent = {"state": back["state"], "code": back["code"], **other}
    return await api.post(f"{PATH}/finish", sent, key=key)


async def counts(api: Installation) -> tuple[int, ...]:
    """Return how many accounts and open logins there are."""
    return tuple([await api.count(table) for table in TABLES])


async def test_the_challenge_is_that_of_rfc_7636() -> None:
    """Appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_a_login_connects_an_account(api: Installation, server: OAuthServer) -> None:
    """V003: state, PKCE and redirect URI are right; the account publishes with its new token."""
    begun = await begin(api)
    (redirect_uri,) = parse_qs(urlsplit(begun["authorize_url"]).query)["redirect_uri"]
    assert redirect_uri == f"{api.runtime.settings.base_url}{CALLBACK}"
    reply = await finish(api, server.log_in(begun["authorize_url"], "news"))
    assert reply.status_code == 200, reply.text
    ((account,), choices) = (reply.json()["accounts"], reply.json()["choices"])
    assert (account["handle"], account["state"], choices) == ("news", "active", [])
    assert account["token_expires_at"] is not None
    assert await counts(api) == (1, 0), "nothing is left of the login"
    await api.schedule([account["id"]], "Out")
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    noted = [action for _, action, _ in await actions_noted(api)]
    assert noted[:2] == ["accounts.authorize", "accounts.connect"]


async def test_no_secret_is_readable_in_the_rows(api: Installation, server: OAuthServer) -> None:
    """The state is stored as a hash, verifier, kept secrets and tokens encrypted."""
    begun = await begin(api)
    (row,) = await api.sql("SELECT authorizations::text AS text FROM authorizations")
    (kept,) = await api.sql("SELECT secrets, digest FROM authorizations")
    assert begun["state"] not in row.text
    assert begun["state"].encode() not in kept.secrets + kept.digest
    assert b"a secret" not in kept.secrets
    reply = await finish(api, server.log_in(begun["authorize_url"], "one", "two"))
    assert len(reply.json()["choices"]) == 2
    (kept,) = await api.sql("SELECT grants FROM authorizations")
    assert b"access_token" not in kept.grants
    assert not [secret for secret in ("access_token", "refresh_token") if secret in reply.text]


async def test_a_state_is_good_once(api: Installation, server: OAuthServer) -> None:
    """A replay is refused before the platform hears of it."""
    back = server.log_in((await begin(api))["authorize_url"], "news")
    assert (await finish(api, back)).status_code == 200
    server.calls.clear()
    reply = await finish(api, back)
    assert (reply.status_code, "used already" in reply.json()["detail"]) == (409, True)
    assert server.calls == []
    assert await counts(api) == (1, 0)


async def test_a_state_of_somebody_else_is_refused(api: Installation, server: OAuthServer) -> None:
    """Nobody is made to connect an account of an attacker, nor the other way round."""
    attacker = await api.new_key("settings:write", user="mallory")
    begun = await begin(api, key=attacker)
    back = server.log_in(begun["authorize_url"], "attackers")
    reply = await finish(api, back)
    assert reply.status_code == 409
    assert await counts(api) == (0, 1), "it stays good for who began it"
    assert (await finish(api, back, key=attacker)).status_code == 200


async def test_a_state_ends_after_ten_minutes(api: Installation, server: OAuthServer) -> None:
    back = server.log_in((await begin(api))["authorize_url"], "news")
    await api.sql("UPDATE authorizations SET expires_at = now()")
    assert (await finish(api, back)).status_code == 409
    assert server.calls == []
    async with api.runtime.unit_of_work() as uow:
        assert await authorization_actions.forget(uow.session) == 1
    assert await counts(api) == (0, 0)


async def test_a_made_up_state_or_code_is_refused(api: Installation, server: OAuthServer) -> None:
    """What the platform refuses is told in its words, without the code, and stores nothing."""
    back = server.log_in((await begin(api))["authorize_url"], "news")
    assert (await finish(api, {**back, "state": "made up"})).status_code == 409
    reply = await finish(api, back, code="made-up-code")
    assert reply.status_code == 422
    assert problems(reply)["code"].endswith("status 400: invalid_grant: bad code")
    assert "made-up-code" not in reply.text
    assert await counts(api) == (0, 0)


async def test_too_little_allowed_is_refused(api: Installation, server: OAuthServer) -> None:
    server.scope = "read"
    reply = await finish(api, server.log_in((await begin(api))["authorize_url"], "news"))
    assert "Not allowed: publish" in problems(reply)["code"]
    assert await counts(api) == (0, 0)


async def test_a_platform_that_does_not_answer(api: Installation, server: OAuthServer) -> None:
    back = server.log_in((await begin(api))["authorize_url"], "news")
    server.fail(Fault("/oauth/token", status=503))
    reply = await finish(api, back)
    assert (reply.status_code, "503" in problems(reply)["code"]) == (422, True)
    assert await counts(api) == (0, 0)


async def test_of_several_accounts_a_person_chooses(api: Installation, server: OAuthServer) -> None:
    begun = await begin(api)
    reply = await finish(api, server.log_in(begun["authorize_url"], "one", "two", "three"))
    assert reply.json()["accounts"] == []
    choices = {each["handle"]: each["id"] for each in reply.json()["choices"]}
    assert list(choices) == ["one", "two", "three"]
    assert await api.count("accounts") == 0

    async def choose(*ids: str, key: str | None = None) -> httpx.Response:
        return await api.post(f"{PATH}/choose", {"state": begun["state"], "choices": ids}, key=key)

    stranger = await api.new_key("settings:write", user="mallory")
    assert (await choose(choices["one"], key=stranger)).status_code == 409
    assert problems(await choose("9"))["choices"] == "'9' is not among them"
    assert (await choose()).status_code == 422
    assert await counts(api) == (0, 1)
    reply = await choose(choices["one"], choices["three"], choices["one"])
    assert [each["handle"] for each in reply.json()["accounts"]] == ["one", "three"]
    assert (await choose(choices["two"])).status_code == 409
    assert await counts(api) == (2, 0)


async def test_choosing_ends_too(api: Installation, server: OAuthServer) -> None:
    begun = await begin(api)
    await finish(api, server.log_in(begun["authorize_url"], "one", "two"))
    await api.sql("UPDATE authorizations SET expires_at = now()")
    reply = await api.post(f"{PATH}/choose", {"state": begun["state"], "choices": ["1"]})
    assert reply.status_code == 409
    assert await api.count("accounts") == 0


async def test_connecting_again_renews_the_account(api: Installation, server: OAuthServer) -> None:
    """What was held goes out, and what a person chose for the account stays."""
    given = {**server.tokens("news"), "colour": "blue"}
    account = await api.connect(NAME, given)
    server.revoke()
    await api.schedule([account], "Waits")
    await api.work()
    shown = (await api.get(f"/v1/accounts/{account}")).json()
    assert shown["state"] == "needs_reconnect"
    begun = await begin(api, platform=None, account_id=account)
    reply = await finish(api, server.log_in(begun["authorize_url"], "other", "news"))
    assert reply.status_code == 200, reply.text
    assert [each["id"] for each in reply.json()["accounts"]] == [account]
    assert (await api.get(f"/v1/accounts/{account}")).json()["state"] == "active"
    await api.work()
    assert [post["text"] for post in server.posts] == ["Waits"]
    assert await api.count("accounts") == 1
    (notice,) = await api.sql("SELECT open FROM notices WHERE kind = 'account.needs_reconnect'")
    assert notice.open is False, "it is over"
    (row,) = await api.sql("SELECT credentials FROM accounts")
    destination = await destination_of(api, account, row.credentials)
    assert destination.session["colour"] == destination.credentials["colour"] == "blue"
    assert "access_token" not in destination.credentials


async def destination_of(api: Installation, account: str, credentials: bytes) -> Destination:
    """Return what an adapter would see of an account."""
    (row,) = await api.sql("SELECT session FROM accounts")
    keyring, found = api.runtime.keyring, UUID(account)
    return Destination(
        found,
        "",
        "",
        unseal(keyring, found, "credentials", credentials),
        Network.limits,
        unseal(keyring, found, "session", row.session),
    )


async def test_another_account_is_not_the_same(api: Installation, server: OAuthServer) -> None:
    account = await api.connect(NAME, server.tokens("news"))
    (before,) = await api.sql("SELECT accounts::text FROM accounts")
    begun = await begin(api, platform=None, account_id=account)
    reply = await finish(api, server.log_in(begun["authorize_url"], "other"))
    assert reply.status_code == 422
    assert problems(reply)["credentials"].startswith("These are the credentials of other at")
    (after,) = await api.sql("SELECT accounts::text FROM accounts")
    assert after == before
    assert await counts(api) == (1, 0)


async def test_others_accounts_are_not_there(api: Installation, server: OAuthServer) -> None:
    account = await api.connect(NAME, server.tokens("news"))
    stranger = await api.new_key("settings:write", user="mallory")
    reply = await api.post(PATH, {"account_id": account}, key=stranger)
    assert reply.status_code == 404
    assert await counts(api) == (1, 0)


async def test_platforms_without_a_login(
    api: Installation, application: FastAPI, server: OAuthServer
) -> None:
    """What there is instead, and what to set, is said."""
    reply = await api.post(PATH, {"platform": "feed"})
    assert "has no login in a browser" in problems(reply)["platform"]
    install(application.state.runtime, server, has_app=False)
    reply = await api.post(PATH, {"platform": NAME})
    assert "ALMANAC_APPS" in problems(reply)["platform"]
    assert problems(await api.post(PATH, {}))["platform"] == "is needed, or account_id"
    assert "is unknown" in problems(await api.post(PATH, {"platform": "myspace"}))["platform"]
    assert await counts(api) == (0, 0)


async def test_a_mastodon_server_that_has_no_logins(api: Installation) -> None:
    """G030: the server is asked for an app first; what it refuses is told, and nothing stored."""
    with MastodonServer() as server:
        server.fault("POST", "/api/v1/apps", status=403)
        reply = await api.post(PATH, {"platform": "mastodon", "base_url": server.url})
    assert reply.status_code == 422
    assert problems(reply)["platform"].startswith("Mastodon, registering this app: status 403")
    reply = await api.post(PATH, {"platform": "mastodon", "base_url": "http://127.0.0.2:9"})
    assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in problems(reply)["base_url"]
    assert (await api.post(PATH, {"platform": "mastodon"})).status_code == 422
    assert await counts(api) == (0, 0)


async def test_logins_do_not_pile_up(api: Installation, server: OAuthServer) -> None:
    """Of one user the latest twenty are kept; the others' stay."""
    other = await api.new_key("settings:write", user="bob")
    first = server.log_in((await begin(api, key=other))["authorize_url"], "bobs")
    for _ in range(22):
        last = await begin(api)
    assert await api.count("authorizations") == authorization_actions.MOST_AT_ONCE + 1
    assert (await finish(api, first, key=other)).status_code == 200
    assert (await finish(api, server.log_in(last["authorize_url"], "a"))).status_code == 200
