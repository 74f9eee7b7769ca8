"""Platforms that fetch media are connected only where they could fetch them."""

from pathlib import Path

import pytest
from fastapi import FastAPI

from service.accounts import platforms
from service.config import Settings
from service.errors import InvalidInput
from service.platforms.base import Adapter
from service.platforms.contract import Platform
from tests.accounts.network import NAME, Network, install
from tests.servers.oauth import OAuthServer
from tests.support import Installation, problems, settings_for


def settings(public_url: str, *allowed: str) -> Settings:
    """Return settings with this public URL."""
    found = settings_for("postgresql://nowhere/almanac", "redis://nowhere", Path("/nonexistent"))
    return found.model_copy(update={"public_url": public_url, "allowed_private_hosts": allowed})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:8000", "is loopback"),
        ("https://127.0.0.1", "is loopback"),
        ("https://[::1]:8443", "is loopback"),
        ("https://10.0.0.7", "is private"),
        ("https://localhost", "is a name of this network only"),
        ("https://almanac.internal", "is a name of this network only"),
        ("https://almanac", "is a name of this network only"),
        ("http://almanac.example.org", "is not https"),
    ],
)
def test_what_cannot_be_reached_is_refused(url: str, why: str) -> None:
    """It names the setting that helps."""
    with pytest.raises(InvalidInput) as refused:
        platforms.refuse_unreachable(settings(url), _bare(fetches=True))
    (problem,) = refused.value.problems
    assert (problem.field, problem.code) == ("platform", "unreachable")
    assert f"{url} {why}: set ALMANAC_PUBLIC_URL" in problem.message
    platforms.refuse_unreachable(settings(url), _bare(fetches=False))


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://almanac.example.org", ()),
        ("https://93.184.216.34:8443", ()),
        ("http://127.0.0.1:8000", ("127.0.0.1",)),
        ("http://10.1.2.3", ("10.0.0.0/8",)),
        ("http://almanac.test", ("almanac.test",)),
    ],
)
def test_what_can_be_reached_is_taken(url: str, allowed: tuple[str, ...]) -> None:
    platforms.refuse_unreachable(settings(url, *allowed), _bare(fetches=True))


def _bare(*, fetches: bool) -> Platform:
    """Return a platform of which only one thing is asked."""
    made = Adapter()
    made.title, made.fetches_media = "Fetcher", fetches
    return made  # type: ignore[return-value] # it publishes nothing


@pytest.mark.asyncio
async def test_such_a_platform_is_not_connected_here(
    api: Installation, application: FastAPI, server: OAuthServer, network: Network
) -> None:
    """By hand, in a browser or again: refused before the platform is asked."""
    account = await api.connect(NAME, server.tokens("news"))
    install(application.state.runtime, server).fetches_media = True
    server.calls.clear()
    given = {"credentials": server.tokens("other")}
    for path, body in (
        ("accounts", {"platform": NAME, **given}),
        (f"accounts/{account}/reconnect", given),
        ("accounts/authorize", {"platform": NAME}),
    ):
        reply = await api.post(f"/v1/{path}", body)
        assert reply.status_code == 422, path
        assert "ALMANAC_PUBLIC_URL" in problems(reply)["platform"]
    assert server.calls == []
    assert (await api.count("accounts"), await api.count("authorizations")) == (1, 0)
    items = {item["name"]: item for item in (await api.get("/v1/platforms")).json()["items"]}
    assert items[NAME]["fetches_media"] is True
