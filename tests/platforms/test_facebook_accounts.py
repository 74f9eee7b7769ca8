"""Connecting Facebook Pages, and checking posts for them."""

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content, OAuth
from service.platforms.facebook.adapter import Facebook
from service.platforms.failures import AuthFailed, Transient
from service.platforms.setup import App, Setup
from tests.platforms.emulators import Emulators
from tests.platforms.rigs.facebook import FacebookRig
from tests.platforms.rigs.meta import publish
from tests.servers.facebook import SCOPES, FacebookServer
from tests.servers.faults import Fault

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/v1/oauth/facebook/callback"
MIB = 2**20


@pytest.fixture
def server(emulators: Emulators) -> Iterator[FacebookServer]:
    """An empty Page; no test may send what is not documented."""
    yield from emulators.lend(FacebookServer)


@pytest.fixture
def rig(server: FacebookServer, outbound: Outbound) -> FacebookRig:
    return FacebookRig(server, outbound)


@pytest.fixture
def facebook(rig: FacebookRig) -> Facebook:
    assert isinstance(rig.platform, Facebook)
    return rig.platform


def login(platform: Facebook) -> OAuth:
    assert platform.oauth is not None
    return platform.oauth


async def test_connecting_by_hand(facebook: Facebook, server: FacebookServer) -> None:
    credentials = {"access_token": f" {server.value}\n", "refresh_token": server.person_value}
    profile = await facebook.connect("", credentials)
    assert (profile.handle, profile.display_name) == ("almanac.page", "Almanac Page")
    assert profile.base_url == "https://www.facebook.com"
    assert profile.session == {
        "page_id": server.page_id,
        "access_token": server.value,
        "refresh_token": server.person_value,
    }


async def test_connecting_with_wrong_input(facebook: Facebook, server: FacebookServer) -> None:
    """A person's token is no Page's."""
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await facebook.connect("", {"refresh_token": "x"})
    with pytest.raises(AuthFailed, match="this is no Page's token"):
        await facebook.connect("", {"access_token": server.person_value})
    with pytest.raises(AuthFailed, match="Invalid OAuth access token"):
        await facebook.connect("", {"access_token": "EAAGwrong"})
    server.fail(Fault("/me", 503))
    with pytest.raises(Transient):
        await facebook.connect("", {"access_token": server.value})


async def test_logging_in(facebook: Facebook, server: FacebookServer) -> None:
    """Each Page that may be posted to is an account, with its own token and the person's."""
    there = await login(facebook).authorize("", BACK, "the-state", "a-challenge")
    assert there.url.startswith(f"{server.url}/v25.0/dialog/oauth?")
    query = parse_qs(urlsplit(there.url).query)
    assert (query["client_id"], query["state"]) == (["client-id"], ["the-state"])
    assert "pages_manage_posts" in query["scope"][0].split(",")
    server.pages |= {str(number): ["CREATE_CONTENT"] for number in range(3, 120)}
    grants = await login(facebook).exchange("", BACK, server.authorize(), "verifier", {})
    ids = [grant.profile.session["page_id"] for grant in grants]
    assert ids == [server.page_id, *(str(number) for number in range(3, 120))]
    assert [grant.profile.handle for grant in grants] == ["almanac.page", *ids[1:]]
    for grant in grants[:2]:
        session = grant.profile.session
        token = server.tokens[str(session["access_token"])]
        assert (token.kind, token.owner) == ("page", session["page_id"])
        assert session["refresh_token"] == server.person_value


async def test_pages_of_businesses(facebook: Facebook, server: FacebookServer) -> None:
    """Where the person allows it; a Page that is listed twice is one account."""
    own = server.page_id
    server.businesses = {"77": {"owned_pages": [own, "5"], "client_pages": ["6"]}}
    for scope, expected in (("email", [own]), ("business_management", [own, "5", "6"])):
        server.scopes = (*SCOPES, scope)
        grants = await login(facebook).exchange("", BACK, server.authorize(), "verifier", {})
        assert [grant.profile.session["page_id"] for grant in grants] == expected


async def test_a_login_that_fails(
    facebook: Facebook, server: FacebookServer, outbound: Outbound
) -> None:
    exchange = login(facebook).exchange
    with pytest.raises(AuthFailed, match="authorization code has been used"):
        await exchange("", BACK, "AQold", "verifier", {})
    server.scopes = ("pages_show_list", "pages_read_engagement")
    with pytest.raises(AuthFailed, match=r"Not allowed: pages_manage_posts\."):
        await exchange("", BACK, server.authorize(), "verifier", {})
    server.reset()
    server.pages = {"2": ["ANALYZE"]}
    with pytest.raises(AuthFailed, match="there is no Page that may be posted to"):
        await exchange("", BACK, server.authorize(), "verifier", {})
    urls = {"facebook": server.url}
    wrong = Facebook(Setup(outbound, {"facebook": App("client-id", "not-it")}, urls))
    with pytest.raises(AuthFailed, match="validating client secret") as failed:
        await login(wrong).exchange("", BACK, server.authorize(), "verifier", {})
    assert "not-it" not in failed.value.message
    nowhere = Facebook(Setup(outbound))
    assert not login(nowhere).configured
    with pytest.raises(AuthFailed, match="no app there"):
        await login(nowhere).authorize("", BACK, "state", "challenge")


async def test_what_is_refused_at_scheduling(rig: FacebookRig, tmp_path: Path) -> None:
    """G030: every problem at once, by field and code; not what a conversion mends."""
    one, film = rig.picture(tmp_path), rig.video(tmp_path)
    reel = {"kind": "reel"}
    cases: list[tuple[Content, list[str]]] = [
        (Content("a"), []),
        (Content("", link="https://example.com"), []),
        (Content("", media=(one,)), []),
        (Content("", media=(film,), options=reel), []),
        (Content(""), ["text:empty"]),
        (Content("x" * 63_207), ["text:too_long"]),
        (Content("x" * 8_001, kind="comment"), ["text:too_long"]),
        (Content("a", media=(one, film)), ["media:mixed_media"]),
        (Content("a", media=(one,) * 11), ["media:too_many_images"]),
        (Content("a", media=(film, film)), ["media:too_many_videos"]),
        (Content("a", media=(replace(one, size=4_000_001),)), []),
        (Content("a", media=(replace(one, content_type="image/gif"),)), ["media[0]:image_type"]),
        (Content("a", media=(replace(film, seconds=91.0),)), []),
        (
            Content("a", media=(replace(film, seconds=91.0),), options=reel),
            ["media[0]:video_length"],
        ),
        (
            Content("a", media=(replace(film, width=360, height=640),), options=reel),
            ["media[0]:too_small"],
        ),
        (Content("a", options=reel), ["options.kind:reel"]),
        (Content("a", kind="thread"), ["thread:no_threads"]),
    ]
    for content, expected in cases:
        found = rig.platform.validate(content, rig.platform.limits)
        assert [f"{problem.field}:{problem.code}" for problem in found] == expected, content


@pytest.mark.parametrize("kind", ["post", "reel"])
async def test_a_large_video_is_never_whole_in_memory(
    rig: FacebookRig, server: FacebookServer, tmp_path: Path, kind: str
) -> None:
    """48 MiB pass through 8 MiB, the emulator's own buffers included."""
    small = rig.video(tmp_path)
    with small.path.open("r+b") as file:
        file.truncate(48 * MIB)
    server.chunk = 2 * MIB
    media = (replace(small, size=48 * MIB),)
    tracemalloc.start()
    try:
        await publish(rig, Content("Long", media=media, options={"kind": kind}))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    [video] = server.footage.values()
    assert video.received == 48 * MIB
    assert peak < 8 * MIB
