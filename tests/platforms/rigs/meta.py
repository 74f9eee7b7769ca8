"""Steps and errors that the tests of Meta's platforms share."""

from datetime import UTC, datetime

from service.platforms.contract import Content, Publication, Published, Wait
from tests.platforms.helpers import Row
from tests.platforms.rig import Rig
from tests.servers.faults import Fault


def graph(path: str, code: int, subcode: int | None = None, *, status: int = 400) -> Fault:
    """Return an error of the Graph API, for the writing requests of a path."""
    body = {"message": f"Error {code}", "type": "OAuthException", "code": code, "fbtrace_id": "Zz"}
    if subcode is not None:
        body["error_subcode"] = subcode
    return Fault(path, status, {"error": body}, method="POST")


def stamped(publication: Publication) -> Publication:
    """Note the beginning of the first commit, as the caller does."""
    publication.committed_since = publication.committed_since or datetime.now(UTC)
    return publication


def resumed(rig: Rig, row: Row, earlier: Publication) -> Publication:
    """Return what another worker starts with: what was saved."""
    return row.publication(
        rig.destination(),
        earlier.content,
        handles=row.handles[-1] if row.handles else {},
        committed_since=earlier.committed_since,
    )


async def ready(rig: Rig, publication: Publication) -> Publication:
    """Upload until the post can be committed."""
    for _ in range(3):
        await rig.platform.prepare(publication)
        if await rig.platform.check(publication) is None:
            return stamped(publication)
        rig.ripen()
    raise AssertionError("never ready")


async def publish(rig: Rig, content: Content) -> Published:
    """Publish a post."""
    publication = await ready(rig, Row().publication(rig.destination(), content))
    published = await rig.platform.commit(publication)
    if isinstance(published, Wait):
        assert isinstance(await rig.platform.check(publication), Wait)
        rig.ripen()
        assert await rig.platform.check(publication) is None
        published = await rig.platform.commit(publication)
    assert isinstance(published, Published)
    return published
