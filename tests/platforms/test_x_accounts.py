"""Accounts of X: connecting them, what they may post, their figures, taking posts back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content, Published, Reference
from service.platforms.failures import AuthFailed, Rejected, Transient
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rigs.x import BUSY, GIF, POST, XRig, forbidden, gif, picture, video
from tests.servers.faults import Fault
from tests.servers.x import XServer

pytestmark = pytest.mark.asyncio


@pytest.fixture
def server(emulators: Emulators) -> Iterator[XServer]:
    yield from emulators.lend(XServer)


@pytest.fixture
def rig(server: XServer, outbound: Outbound) -> XRig:
    return XRig(server, outbound)


async def test_connecting_reads_the_account(rig: XRig, server: XServer) -> None:
    token = server.logins.issue()["access_token"]
    profile = await rig.platform.connect("", {"access_token": f" {token}\n"})
    assert (profile.handle, profile.display_name) == ("alice", "Alice A.")
    assert profile.base_url == "https://x.com"
    assert profile.limits == rig.platform.limits
    assert profile.session == {"user_id": XServer.user_id}


@pytest.mark.parametrize(
    "account", [("Basic", "none"), ("PremiumPlus", "blue"), ("None", "business")]
)
async def test_a_subscription_has_limits_of_its_own(
    rig: XRig, server: XServer, account: tuple[str, str]
) -> None:
    server.subscription_type, server.verified_type = account
    token = server.logins.issue()["access_token"]
    profile = await rig.platform.connect("", {"access_token": token})
    assert profile.limits.text_units == 25_000
    assert profile.limits.video is not None
    assert profile.limits.video.seconds == (0.5, 7_500)


async def test_connecting_with_wrong_input(rig: XRig, server: XServer) -> None:
    """A wrong token is no expired one: there is no account yet that could be renewed."""
    with pytest.raises(InvalidInput, match=r"credentials\.access_token: Missing"):
        await rig.platform.connect("", {})
    assert server.calls == []
    with pytest.raises(AuthFailed, match="X, reading the account: status 401") as refused:
        await rig.platform.connect("", {"access_token": "wrong-wrong-wrong"})
    assert type(refused.value) is AuthFailed
    assert "wrong-wrong" not in refused.value.message


async def test_what_only_x_finds_wrong(rig: XRig, tmp_path: Path) -> None:
    def codes(content: Content) -> list[tuple[str, str]]:
        problems = rig.platform.validate(content, rig.platform.limits)
        return [(problem.field, problem.code) for problem in problems]

    cat, moving = picture(tmp_path), gif(tmp_path)
    large = image(tmp_path, GIF + bytes(9_000_000), content_type="image/gif")
    too_large = image(tmp_path, GIF + bytes(15_000_000), content_type="image/gif")
    assert codes(Content("a", media=(large,))) == []
    assert codes(Content("a", media=(too_large,))) == [("media[0]", "image_too_large")]
    [problem] = rig.platform.validate(Content("a", media=(too_large,)), rig.platform.limits)
    assert problem.message == "15,000,006 bytes; of a GIF at most 15,000,000 are allowed."
    assert codes(Content("a", media=(cat, moving))) == [("media", "mixed_media")]
    assert codes(Content("a", media=(cat, video(tmp_path, 100)))) == [("media", "mixed_media")]
    assert codes(Content("a", media=(cat,) * 5)) == [("media", "too_many_images")]
    assert codes(Content("a", media=(video(tmp_path, 100),) * 2)) == [("media", "too_many_videos")]
    assert codes(Content("$TSLA up, $5 and US$ and a$AAPL")) == []
    assert codes(Content("$TSLA and $aapl.b!")) == [("text", "too_many_cashtags")]
    assert codes(Content("a", options={"community_id": "x.com/i/c/1"})) == [
        ("options.community_id", "option")
    ]
    assert codes(Content("a", options={"reply_settings": "nobody"})) == [
        ("options.reply_settings", "option")
    ]
    assert codes(Content("x" * 256, link="https://example.com/" + "x" * 400)) == [
        ("text", "too_long")
    ]
    assert codes(Content("x" * 255, link="https://example.com/" + "x" * 400)) == []


async def test_a_post_is_removed_and_removing_it_again_is_no_error(
    rig: XRig, server: XServer
) -> None:
    destination = rig.destination()
    published = await rig.platform.commit(Row().publication(destination, Content("a")))
    assert isinstance(published, Published)
    for _ in range(2):
        await rig.platform.delete(destination, Reference(published.remote_id))
    assert server.posts == []
    server.fail(Fault(POST, 403, forbidden("Not yours."), method="DELETE"))
    with pytest.raises(Rejected, match="X, removing the post: status 403: Forbidden: Not yours"):
        await rig.platform.delete(destination, Reference("1"))


async def test_figures_of_a_post(rig: XRig, server: XServer) -> None:
    """After 30 days X gives no clicks any more; then there are none, rather than zero."""
    destination = rig.destination()
    new, old = server.add_post("new"), server.add_post("old", ago=31 * 86_400)
    public = {"views": 90, "likes": 3, "comments": 2, "shares": 5, "saves": 5}
    assert await rig.platform.metrics(destination, Reference(new)) == {**public, "clicks": 7}
    assert await rig.platform.metrics(destination, Reference(old)) == public
    with pytest.raises(Rejected, match="there is no post 1 any more"):
        await rig.platform.metrics(destination, Reference("1"))
    server.fail(Fault(POST, 503, BUSY))
    with pytest.raises(Transient):
        await rig.platform.metrics(destination, Reference(new))


async def test_figures_of_an_account(rig: XRig, server: XServer) -> None:
    server.add_post("a")
    found = await rig.platform.audience(rig.destination())
    assert found == {"followers": 507, "following": 12, "posts": 1}
