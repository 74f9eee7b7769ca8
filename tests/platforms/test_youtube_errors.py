"""What YouTube's errors mean, and what is refused."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.youtube.errors import midnight_pacific
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs.youtube import SESSION, UPDATE, UPLOAD, YouTubeRig, bring, film
from tests.servers.faults import Fault
from tests.servers.youtube import YouTubeServer
from tests.servers.youtube_google import error

pytestmark = pytest.mark.asyncio


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[YouTubeRig]:
    for server in emulators.lend(YouTubeServer):
        yield YouTubeRig(server, outbound)


CASES = [
    ((UPLOAD, "POST"), (403, "quotaExceeded"), RateLimited),
    ((UPLOAD, "POST"), (403, "rateLimitExceeded"), RateLimited),
    ((UPLOAD, "POST"), (400, "uploadLimitExceeded"), RateLimited),
    ((UPLOAD, "POST"), (401, "authError"), TokenExpired),
    ((UPLOAD, "POST"), (403, "insufficientPermissions"), AuthFailed),
    ((UPLOAD, "POST"), (403, "authenticatedUserAccountClosed"), AuthFailed),
    ((UPLOAD, "POST"), (400, "invalidTitle"), Rejected),
    ((UPLOAD, "POST"), (400, "invalidPublishAt"), Rejected),
    ((UPLOAD, "POST"), (403, "youtubeSignupRequired"), Rejected),
    ((UPLOAD, "POST"), (403, "forbidden"), Rejected),
    ((UPLOAD, "POST"), (503, "backendError"), Transient),
    ((SESSION, "PUT"), (429, "rateLimitExceeded"), RateLimited),
    ((SESSION, "PUT"), (400, "invalidVideoMetadata"), Rejected),
    ((UPDATE, "GET"), (500, "internalError"), Transient),
    ((UPDATE, "PUT"), (401, "authError"), TokenExpired),
    ((UPDATE, "PUT"), (403, "quotaExceeded"), RateLimited),
    ((UPDATE, "PUT"), (403, "forbiddenPrivacySetting"), Rejected),
    ((UPDATE, "PUT"), (404, "videoNotFound"), Rejected),
    ((UPDATE, "PUT"), (500, "internalError"), Ambiguous),
]


@pytest.mark.parametrize(("call", "said", "expected"), CASES)
async def test_documented_errors(
    rig: YouTubeRig,
    tmp_path: Path,
    call: tuple[str, str],
    said: tuple[int, str],
    expected: type[PlatformError],
) -> None:
    """V012: an error means what its reason says, and nothing is visible after it."""
    (path, method), (status, reason), destination = call, said, rig.destination()
    token = str(destination.session["access_token"])
    body = error(status, reason, f"no, {token}")
    rig.server.fail(Fault(path, status, body, method=method))
    publication = Row().publication(destination, film(tmp_path))
    with pytest.raises(PlatformError) as failed:
        await bring(rig, publication)
    assert type(failed.value) is expected
    assert f"status {status}: {reason}: no, ***" in failed.value.message
    assert failed.value.message.startswith("YouTube, ")
    assert token not in failed.value.message
    assert rig.server.posts == []


async def test_until_when_quotas_make_wait(rig: YouTubeRig, tmp_path: Path) -> None:
    """The app's quota is reset at midnight Pacific; the channel's limit is one of 24 hours."""
    publication = Row().publication(rig.destination(), film(tmp_path))
    rig.server.inserts_left = 0
    with pytest.raises(RateLimited) as limited:
        await rig.youtube.prepare(publication)
    assert limited.value.scope == "app"
    assert limited.value.until == midnight_pacific(datetime.now(UTC))
    rig.server.inserts_left, rig.server.channel_uploads_left = 1, 0
    with pytest.raises(RateLimited) as limited:
        await rig.youtube.prepare(publication)
    assert limited.value.scope == "account"
    left = limited.value.until - datetime.now(UTC)
    assert timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    assert (rig.server.sessions, publication.handles) == ({}, {})


@pytest.mark.parametrize(
    ("instant", "midnight"),
    [
        ("2026-07-01T06:59:59+00:00", "2026-07-01T07:00:00+00:00"),
        ("2026-07-01T07:00:00+00:00", "2026-07-02T07:00:00+00:00"),
        ("2026-03-08T09:30:00+00:00", "2026-03-09T07:00:00+00:00"),
        ("2026-11-01T07:30:00+00:00", "2026-11-02T08:00:00+00:00"),
    ],
)
async def test_midnight_pacific_over_changes_of_the_clock(instant: str, midnight: str) -> None:
    found = midnight_pacific(datetime.fromisoformat(instant))
    assert found == datetime.fromisoformat(midnight)


async def test_a_file_that_is_no_video(rig: YouTubeRig, tmp_path: Path) -> None:
    content = film(tmp_path)
    content.media[0].path.write_bytes(b"text" * 150_000)
    publication = Row().publication(rig.destination(), content)
    with pytest.raises(Rejected, match="the video is failed: invalidFile; use another file"):
        await bring(rig, publication)
    assert rig.server.posts == []


async def test_a_file_that_is_gone(rig: YouTubeRig, tmp_path: Path) -> None:
    content = film(tmp_path)
    content.media[0].path.unlink()
    with pytest.raises(Rejected, match=r"the file of media .* cannot be read"):
        await rig.youtube.prepare(Row().publication(rig.destination(), content))
    assert rig.server.videos == {}


async def test_an_app_without_an_audit_cannot_publish(rig: YouTubeRig, tmp_path: Path) -> None:
    rig.server.audited = False
    publication = Row().publication(rig.destination(), film(tmp_path))
    with pytest.raises(Rejected, match=r"the video stays private: .* have the app audited"):
        await bring(rig, publication)
    assert rig.server.posts == []
