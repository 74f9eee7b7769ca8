"""Connecting Instagram accounts, keeping their tokens alive, and checking posts for them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content, Destination, MediaFile, OAuth
from service.platforms.failures import AuthFailed, RateLimited, TokenExpired, Transient
from service.platforms.instagram.adapter import Instagram
from service.platforms.setup import App, Setup
from service.platforms.tokens import expires_at
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import Row, image
from tests.platforms.rig import APP
from tests.platforms.rigs.instagram import InstagramRig
from tests.platforms.rigs.meta import publish, ready
from tests.servers.faults import Fault
from tests.servers.instagram import InstagramServer
from tests.servers.meta import LONG

pytestmark = pytest.mark.asyncio

BACK = "https://almanac.example/v1/oauth/instagram/callback"


@pytest.fixture
def server(emulators: Emulators) -> Iterator[InstagramServer]:
    """An empty Instagram; no test may send what is not documented."""
    yield from emulators.lend(InstagramServer)


@pytest.fixture
def rig(server: InstagramServer, outbound: Outbound) -> InstagramRig:
    return InstagramRig(server, outbound)


@pytest.fixture
def instagram(rig: InstagramRig) -> Instagram:
    assert isinstance(rig.platform, Instagram)
    return rig.platform


def lasting(session: dict[str, object]) -> timedelta:
    end = expires_at(session)
    assert end is not None
    return end - datetime.now(UTC)


def login(platform: Instagram) -> OAuth:
    assert platform.oauth is not None
    return platform.oauth


async def test_connecting_by_hand_renews_a_token_that_is_old_enough(
    instagram: Instagram, server: InstagramServer
) -> None:
    """So its end is known, and the old one is not needed any more."""
    old = server.value
    profile = await instagram.connect("", {"access_token": f" {old}\n"})
    assert (profile.handle, profile.display_name) == ("almanac.test", "Almanac")
    assert profile.base_url == "https://www.instagram.com"
    assert profile.limits == Instagram.limits
    assert profile.session["user_id"] == server.user_id
    assert profile.session["access_token"] == server.value != old
    assert LONG - timedelta(minutes=1) < lasting(profile.session) <= LONG


async def test_connecting_by_hand_with_a_young_token(
    instagram: Instagram, server: InstagramServer
) -> None:
    """It is not renewed before it is a day old: the caller tries then, as its end is unknown."""
    young = server.give_token(server.user_id)
    profile = await instagram.connect("", {"access_token": young})
    assert profile.session["access_token"] == young
    due = lasting(profile.session) - instagram.refresh_before
    assert timedelta(hours=23) < due <= timedelta(days=1)


async def test_connecting_with_wrong_input(instagram: Instagram, server: InstagramServer) -> None:
    with pytest.raises(InvalidInput, match="access_token: Missing"):
        await instagram.connect("", {})
    with pytest.raises(AuthFailed, match="Instagram, reading the account: Invalid OAuth"):
        await instagram.connect("", {"access_token": "EAAGwrong"})
    server.fail(Fault("/refresh_access_token", 503))
    with pytest.raises(Transient) as failed:
        await instagram.connect("", {"access_token": server.value})
    assert server.value not in failed.value.message


async def test_renewing_keeps_what_else_the_session_holds(
    rig: InstagramRig, server: InstagramServer
) -> None:
    destination = rig.destination()
    renewed = await rig.platform.refresh(destination)
    assert renewed["access_token"] == server.value != destination.session["access_token"]
    assert renewed["user_id"] == server.user_id
    assert LONG - timedelta(minutes=1) < lasting(renewed) <= LONG


async def test_what_cannot_be_renewed(rig: InstagramRig, server: InstagramServer) -> None:
    """Expired, revoked, or younger than a day: a person has to log in; a 5xx passes."""
    destination = rig.destination()
    server.fail(Fault("/refresh_access_token", 500))
    with pytest.raises(Transient):
        await rig.platform.refresh(destination)
    server.advance(timedelta(days=61))
    with pytest.raises(
        AuthFailed, match=r"renewing the token.*connect the account again"
    ) as failed:
        await rig.platform.refresh(destination)
    assert not isinstance(failed.value, TokenExpired)
    destination.session["access_token"] = server.give_token(server.user_id)
    with pytest.raises(AuthFailed, match="24 hours old"):
        await rig.platform.refresh(destination)
    rig.revoke()
    with pytest.raises(AuthFailed):
        await rig.platform.refresh(destination)


async def test_a_token_that_expires_between_upload_and_commit(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """The new one publishes the container that the old one made."""
    destination = rig.destination()
    content = rig.contents(tmp_path)["image"]
    publication = await ready(rig, Row().publication(destination, content))
    rig.expire_tokens()
    with pytest.raises(TokenExpired):
        await rig.platform.commit(publication)
    destination.session = await rig.platform.refresh(destination)
    await rig.platform.commit(publication)
    assert (len(server.posts), len(server.containers)) == (1, 1)


async def test_logging_in(instagram: Instagram, server: InstagramServer) -> None:
    """The code gives a token of an hour, that one the token of 60 days."""
    assert login(instagram).configured
    there = await login(instagram).authorize("", BACK, "the-state", "a-challenge")
    assert there.url.startswith(f"{server.url}/oauth/authorize?")
    query = parse_qs(urlsplit(there.url).query)
    assert (query["client_id"], query["state"]) == (["client-id"], ["the-state"])
    assert (query["redirect_uri"], query["response_type"]) == ([BACK], ["code"])
    assert "instagram_business_content_publish" in query["scope"][0].split(",")
    code = server.authorize()
    [grant] = await login(instagram).exchange("", BACK, f"{code}#_", "verifier", {})
    assert grant.profile.handle == "almanac.test"
    assert grant.profile.session["access_token"] == server.value
    assert lasting(grant.profile.session) > timedelta(days=59)
    with pytest.raises(AuthFailed, match="logging in: status 400: Invalid authorization code"):
        await login(instagram).exchange("", BACK, code, "verifier", {})


async def test_a_login_that_allows_too_little(
    instagram: Instagram, server: InstagramServer
) -> None:
    server.scope = "instagram_business_basic"
    with pytest.raises(AuthFailed, match="Not allowed: instagram_business_content_publish"):
        await login(instagram).exchange("", BACK, server.authorize(), "verifier", {})


async def test_a_login_that_fails(
    instagram: Instagram, server: InstagramServer, outbound: Outbound
) -> None:
    for status, expected in ((500, Transient), (429, RateLimited)):
        server.fail(Fault("/oauth/access_token", status))
        with pytest.raises(expected):
            await login(instagram).exchange("", BACK, server.authorize(), "verifier", {})
    urls = {"instagram": server.url}
    wrong = Instagram(Setup(outbound, {"instagram": App("client-id", "not-it")}, urls))
    with pytest.raises(AuthFailed, match="Invalid platform app") as failed:
        await login(wrong).exchange("", BACK, server.authorize(), "verifier", {})
    assert "not-it" not in failed.value.message
    nowhere = Instagram(Setup(outbound, {"facebook": APP}))
    assert not login(nowhere).configured
    with pytest.raises(AuthFailed, match="no app there"):
        await login(nowhere).authorize("", BACK, "state", "challenge")


def picture(folder: Path, **known: object) -> MediaFile:
    """An image whose measures somebody knows."""
    file = image(folder, content_type=str(known.pop("content_type", "image/jpeg")))
    return replace(file, width=1_000, height=1_000, **known)  # type: ignore[arg-type]  # by name


def video(folder: Path, **known: object) -> MediaFile:
    return picture(folder, content_type="video/mp4", **{"seconds": 10.0, **known})


async def test_what_is_refused_at_scheduling(rig: InstagramRig, tmp_path: Path) -> None:
    """G030, V012: every problem at once, by field and code; not what a conversion mends."""
    images = tuple(picture(tmp_path) for _ in range(6))
    videos = tuple(video(tmp_path) for _ in range(5))
    one, film = images[0], videos[0]
    story, reel = {"kind": "story"}, {"kind": "reel"}
    tags = " ".join(f"#tag{n}" for n in range(31))
    cases: list[tuple[Content, list[str]]] = [
        (Content("a", media=(one,)), []),
        (Content("a", media=(*images[:5], *videos)), []),
        (Content("", media=(film,), options=story), []),
        (Content("a", media=(film,), options=reel), []),
        (Content("text only"), ["media:media_required"]),
        (Content("x" * 2_201, media=(one,)), ["text:too_long"]),
        (Content("x" * 9_000, media=(one,), options=story), []),
        (Content(tags, media=(one,)), ["text:too_many_hashtags"]),
        (Content("@a " * 21, media=(one,)), ["text:too_many_mentions"]),
        (Content("a", media=(*images, *videos)), ["media:too_many_media"]),
        (Content("a", media=(replace(one, content_type="image/png", size=8_000_001),)), []),
        (
            Content("a", media=(replace(one, content_type="image/gif", seconds=2.0),)),
            ["media[0]:image_type"],
        ),
        (
            Content("", media=(replace(film, size=100_000_001),), options=story),
            ["media:video_too_large"],
        ),
        (Content("a", media=(replace(one, height=2_000),)), ["media[0]:ratio"]),
        (Content("a", media=(replace(one, height=2_000),), options=story), []),
        (Content("a", media=(replace(film, seconds=901.0),)), ["media[0]:video_length"]),
        (
            Content("a", media=(replace(film, seconds=61.0),), options=story),
            ["media[0]:video_length"],
        ),
        (Content("a", media=images[:2], options=story), ["media:too_many_images"]),
        (Content("a", media=(one,), options=reel), ["options.kind:reel"]),
        (
            Content("a", media=(film,), options={"thumb_offset": "1s"}),
            ["options.thumb_offset:option"],
        ),
        (
            Content("a", media=(one,), options={"collaborators": ["a", "b", "c", "d"]}),
            ["options.collaborators:option"],
        ),
        (Content("a", media=(one,), options={"kind": "igtv"}), ["options.kind:option"]),
        (Content("a comment", kind="comment"), []),
        (Content("a thread", kind="thread"), ["thread:no_threads"]),
    ]
    for content, expected in cases:
        found = rig.platform.validate(content, rig.platform.limits)
        assert [f"{problem.field}:{problem.code}" for problem in found] == expected, content


async def test_a_destination_without_tokens(rig: InstagramRig, tmp_path: Path) -> None:
    bare = replace(rig.destination(), session={"user_id": "1"})
    publication = Row().publication(bare, rig.contents(tmp_path)["image"])
    with pytest.raises(AuthFailed, match="no access token"):
        await rig.platform.prepare(publication)


async def test_a_token_that_a_person_gave_is_used(
    rig: InstagramRig, server: InstagramServer, tmp_path: Path
) -> None:
    """Until a renewed one stands in the session."""
    given = rig.destination()
    given.credentials = {"access_token": server.value}
    del given.session["access_token"]

    def destination() -> Destination:
        return given

    rig.destination = destination  # type: ignore[method-assign]  # the account under test
    await publish(rig, rig.contents(tmp_path)["image"])
    assert len(server.posts) == 1
