"""Bluesky's sessions: stored, reused, renewed once."""

import asyncio

import pytest

from service.kit.outbound import Outbound
from service.platforms.bluesky import Bluesky
from service.platforms.contract import Content, Destination
from service.platforms.failures import AuthFailed, Transient
from tests.platforms.helpers import Row
from tests.platforms.test_bluesky import CREDENTIALS, PUT, REFRESH, account, publish
from tests.servers.bluesky import BlueskyServer
from tests.servers.faults import Fault

pytestmark = pytest.mark.asyncio


@pytest.fixture
def bluesky(outbound: Outbound) -> Bluesky:
    return Bluesky(outbound)


def copy_of(destination: Destination) -> Destination:
    """Load the account's row once more."""
    return Destination(
        id=destination.id,
        handle=destination.handle,
        base_url=destination.base_url,
        credentials=dict(destination.credentials),
        limits=destination.limits,
        session=dict(destination.session),
    )


@pytest.mark.parametrize("expired_by", ["server", "clock"])
async def test_twenty_concurrent_publications_renew_once(
    bluesky: Bluesky, bluesky_server: BlueskyServer, expired_by: str
) -> None:
    """The token is refused by the server, or by its own claim ends within the next minute."""
    if expired_by == "clock":
        bluesky_server.access_seconds = 60
    destination, row = await account(bluesky, bluesky_server), Row()
    bluesky_server.access_seconds = 7_200
    if expired_by == "server":
        bluesky_server.expire_access()
    await asyncio.gather(
        *(
            publish(bluesky, row.publication(copy_of(destination), Content(f"post {number}")))
            for number in range(20)
        )
    )
    assert len(bluesky_server.posts) == 20
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)
    [session] = row.sessions
    assert session["accessJwt"] in bluesky_server.access
    assert session["refreshJwt"] in bluesky_server.refresh
    assert set(session) == {"did", "handle", "accessJwt", "refreshJwt"}


async def test_a_later_publication_with_an_old_row_uses_the_renewed_session(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    old = copy_of(destination)
    bluesky_server.expire_access()
    await publish(bluesky, row.publication(destination, Content("one")))
    await publish(bluesky, row.publication(old, Content("two")))
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)


async def test_a_session_that_another_process_renewed_is_taken_from_the_row(
    bluesky: Bluesky, bluesky_server: BlueskyServer, outbound: Outbound
) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    await publish(bluesky, row.publication(copy_of(destination), Content("one")))
    bluesky_server.expire_access()
    elsewhere = Bluesky(outbound)
    await publish(elsewhere, row.publication(destination, Content("two")))
    await publish(bluesky, row.publication(destination, Content("three")))
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)


async def test_a_refused_refresh_token_leads_to_a_login(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    bluesky_server.expire_access()
    bluesky_server.revoke_refresh()
    await publish(bluesky, row.publication(destination, Content("a")))
    assert (bluesky_server.refreshes, bluesky_server.logins) == (0, 2)
    assert len(row.sessions) == 1


async def test_a_revoked_app_password_needs_the_person(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    bluesky_server.expire_access()
    bluesky_server.revoke_refresh()
    destination.credentials = {**CREDENTIALS, "app_password": "revoked-pass-word"}
    with pytest.raises(AuthFailed, match="logging in: status 401"):
        await publish(bluesky, row.publication(destination, Content("a")))
    assert (row.sessions, bluesky_server.posts) == ([], [])


async def test_an_outage_at_the_renewal_keeps_the_session(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    """Only a refusal leads to a login: 300 of them a day are allowed."""
    destination, row = await account(bluesky, bluesky_server), Row()
    bluesky_server.expire_access()
    bluesky_server.fail(Fault(REFRESH, 503))
    publication = row.publication(destination, Content("a"))
    with pytest.raises(Transient, match="renewing the session: status 503"):
        await publish(bluesky, publication)
    await publish(bluesky, publication)
    assert (bluesky_server.refreshes, bluesky_server.logins) == (1, 1)


async def test_a_token_that_stays_refused_is_final(
    bluesky: Bluesky, bluesky_server: BlueskyServer
) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    error = {"error": "ExpiredToken", "message": "Token has expired"}
    bluesky_server.fail(Fault(PUT, 400, error, times=2))
    with pytest.raises(AuthFailed, match="posting: status 400: ExpiredToken"):
        await publish(bluesky, row.publication(destination, Content("a")))
    assert bluesky_server.refreshes == 1


async def test_a_lost_session_is_made_anew(bluesky: Bluesky, bluesky_server: BlueskyServer) -> None:
    destination, row = await account(bluesky, bluesky_server), Row()
    destination.session = {}
    await publish(bluesky, row.publication(destination, Content("a")))
    assert (len(bluesky_server.posts), bluesky_server.logins) == (1, 2)
    assert destination.session == row.sessions[-1]
