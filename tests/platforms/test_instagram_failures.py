"""What Instagram refuses, and when it has to be asked again."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import (
    Content,
)
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.meta.graph import ContainerGone
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.instagram import InstagramRig
from tests.platforms.rigs.meta import graph, publish, ready
from tests.servers.instagram import InstagramServer
from tests.servers.meta_media import jpeg, png

pytestmark = pytest.mark.asyncio

PUBLISH = "/media_publish"
CREATE = "/17841400000000001/media"
FAILURES = (Transient, RateLimited, TokenExpired, AuthFailed, Rejected, Ambiguous)


@pytest.fixture
def server(emulators: Emulators) -> Iterator[InstagramServer]:
    """An empty Instagram; no test may send what is not documented, or publish a container twice."""
    for server in emulators.lend(InstagramServer):
        yield server
        assert server.republished == []


@pytest.fixture
def rig(server: InstagramServer, outbound: Outbound) -> InstagramRig:
    return InstagramRig(server, outbound)


def creations(server: InstagramServer) -> int:
    return server.calls.count(("POST", f"/v25.0{CREATE}"))


def publications(server: InstagramServer) -> int:
    return sum(path.endswith(PUBLISH) for _, path in server.calls)


async def test_an_expired_container_is_made_anew(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    content, row = rig.contents(tmp_path)["image"], Row()
    await ready(rig, row.publication(rig.destination(), content))
    server.advance(timedelta(hours=25))
    rig.revoke()
    destination = rig.destination()
    destination.session["access_token"] = server.give_token(server.user_id)
    later = row.publication(destination, content, handles=row.handles[-1])
    with pytest.raises(ContainerGone, match="expired; it will be uploaded again"):
        await rig.platform.check(later)
    assert row.handles[-1] == {}
    await ready(rig, later)
    await rig.platform.commit(later)
    assert len(server.posts) == 1


async def test_a_container_that_is_not_known_any_more_is_made_anew(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    publication = await ready(
        rig, Row().publication(rig.destination(), rig.contents(tmp_path)["images"])
    )
    server.containers.clear()
    with pytest.raises(ContainerGone):
        await rig.platform.check(publication)
    await ready(rig, publication)
    await rig.platform.commit(publication)
    assert (creations(server), len(server.posts)) == (6, 1)


async def test_what_processing_finds_wrong_is_final(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    row = Row()
    content = Content("a", media=(rig.video(tmp_path, b"no video at all"),))
    publication = row.publication(rig.destination(), content)
    await rig.platform.prepare(publication)
    rig.ripen()
    with pytest.raises(Rejected, match="2207026: change the video"):
        await rig.platform.check(publication)
    assert (row.handles[-1], server.posts) == ({}, [])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Error: 2207003", Transient),
        ("Error: 2207042", Transient),
        ("Error: 2207004", Rejected),
        ("", Rejected),
    ],
)
async def test_why_processing_failed(
    rig: InstagramRig,
    server: InstagramServer,
    tmp_path: Path,
    status: str,
    expected: type[PlatformError],
) -> None:
    publication = Row().publication(rig.destination(), rig.contents(tmp_path)["image"])
    await rig.platform.prepare(publication)
    [upload] = server.containers.values()
    upload.state, upload.status = "ERROR", status
    with pytest.raises(expected):
        await rig.platform.check(publication)


@pytest.mark.parametrize(
    ("content", "subcode"),
    [(png(), 2207005), (jpeg(64, 100), 2207009), (jpeg(size=9_000_000), 2207004)],
)
async def test_what_instagram_refuses_to_take(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path, content: bytes, subcode: int
) -> None:
    """The emulator's own checks of the media, not injected faults."""
    row, file = Row(), rig.picture(tmp_path, content)
    publication = row.publication(rig.destination(), Content("a", media=(file,)))
    with pytest.raises(Rejected, match=f"subcode {subcode}, trace AbCdEf.*change the image"):
        await rig.platform.prepare(publication)
    assert (row.handles, server.posts) == ([], [])


async def test_media_that_cannot_be_fetched(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    row, content = Row(), rig.contents(tmp_path)["image"]
    server.internet.clear()
    with pytest.raises(Transient, match=r"subcode 2207052.*public URL of Almanac"):
        await rig.platform.prepare(row.publication(rig.destination(), content))
    assert (row.handles, server.posts) == ([], [])


@pytest.mark.parametrize("expected", [failure.__name__ for failure in FAILURES])
async def test_each_documented_error(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path, expected: str
) -> None:
    """Nothing is posted, and afterwards the very same delivery is published once."""
    content = rig.contents(tmp_path)["image"]
    for fault in rig.failures()[expected]:
        server.reset()
        content = rig.contents(tmp_path)["image"]
        publication = Row().publication(rig.destination(), content)
        if fault.path == PUBLISH:
            await ready(rig, publication)
        server.fail(fault)
        with pytest.raises(PlatformError, match="Instagram, ") as failed:
            if fault.path == PUBLISH:
                await rig.platform.commit(publication)
            else:
                await rig.platform.prepare(publication)
        kinds = {kind.__name__ for kind in type(failed.value).__mro__}
        assert expected in kinds, (fault, failed.value)
        assert (expected == "TokenExpired") == isinstance(failed.value, TokenExpired)
        assert server.value not in failed.value.message
        assert server.posts == []
        await ready(rig, publication)
        await rig.platform.commit(publication)
        assert len(server.posts) == 1


async def test_the_quota_is_asked_for(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """A wait of an hour, which is no attempt; nothing is uploaded."""
    server.quota_total = 1
    await publish(rig, rig.contents(tmp_path)["image"])
    made = creations(server)
    publication = Row().publication(rig.destination(), rig.contents(tmp_path)["images"])
    with pytest.raises(RateLimited, match="no more than 1 are allowed") as limited:
        await rig.platform.prepare(publication)
    assert limited.value.scope == "account"
    assert timedelta(minutes=59) < limited.value.until - datetime.now(UTC) <= timedelta(hours=1)
    assert creations(server) == made


async def test_a_used_up_limit_pauses_the_account(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """The header counts minutes."""
    entry = {"type": "instagram", "call_count": 100, "total_cputime": 3, "total_time": 7}
    server.usage = {"1": [{**entry, "estimated_time_to_regain_access": 19}]}
    published = await publish(rig, rig.contents(tmp_path)["image"])
    assert published.pause_until is not None
    wait = published.pause_until - datetime.now(UTC)
    assert timedelta(minutes=18) < wait <= timedelta(minutes=19)


async def test_a_limit_of_the_app_holds_all_accounts(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    server.fail(graph(CREATE, 4))
    publication = Row().publication(rig.destination(), rig.contents(tmp_path)["image"])
    with pytest.raises(RateLimited) as limited:
        await rig.platform.prepare(publication)
    assert limited.value.scope == "app"


async def test_media_without_a_public_url(rig: InstagramRig, tmp_path: Path) -> None:
    file = image(tmp_path, jpeg(), content_type="image/jpeg")
    publication = Row().publication(rig.destination(), Content("a", media=(file,)))
    with pytest.raises(Rejected, match="ALMANAC_PUBLIC_URL"):
        await rig.platform.prepare(publication)


async def test_an_account_without_its_id(rig: InstagramRig, tmp_path: Path) -> None:
    destination = rig.destination()
    del destination.session["user_id"]
    publication = Row().publication(destination, rig.contents(tmp_path)["image"])
    with pytest.raises(AuthFailed, match="connect the account again"):
        await rig.platform.prepare(publication)
