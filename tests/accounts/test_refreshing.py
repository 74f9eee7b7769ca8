"""One worker at a time renews a token, whoever dies on the way, and posts never pay for it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from service.accounts import refreshing
from service.platforms.contract import Wait
from service.platforms.failures import Transient
from service.runtime import open_runtime
from tests.accounts.network import NAME, Network, install
from tests.accounts.tokens import destination_of, give_tokens, row_of
from tests.servers.faults import Fault
from tests.servers.oauth import OAuthServer
from tests.support import Installation, in_seconds

pytestmark = pytest.mark.asyncio
ENDED, ENDS_SOON, FRESH = timedelta(seconds=-1), timedelta(minutes=5), timedelta(hours=2)


@pytest_asyncio.fixture
async def account(api: Installation, server: OAuthServer, network: Network) -> str:
    """An account whose token has ended; its refresh token is good."""
    tokens = server.tokens("news")
    found = await api.connect(NAME, {"access_token": tokens["access_token"]})
    server.expire()
    await give_tokens(api, found, tokens, lasts=ENDED)
    return found


@pytest_asyncio.fixture
async def beside(
    api: Installation, server: OAuthServer, network: Network
) -> AsyncIterator[Installation]:
    """Another worker process's view of the same servers."""
    async with open_runtime(api.runtime.settings, "beside") as runtime:
        install(runtime, server)
        yield replace(api, runtime=runtime)


def token_calls(server: OAuthServer) -> int:
    """Return how often the token endpoint was asked."""
    return server.calls.count(("POST", "/oauth/token"))


async def asked(server: OAuthServer) -> None:
    """Wait until the token endpoint has been asked; it is in a thread of its own."""
    async with asyncio.timeout(10):
        while not token_calls(server):  # noqa: ASYNC110 - another thread sets no event of ours
            await asyncio.sleep(0.01)


async def test_an_ended_token_is_renewed_before_publishing(
    api: Installation, server: OAuthServer, account: str
) -> None:
    await api.schedule([account], "Out")
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    assert [path for _, path in server.calls[-2:]] == ["/oauth/token", "/api/posts"]
    row = await row_of(api, account)
    assert row.token_expires_at is not None
    assert (row.refresh_claim, row.refresh_claimed_until, row.refresh_error) == (None, None, None)


async def test_two_workers_renew_once(
    api: Installation, beside: Installation, server: OAuthServer, account: str
) -> None:
    """Rotating tokens survive two processes: one call, both posts are out, no attempt is used."""
    posts = [await api.schedule([account], text) for text in ("One", "Two")]
    server.fail(Fault("/oauth/token", delay=0.3))
    await asyncio.gather(api.work(max_jobs=1), beside.work(max_jobs=1))
    assert sorted(post["text"] for post in server.posts) == ["One", "Two"]
    assert (server.refreshes, token_calls(server)) == (1, 1)
    for post in posts:
        (delivery,) = (await api.read_post(post["id"]))["deliveries"]
        assert (delivery["state"], delivery["attempts"]) == ("published", 1)


async def test_two_workers_are_refused_at_once(
    api: Installation, beside: Installation, server: OAuthServer, account: str
) -> None:
    """The token is refused before its time: the later worker takes what the first one has got."""
    await give_tokens(api, account, server.tokens("news"), lasts=FRESH)
    server.expire()
    one, other = [await destination_of(api, account) for _ in range(2)]
    platforms = api.runtime.platforms[NAME], beside.runtime.platforms[NAME]
    assert await refreshing.renew(api.runtime, platforms[0], one, refused=True) is None
    assert await refreshing.renew(beside.runtime, platforms[1], other, refused=True) is None
    assert one.session == other.session == (await destination_of(api, account)).session
    assert (server.refreshes, token_calls(server)) == (1, 1)


async def test_who_comes_meanwhile_waits(
    api: Installation, beside: Installation, server: OAuthServer, account: str
) -> None:
    """Waiting is no failure, and no call."""
    server.fail(Fault("/oauth/token", delay=0.3))
    network = api.runtime.platforms[NAME]
    first = asyncio.create_task(
        refreshing.renew(api.runtime, network, await destination_of(api, account), refused=False)
    )
    await asked(server)
    waiting = await refreshing.renew(
        beside.runtime,
        beside.runtime.platforms[NAME],
        await destination_of(api, account),
        refused=False,
    )
    assert isinstance(waiting, Wait)
    assert await first is None
    assert token_calls(server) == 1


@pytest.mark.parametrize("answer", ["empty", "nothing"])
async def test_no_new_refresh_token_keeps_the_old_one(
    api: Installation, server: OAuthServer, account: str, answer: str
) -> None:
    before = (await destination_of(api, account)).session
    server.gives_refresh = answer
    for text in ("One", "Two"):
        await api.schedule([account], text)
        await api.work()
        after = (await destination_of(api, account)).session
        assert after["refresh_token"] == before["refresh_token"]
        server.expire()
    assert [post["text"] for post in server.posts] == ["One", "Two"]
    assert server.refreshes == 2


async def test_a_killed_worker_holds_nobody_up(
    api: Installation, server: OAuthServer, account: str
) -> None:
    """Its claim ends with its lease; then the next one renews, and the post goes out."""
    settings = api.runtime.settings
    assert settings.database_url is not None
    assert settings.redis_url is not None
    server.fail(Fault("/oauth/token", status=503, delay=2))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.accounts.dying_worker"),
        *(settings.database_url.get_secret_value(), settings.redis_url.get_secret_value()),
        *(str(settings.home), server.url, account),
    )
    while not token_calls(server):
        assert process.returncode is None
        await asyncio.sleep(0.02)
    process.kill()
    await process.wait()
    assert (await row_of(api, account)).refresh_claim is not None
    network, destination = api.runtime.platforms[NAME], await destination_of(api, account)
    wait = await refreshing.renew(api.runtime, network, destination, refused=False)
    assert isinstance(wait, Wait)
    assert token_calls(server) == 1
    await api.sql("UPDATE accounts SET refresh_claimed_until = now()")  # the lease has passed
    await api.schedule([account], "Out")
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    assert server.refreshes == 1


async def test_a_refused_refresh_holds_posts_and_tells_once(
    api: Installation, server: OAuthServer, account: str
) -> None:
    """Held, not failed; no attempt is used up; reconnecting sends all of them."""
    server.revoke()
    posts = [await api.schedule([account], text) for text in ("One", "Two")]
    later = await api.schedule([account], "Later", publish_at=in_seconds(3600))
    await api.work()
    assert server.posts == []
    states = [(await api.read_post(post["id"]))["state"] for post in (*posts, later)]
    assert states[:2] == ["held", "held"]
    assert (await row_of(api, account)).state == "needs_reconnect"
    (notice,) = await api.sql("SELECT title, text, count FROM notices")
    assert (notice.title, notice.count) == ("Connect news on network again", 1)
    assert "token is revoked" in notice.text
    calls = token_calls(server)
    await api.work()
    assert token_calls(server) == calls, "nobody asks in vain"
    reply = await api.post(
        f"/v1/accounts/{account}/reconnect", {"credentials": server.tokens("news")}
    )
    assert reply.status_code == 200, reply.text
    rows = await api.sql("SELECT attempts FROM deliveries")
    assert [row.attempts for row in rows] == [0, 0, 0]
    await api.work()
    assert sorted(post["text"] for post in server.posts) == ["One", "Two"]
    (notice,) = await api.sql("SELECT open FROM notices")
    assert notice.open is False


async def test_new_credentials_are_not_judged_by_the_old_ones(
    api: Installation, server: OAuthServer, account: str
) -> None:
    """A person connects again while a worker is being refused: the post goes out all the same."""
    server.revoke()
    await api.schedule([account], "Out")
    server.fail(Fault("/oauth/token", delay=0.3))
    work = asyncio.create_task(api.work(max_jobs=2))
    await asked(server)
    body = {"credentials": server.tokens("news")}
    reply = await api.post(f"/v1/accounts/{account}/reconnect", body)
    assert reply.status_code == 200
    await work
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    assert (await row_of(api, account)).state == "active"
    assert await api.count("notices") == 0


async def test_a_renewal_does_not_overwrite_new_credentials(
    api: Installation, server: OAuthServer, account: str
) -> None:
    """Who is renewing the old tokens while a person connects again has lost the claim."""
    server.fail(Fault("/oauth/token", delay=0.3))
    network, destination = api.runtime.platforms[NAME], await destination_of(api, account)
    work = asyncio.create_task(refreshing.renew(api.runtime, network, destination, refused=False))
    await asked(server)
    given = server.tokens("news")
    reply = await api.post(f"/v1/accounts/{account}/reconnect", {"credentials": given})
    assert reply.status_code == 200
    assert isinstance(await work, Wait)
    kept = await destination_of(api, account)
    assert kept.credentials["access_token"] == given["access_token"]
    assert "access_token" not in kept.session


async def test_a_token_that_lasts_a_little_is_used(
    api: Installation, server: OAuthServer, account: str
) -> None:
    """Renewing ahead of time may fail without anybody noticing."""
    tokens = server.tokens("news")
    await give_tokens(api, account, tokens, lasts=ENDS_SOON)
    server.fail(Fault("/oauth/token", status=400, body={"error": "invalid_grant"}))
    await api.schedule([account], "Out")
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    row = await row_of(api, account)
    assert (row.state, row.refresh_claim) == ("active", None)
    assert await api.count("notices") == 0


async def test_a_platform_that_hangs_gives_the_claim_back(
    api: Installation, server: OAuthServer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends before the lease: nobody else can have asked meanwhile."""
    assert timedelta(seconds=refreshing.PATIENCE) < refreshing.CLAIM_LEASE
    monkeypatch.setattr(refreshing, "PATIENCE", 0.1)
    server.fail(Fault("/oauth/token", delay=0.5, status=503))
    network, destination = api.runtime.platforms[NAME], await destination_of(api, account)
    with pytest.raises(Transient, match=r"did not renew the token within 0\.1 s"):
        await refreshing.renew(api.runtime, network, destination, refused=False)
    assert (await row_of(api, account)).refresh_claim is None
