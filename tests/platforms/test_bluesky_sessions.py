"""Bluesky's sessions: an expired token is told, and renewed with what the account has."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from service.platforms.bluesky.adapter import Bluesky
from service.platforms.bluesky.sessions import Session
from service.platforms.contract import Content, Reference
from service.platforms.failures import AuthFailed, TokenExpired, Transient
from service.platforms.tokens import expires_at
from tests.platforms.helpers import Row, image
from tests.platforms.test_bluesky import CREDENTIALS, PUT, REFRESH, account, publish
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault

pytestmark = pytest.mark.asyncio

STORED = {"did", "handle", "accessJwt", "refreshJwt", "pds", "expires_at"}


async def test_a_session_says_when_its_token_ends_and_where_the_account_lives(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """So the caller renews it before that, and videos go to the right server."""
    destination = await account(bluesky, bluesky_server)
    assert set(destination.session) == STORED
    assert destination.session["pds"] == bluesky_server.url
    end = expires_at(destination.session)
    assert end is not None
    assert timedelta(seconds=7_190) < end - datetime.now(UTC) <= timedelta(seconds=7_200)


@pytest.mark.parametrize("expired_by", ["server", "clock"])
async def test_an_expired_token_is_told_and_a_refresh_makes_the_post_go_out(
    bluesky: Bluesky, bluesky_server: BlueskyServer, expired_by: str
) -> None:
    if expired_by == "clock":
        bluesky_server.access_seconds = -1
    destination, row = await account(bluesky, bluesky_server), Row()
    bluesky_server.access_seconds = 7_200
    if expired_by == "server":
        bluesky_server.expire_access()
    publication = row.publication(destination, Content("a"))
    with pytest.raises(TokenExpired, match="posting: status 400: ExpiredToken"):
        await publish(bluesky, publication)
    assert bluesky_server.posts == []
    destination.session = await bluesky.refresh(destination)
    await publish(bluesky, publication)
    assert len(bluesky_server.posts) == 1
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)


async def test_a_token_that_expires_between_uploads_repeats_none(
    bluesky: Bluesky, bluesky_server: BlueskyServer, tmp_path: Path
) -> None:
    content = Content("a", media=(image(tmp_path, b"one"), image(tmp_path, b"two")))
    row, destination = Row(), await account(bluesky, bluesky_server)
    publication = row.publication(destination, content)
    save = publication.save

    async def expire(handles: dict[str, object]) -> None:
        await save(handles)
        bluesky_server.expire_access()

    publication.save = expire
    with pytest.raises(TokenExpired, match="uploading an image"):
        await bluesky.prepare(publication)
    publication.save = save
    destination.session = await bluesky.refresh(destination)
    await publish(bluesky, publication)
    assert bluesky_server.uploads == 2
    assert len(bluesky_server.posts[0]["record"]["embed"]["images"]) == 2


async def test_a_refresh_token_works_once_and_the_new_one_is_returned(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination = await account(bluesky, bluesky_server)
    first = dict(destination.session)
    destination.session = await bluesky.refresh(destination)
    assert set(destination.session) == STORED
    assert destination.session["accessJwt"] in bluesky_server.access
    assert {destination.session["refreshJwt"]} == bluesky_server.refresh
    assert first["refreshJwt"] != destination.session["refreshJwt"]


async def test_a_used_up_refresh_token_leads_to_a_login(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """The answer to the last refresh was lost: the app password still opens the account."""
    destination = await account(bluesky, bluesky_server)
    await bluesky.refresh(destination)
    renewed = await bluesky.refresh(destination)
    assert renewed["accessJwt"] in bluesky_server.access
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 2)


async def test_a_revoked_app_password_needs_the_person(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination = await account(bluesky, bluesky_server)
    bluesky_server.revoke_refresh()
    destination.credentials = {**CREDENTIALS, "app_password": "revoked-pass-word"}
    with pytest.raises(AuthFailed, match="logging in: status 401") as refused:
        await bluesky.refresh(destination)
    assert "revoked-pass-word" not in refused.value.message
    assert (bluesky_server.refreshes, bluesky_server.logins) == (0, 1)


async def test_an_outage_at_the_renewal_is_no_login(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """Only a refusal leads to a login: 300 of them a day are allowed."""
    destination = await account(bluesky, bluesky_server)
    bluesky_server.fail(Fault(REFRESH, 503))
    with pytest.raises(Transient, match="renewing the session: status 503"):
        await bluesky.refresh(destination)
    destination.session = await bluesky.refresh(destination)
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)


async def test_without_a_session_every_call_asks_for_one_and_a_refresh_logs_in(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination = await account(bluesky, bluesky_server)
    destination.session = {}
    post = Reference(f"at://{bluesky_server.did}/app.bsky.feed.post/3aaaaaaaaaaaa")
    publication = Row().publication(destination, Content("a"))
    for call in (
        bluesky.commit(publication),
        bluesky.reconcile(publication),
        bluesky.delete(destination, post),
        bluesky.metrics(destination, post),
        bluesky.audience(destination),
    ):
        with pytest.raises(TokenExpired, match="nobody has logged in yet"):
            await call
    destination.session = await bluesky.refresh(destination)
    await publish(bluesky, publication)
    assert (len(bluesky_server.posts), bluesky_server.logins) == (1, 2)


async def test_a_token_that_stays_refused_is_an_expired_one_each_time(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """The caller decides when it is enough."""
    destination = await account(bluesky, bluesky_server)
    error = {"error": "InvalidToken", "message": "Token could not be verified"}
    bluesky_server.fail(Fault(PUT, 400, error, times=2))
    publication = Row().publication(destination, Content("a"))
    for _ in range(2):
        with pytest.raises(TokenExpired, match="posting: status 400: InvalidToken"):
            await publish(bluesky, publication)
    assert (bluesky_server.refreshes, bluesky_server.posts) == (0, [])


async def test_what_a_renewal_leaves_out_stays() -> None:
    """An empty refresh token never replaces a good one."""
    old = Session("did:plc:a", "a.test", "access", "refresh", "https://pds.example")
    newer = Session("did:plc:a", "b.test", "newer")
    assert msgspec.to_builtins(old.renewed(newer)) == {
        "did": "did:plc:a",
        "handle": "b.test",
        "accessJwt": "newer",
        "refreshJwt": "refresh",
        "pds": "https://pds.example",
    }
