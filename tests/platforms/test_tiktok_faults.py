"""Videos for TikTok when something goes wrong: crashes, lost answers, expired uploads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.kit.outbound import Outbound
from service.platforms.contract import Absent, Content, Published, Refused, Wait
from service.platforms.failures import (
    Ambiguous,
    AuthFailed,
    PlatformError,
    RateLimited,
    Rejected,
    TokenExpired,
    Transient,
)
from service.platforms.tiktok.chunks import CHUNK
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row
from tests.platforms.rigs import tiktok as rig
from tests.platforms.rigs.tiktok import EVERYONE, TikTokRig, video
from tests.servers.faults import Fault
from tests.servers.tiktok import TikTokServer

pytestmark = pytest.mark.asyncio

LARGE = 3 * CHUNK + 7


@pytest.fixture
def server(emulators: Emulators) -> Iterator[TikTokServer]:
    yield from emulators.lend(TikTokServer)


@pytest.fixture
def account(server: TikTokServer, outbound: Outbound) -> TikTokRig:
    return TikTokRig(server, outbound)


@pytest.mark.parametrize("saved", range(1, 6))
async def test_after_a_crash_at_any_save_another_process_goes_on(
    account: TikTokRig, server: TikTokServer, tmp_path: Path, saved: int
) -> None:
    """G010: nothing is opened twice, and at most one chunk is sent again."""
    row, content = Row(), Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE)
    publication = account.publication(content, row)
    keep = publication.save

    async def crash(handles: dict[str, object]) -> None:
        await keep(handles)
        if len(row.handles) == saved:
            raise KeyboardInterrupt

    publication.save = crash
    with pytest.raises(KeyboardInterrupt):
        await account.take(publication)
    again = account.again(publication, row)
    if "accepted" not in again.handles:
        if "closing" in again.handles:
            assert await account.platform.reconcile(again) == Absent()
        await account.take(again)
    await account.finish(again)
    assert len(server.posts) == len(server.works) == 1
    assert server.uploaded == LARGE
    assert server.violations == []


async def test_a_crash_before_the_end_of_the_upload_was_stored_is_found_out(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    row, content = Row(), Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE)
    publication = account.publication(content, row)
    await account.take(publication)
    before = [handles for handles in row.handles if "accepted" not in handles][-1]
    again = Row().publication(publication.destination, content, handles=before)
    assert isinstance(await account.platform.reconcile(again), Wait)
    server.ripen()
    found = await account.platform.reconcile(again)
    assert isinstance(found, Published)
    assert [post["id"] for post in server.posts] == [found.remote_id]


async def test_a_chunk_whose_answer_is_lost_is_not_sent_again(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(
        Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE)
    )
    server.fail(Fault(rig.CHUNK, lost=True, method="PUT"))
    with pytest.raises(Transient):
        await account.platform.prepare(publication)
    await account.take(publication)
    await account.finish(publication)
    assert server.uploaded == LARGE
    assert len(server.posts) == 1


async def test_a_lost_answer_to_the_last_chunk_is_looked_up_and_nothing_is_opened_anew(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.platform.prepare(publication)
    server.fail(Fault(rig.CHUNK, lost=True, method="PUT"))
    with pytest.raises(Ambiguous, match="the post may be there"):
        await account.platform.commit(publication)
    assert isinstance(await account.platform.reconcile(publication), Wait)
    server.ripen()
    found = await account.platform.reconcile(publication)
    assert isinstance(found, Published)
    assert [post["id"] for post in server.posts] == [found.remote_id]
    assert len(server.works) == 1


async def test_a_last_chunk_that_never_arrived_is_sent_once_more(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(
        Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE)
    )
    await account.platform.prepare(publication)
    server.fail(Fault(rig.CHUNK, 502, method="PUT"))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    assert await account.platform.reconcile(publication) == Absent()
    await account.take(publication)
    await account.finish(publication)
    assert len(server.posts) == len(server.works) == 1
    assert server.uploaded == LARGE


async def test_a_repeat_that_meets_a_last_chunk_that_had_arrived_stays_unclear(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """TikTok refuses what it has already: that is no proof that nothing is out."""
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.platform.prepare(publication)
    server.fail(Fault(rig.CHUNK, lost=True, method="PUT"))
    for _ in range(2):
        with pytest.raises(Ambiguous):
            await account.platform.commit(publication)
    assert isinstance(await account.platform.reconcile(publication), Wait)
    assert len(server.works) == 1


async def test_an_upload_that_has_ended_begins_anew(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """Upload URLs work for an hour."""
    row = Row()
    publication = account.publication(
        Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE), row
    )
    await account.platform.prepare(publication)
    server.advance(3_601)
    with pytest.raises(Transient, match=r"status 403: .* it will be sent anew"):
        await account.platform.commit(publication)
    assert row.handles[-1] == {}
    await account.take(publication)
    await account.finish(publication)
    assert (len(server.works), len(server.posts)) == (2, 1)


async def test_an_upload_that_tiktok_gave_up_begins_anew(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    row = Row()
    publication = account.publication(
        Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE), row
    )
    await account.platform.prepare(publication)
    [work] = server.works.values()
    work.status, work.fail_reason = "FAILED", "internal"
    with pytest.raises(Transient, match="internal; it will be sent anew"):
        await account.platform.prepare(publication)
    assert row.handles[-1] == {}
    await account.take(publication)
    await account.finish(publication)
    assert len(server.posts) == 1


@pytest.mark.parametrize("unclear", [False, True])
async def test_an_upload_that_is_not_known_begins_anew_unless_its_end_was_sent(
    account: TikTokRig, server: TikTokServer, tmp_path: Path, unclear: bool
) -> None:
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.platform.prepare(publication)
    if unclear:
        server.fail(Fault(rig.CHUNK, 500, method="PUT"))
        with pytest.raises(Ambiguous):
            await account.platform.commit(publication)
    server.fail(Fault(rig.STATUS, 400, rig.error("invalid_publish_id")))
    with pytest.raises(Transient, match="invalid_publish_id"):
        await account.platform.prepare(publication)
    assert ("publish_id" in publication.handles) == unclear
    await account.take(publication)
    await account.finish(publication)
    assert len(server.works) == (1 if unclear else 2)
    assert len(server.posts) == 1


async def test_an_uncertain_upload_that_nobody_can_complete_is_given_up(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.platform.prepare(publication)
    server.fail(Fault(rig.CHUNK, 500, method="PUT"))
    with pytest.raises(Ambiguous):
        await account.platform.commit(publication)
    publication.handles["begun"] = 1.0
    assert await account.platform.reconcile(publication) == Absent()
    assert publication.handles == {}
    await account.take(publication)
    await account.finish(publication)
    assert (len(server.works), len(server.posts)) == (2, 1)


async def test_a_token_that_ends_during_the_upload_costs_nothing(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    publication = account.publication(
        Content("a", media=(video(tmp_path, LARGE),), options=EVERYONE)
    )
    server.fail(Fault(rig.CHUNK, 502, method="PUT"))
    with pytest.raises(Transient):
        await account.platform.prepare(publication)
    server.expire_access()
    with pytest.raises(TokenExpired):
        await account.platform.prepare(publication)
    publication.destination.session = await account.platform.refresh(publication.destination)
    await account.take(publication)
    await account.finish(publication)
    assert len(server.works) == len(server.posts) == 1
    assert server.uploaded == LARGE


FAILED: list[tuple[str, type[PlatformError]]] = [
    ("file_format_check_failed", Rejected),
    ("duration_check_failed", Rejected),
    ("frame_rate_check_failed", Rejected),
    ("picture_size_check_failed", Rejected),
    ("publish_cancelled", Rejected),
    ("spam_risk", Rejected),
    ("something_new", Rejected),
    ("internal", Transient),
    ("video_pull_failed", Transient),
    ("spam_risk_too_many_posts", RateLimited),
    ("auth_removed", AuthFailed),
]


@pytest.mark.parametrize(("reason", "expected"), FAILED)
async def test_what_tiktok_gives_up(
    account: TikTokRig,
    server: TikTokServer,
    tmp_path: Path,
    reason: str,
    expected: type[PlatformError],
) -> None:
    """Nothing is out then, so that a passing reason leads to a new publication."""
    row = Row()
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE), row)
    await account.take(publication)
    server.fail_reason = reason
    server.ripen()
    before = account.again(publication, row)
    with pytest.raises(expected, match=reason) as failed:
        await account.platform.check(publication)
    assert type(failed.value) is expected
    assert row.handles[-1] == {}
    if expected is Rejected:
        assert await account.platform.reconcile(before) == Refused(failed.value.message)
    elif expected is Transient:
        assert await account.platform.reconcile(before) == Absent()
    server.fail_reason = ""
    if expected is not Rejected:
        await account.take(publication)
        await account.finish(publication)
        assert len(server.posts) == 1


async def test_while_it_is_processed_an_outage_is_waited_for(
    account: TikTokRig, server: TikTokServer, tmp_path: Path
) -> None:
    """A post that TikTok has taken must not fail because nobody could ask for it."""
    publication = account.publication(Content("a", media=(video(tmp_path),), options=EVERYONE))
    await account.take(publication)
    server.fail(Fault(rig.STATUS, 500, rig.error("internal_error")))
    server.fail(Fault(rig.STATUS, 429, rig.error("rate_limit_exceeded")))
    server.fail(Fault(rig.STATUS, 400, rig.error("invalid_publish_id")))
    for _ in range(3):
        assert isinstance(await account.platform.check(publication), Wait)
    await account.finish(publication)
    assert len(server.posts) == 1
