"""Tokens are renewed before they end, at night too; what cannot be renewed is told in time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from service.accounts import renewing
from service.accounts.jobs import refresh_tokens
from tests.accounts.network import NAME, Network
from tests.accounts.tokens import destination_of, give_tokens, let_rest_pass, row_of
from tests.servers.faults import Fault
from tests.servers.oauth import OAuthServer
from tests.support import Installation
from workers.periodic import RULES

pytestmark = pytest.mark.asyncio
NONE = {"renewed": 0, "failed": 0, "disconnected": 0, "left": 0}


async def connected(
    api: Installation, server: OAuthServer, *names: str, lasts: timedelta
) -> list[str]:
    """Connect accounts whose tokens end in so long."""
    made = []
    for name in names:
        tokens = server.tokens(name)
        found = await api.connect(NAME, {"access_token": tokens["access_token"]})
        await give_tokens(api, found, tokens, lasts=lasts)
        made.append(found)
    return made


async def run(api: Installation) -> dict[str, Any]:
    """Run the periodic renewal once."""
    return dict(await renewing.run(api.runtime))


async def test_it_runs_every_ten_minutes() -> None:
    (rule,) = [rule for rule in RULES if rule.job == "accounts.refresh_tokens"]
    assert str(rule.cron) == "*/10 * * * *"


async def test_what_ends_soon_is_renewed(
    api: Installation, server: OAuthServer, network: Network
) -> None:
    """Sixty-day tokens without a post due; what lasts longer is left alone."""
    network.refresh_before = timedelta(days=7)
    server.lifetime = timedelta(days=60).total_seconds()
    (soon,) = await connected(api, server, "soon", lasts=timedelta(days=6))
    (ended,) = await connected(api, server, "ended", lasts=timedelta(days=-1))
    await connected(api, server, "late", lasts=timedelta(days=8))
    await api.connect(NAME, server.tokens("endless"))
    await api.runtime.queue.enqueue(refresh_tokens())
    worker = await api.work("maintenance")
    assert (worker.jobs_complete, worker.jobs_failed) == (1, 0)
    assert server.refreshes == 2
    for account in (soon, ended):
        row = await row_of(api, account)
        assert row.token_expires_at - datetime.now(UTC) > timedelta(days=59)
        assert (await destination_of(api, account)).session["scope"] == "read publish"
    assert await run(api) == NONE
    assert server.refreshes == 2


async def test_the_end_is_known_from_the_first_login(
    api: Installation, server: OAuthServer, network: Network
) -> None:
    reply = await api.post("/v1/accounts/authorize", {"platform": NAME})
    back = server.log_in(reply.json()["authorize_url"], "news")
    body = {"state": back["state"], "code": back["code"]}
    reply = await api.post("/v1/accounts/authorize/finish", body)
    (account,) = reply.json()["accounts"]
    end = datetime.fromisoformat(account["token_expires_at"])
    assert abs(end - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=30)
    assert await run(api) == NONE
    network.refresh_before = timedelta(hours=2)
    assert await run(api) == {**NONE, "renewed": 1}


async def test_one_failure_does_not_stop_the_others(
    api: Installation, server: OAuthServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A passing failure is tried again in the next run; a fault of ours too."""
    names = [f"a{number}" for number in range(12)]
    accounts = await connected(api, server, *names, lasts=timedelta(minutes=5))
    broken = accounts[3]
    await api.sql("UPDATE accounts SET session = '' WHERE handle = 'a3'")
    server.fail(Fault("/oauth/token", status=503, times=2))
    assert await run(api) == {**NONE, "renewed": 9, "failed": 3}
    errors = [row.refresh_error for row in await api.sql("SELECT refresh_error FROM accounts")]
    assert sum("status 503" in (error or "") for error in errors) == 2
    assert "Unexpected CannotDecrypt" in (await row_of(api, broken)).refresh_error
    assert await run(api) == NONE, "they rest until the next run"
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "renewed": 2, "failed": 1}
    assert await api.count("notices") == 0
    assert {row.state for row in await api.sql("SELECT state FROM accounts")} == {"active"}


async def test_a_refused_renewal_is_told_once(
    api: Installation, server: OAuthServer, network: Network
) -> None:
    """The token has ended: the account needs its owner, who gets one notice and one mail."""
    mails = {"smtp_url": SecretStr("smtp://127.0.0.1:1"), "alert_mail": ("a@example.org",)}
    object.__setattr__(api.runtime, "settings", api.runtime.settings.model_copy(update=mails))
    (account,) = await connected(api, server, "news", lasts=timedelta(seconds=-1))
    server.revoke()
    assert await run(api) == {**NONE, "disconnected": 1}
    await let_rest_pass(api)
    assert await run(api) == NONE
    assert (await row_of(api, account)).state == "needs_reconnect"
    (notice,) = await api.sql("SELECT kind, owner_id, count FROM notices")
    assert (notice.kind, notice.count) == ("account.needs_reconnect", 1)
    assert notice.owner_id == (await row_of(api, account)).owner_id
    assert len([job for job in await api.queued("maintenance") if job.startswith("notice:")]) == 1


async def test_a_warning_comes_while_there_is_time(
    api: Installation, server: OAuthServer, network: Network
) -> None:
    """A long-lived token that cannot be renewed is used to its end; its owner is warned once."""
    network.refresh_before = timedelta(days=7)
    (account,) = await connected(api, server, "news", lasts=timedelta(days=5))
    server.fail(Fault("/oauth/token", status=503))
    assert await run(api) == {**NONE, "failed": 1}
    assert await api.count("notices") == 0, "it will pass"
    server.fail(Fault("/oauth/token", status=400, body={"error": "invalid_grant"}, times=9))
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "failed": 1}
    assert await run(api) == NONE, "it is not asked every ten minutes"
    rests = (await row_of(api, account)).refresh_after - datetime.now(UTC)
    assert timedelta(hours=23) < rests <= timedelta(days=1)
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "failed": 1}
    (notice,) = await api.sql("SELECT kind, title, count FROM notices")
    assert (notice.kind, notice.count) == ("account.token_ends", 1)
    assert notice.title.startswith("Connect news on network again before 20")
    assert (await row_of(api, account)).state == "active"
    await api.schedule([account], "Out")
    await api.work()
    assert [post["text"] for post in server.posts] == ["Out"]
    await give_tokens(api, account, server.tokens("news"), lasts=timedelta(seconds=-1))
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "disconnected": 1}
    await api.post(f"/v1/accounts/{account}/reconnect", {"credentials": server.tokens("news")})
    rows = await api.sql("SELECT kind, open FROM notices ORDER BY kind")
    assert [(row.kind, row.open) for row in rows] == [
        ("account.needs_reconnect", False),
        ("account.token_ends", False),
    ]


async def test_a_limit_of_the_app_ends_the_platforms_turn(
    api: Installation, server: OAuthServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """429: the account waits as long as it is told to, and is then renewed."""
    (account,) = await connected(api, server, "news", lasts=timedelta(minutes=5))
    limit = {"status": 429, "headers": {"Retry-After": "1800"}}
    server.fail(Fault("/oauth/token", **limit))  # type: ignore[arg-type] # a fault's own fields
    assert await run(api) == {**NONE, "failed": 1}
    row = await row_of(api, account)
    assert timedelta(minutes=29) < row.refresh_after - datetime.now(UTC) <= timedelta(minutes=30)
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "renewed": 1}
    assert (await row_of(api, account)).refresh_error is None


async def test_a_run_is_bounded(
    api: Installation, server: OAuthServer, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one run leaves, the next one takes: those that failed come last."""
    monkeypatch.setattr(renewing, "BATCH", 2)
    monkeypatch.setattr(renewing, "MOST", 4)
    names = [f"a{number}" for number in range(6)]
    await connected(api, server, *names, lasts=timedelta(minutes=5))
    server.fail(Fault("/oauth/token", status=503, times=4))
    assert await run(api) == {**NONE, "failed": 4}
    await let_rest_pass(api)
    assert await run(api) == {**NONE, "renewed": 4}
    left = await api.sql("SELECT handle FROM accounts WHERE refresh_error IS NOT NULL")
    assert len(left) == 2, "the two that never had a turn were among the four"
    assert await run(api) == {**NONE, "renewed": 2}


async def test_only_active_accounts_are_renewed(
    api: Installation, server: OAuthServer, network: Network
) -> None:
    accounts = await connected(api, server, "gone", "refused", lasts=timedelta(seconds=-1))
    await api.request("DELETE", f"/v1/accounts/{accounts[0]}")
    await api.sql("UPDATE accounts SET state = 'needs_reconnect' WHERE handle = 'refused'")
    assert await run(api) == NONE
    assert server.refreshes == 0
    assert (await row_of(api, accounts[0])).token_expires_at is None
