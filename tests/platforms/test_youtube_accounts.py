"""Connecting a channel, keeping its tokens, and what is checked of a video beforehand."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from service.errors import InvalidInput
from service.kit.outbound import Outbound
from service.platforms.contract import Content
from service.platforms.failures import AuthFailed, Rejected, Transient
from service.platforms.setup import App, Setup
from service.platforms.youtube.adapter import YouTube
from service.platforms.youtube.video import LIMITS
from tests.platforms.emulators import Emulators
from tests.platforms.helpers import image
from tests.platforms.rigs.youtube import OPTIONS, YouTubeRig, film, video
from tests.servers.faults import Fault
from tests.servers.youtube import CHANNEL, YouTubeServer
from tests.servers.youtube_google import SCOPE, s256

pytestmark = pytest.mark.asyncio

HOME = "https://almanac.test/callback"


@pytest.fixture
def rig(emulators: Emulators, outbound: Outbound) -> Iterator[YouTubeRig]:
    for server in emulators.lend(YouTubeServer):
        yield YouTubeRig(server, outbound)


async def test_connecting_by_a_refresh_token(rig: YouTubeRig) -> None:
    token = rig.server.tokens.issue_refresh()
    profile = await rig.youtube.connect("", {"refresh_token": f" {token} "})
    assert (profile.handle, profile.display_name) == ("ada", "Ada's channel")
    assert profile.base_url == "https://www.youtube.com"
    assert profile.limits == LIMITS
    assert profile.session["refresh_token"] == token
    assert profile.session["channel_id"] == CHANNEL
    assert profile.session["access_token"] in rig.server.tokens.access
    assert "expires_at" in profile.session


async def test_a_channel_that_is_not_verified_has_shorter_videos(rig: YouTubeRig) -> None:
    rig.server.long_uploads = "eligible"
    profile = await rig.youtube.connect("", {"access_token": rig.server.tokens.issue()})
    assert profile.limits.video is not None
    assert profile.limits.video.seconds == (1, 900)


async def test_connecting_with_wrong_input(rig: YouTubeRig) -> None:
    with pytest.raises(InvalidInput, match="give a refresh token or an access token"):
        await rig.youtube.connect("", {"access_token": "  "})
    with pytest.raises(InvalidInput, match="Unknown here; known: refresh_token, access_token"):
        await rig.youtube.connect("", {"password": "x"})
    with pytest.raises(AuthFailed, match="YouTube, reading the channel: status 401: authError"):
        await rig.youtube.connect("", {"access_token": "ya29.wrong"})
    with pytest.raises(AuthFailed, match=r"invalid_grant.*connect the account again") as refused:
        await rig.youtube.connect("", {"refresh_token": "1//wrong"})
    assert "1//wrong" not in refused.value.message


async def test_the_refresh_token_stays_when_google_sends_none(rig: YouTubeRig) -> None:
    destination = rig.destination()
    old = dict(destination.session)
    rig.expire_tokens()
    destination.session = await rig.youtube.refresh(destination)
    assert destination.session["refresh_token"] == old["refresh_token"]
    assert destination.session["channel_id"] == CHANNEL
    assert destination.session["access_token"] != old["access_token"]
    assert await rig.youtube.audience(destination) == {"followers": 34, "posts": 0, "views": 1200}


async def test_an_account_that_cannot_be_renewed(rig: YouTubeRig) -> None:
    destination = rig.destination()
    rig.revoke()
    with pytest.raises(AuthFailed, match=r"renewing the session: invalid_grant.*revoked"):
        await rig.youtube.refresh(destination)
    del destination.session["refresh_token"]
    with pytest.raises(AuthFailed, match="has expired: connect the account again"):
        await rig.youtube.refresh(destination)
    rig.server.fail(Fault("/token", 503))
    with pytest.raises(Transient):
        await rig.youtube.refresh(rig.destination())


async def test_the_browser_flow(rig: YouTubeRig) -> None:
    oauth = rig.youtube.oauth
    assert oauth is not None
    assert oauth.configured
    verifier = "v" * 43
    page = await oauth.authorize("", HOME, "state-1", s256(verifier))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert urlsplit(page.url).path == "/o/oauth2/v2/auth"
    assert asked == {
        "client_id": "client-id",
        "redirect_uri": HOME,
        "response_type": "code",
        "scope": SCOPE,
        "access_type": "offline",
        "prompt": "consent",
        "state": "state-1",
        "code_challenge": s256(verifier),
        "code_challenge_method": "S256",
    }
    rig.server.tokens.codes["code-1"] = asked["code_challenge"]
    with pytest.raises(AuthFailed, match="exchanging the code"):
        await oauth.exchange("", HOME, "code-0", verifier, {})
    [grant] = await oauth.exchange("", HOME, "code-1", verifier, {})
    assert grant.profile.handle == "ada"
    assert grant.profile.session["refresh_token"] in rig.server.tokens.refresh
    with pytest.raises(AuthFailed):
        await oauth.exchange("", HOME, "code-1", verifier, {})


async def test_a_login_that_allows_too_little(rig: YouTubeRig) -> None:
    oauth = rig.youtube.oauth
    assert oauth is not None
    answer = {"access_token": rig.server.tokens.issue(), "scope": "openid"}
    rig.server.fail(Fault("/token", 200, answer))
    with pytest.raises(AuthFailed, match=r"Not allowed: .*youtube.force-ssl"):
        await oauth.exchange("", HOME, "code", "v" * 43, {})


async def test_without_an_app(rig: YouTubeRig, outbound: Outbound) -> None:
    oauth = YouTube(Setup(outbound)).oauth
    assert oauth is not None
    assert not oauth.configured
    with pytest.raises(AuthFailed, match="no app there"):
        await oauth.authorize("", HOME, "s", "c")


async def test_an_app_whose_secret_is_wrong(rig: YouTubeRig, outbound: Outbound) -> None:
    """That is the operator's fault: the account's own tokens are good."""
    apps = {"youtube": App("client-id", "another")}
    youtube = YouTube(Setup(outbound, apps=apps, urls={"youtube": rig.server.url}))
    with pytest.raises(Rejected, match="invalid_client"):
        await youtube.refresh(rig.destination())


async def test_what_is_good_is_not_refused(rig: YouTubeRig, tmp_path: Path) -> None:
    for name, content in rig.contents(tmp_path).items():
        assert rig.youtube.validate(content, LIMITS) == [], name
    assert rig.youtube.validate(Content("Nice", kind="comment"), LIMITS) == []


async def test_all_problems_of_a_video_at_once(rig: YouTubeRig, tmp_path: Path) -> None:
    options = {"title": "a <b>", "privacy": "friends", "tags": ["x y"] * 85, "place": "here"}
    long = replace(video(tmp_path), seconds=50_000, content_type="video/x-unknown")
    content = Content("ü" * 2_501 + ">", media=(long,), options=options)
    found = {problem.field: problem.message for problem in rig.youtube.validate(content, LIMITS)}
    assert found == {
        "text": "The characters < and > are not allowed here.",
        "media[0]": "50000 s long; 1 to 43200 s are allowed.",
        "options.privacy": "'friends' is not one of public, unlisted, private.",
        "options.place": (
            "Unknown here; known: title, made_for_kids, privacy, category, tags, "
            "synthetic, notify_subscribers."
        ),
        "options.made_for_kids": (
            "Missing: Whether the video is made for children; the law wants an answer."
        ),
        "options.title": "The characters < and > are not allowed here.",
        "options.tags": (
            "Too long by 9: 509 characters, with commas and with quotes around tags that have "
            "spaces, at most 500 are allowed."
        ),
    }
    messages = [problem.message for problem in rig.youtube.validate(content, LIMITS)]
    assert "Too long by 3: 5,003 bytes in UTF-8, at most 5,000 are allowed." in messages


async def test_an_image_alone_is_no_video(rig: YouTubeRig, tmp_path: Path) -> None:
    content = Content("a", media=(image(tmp_path),), options=OPTIONS)
    [problem] = rig.youtube.validate(content, LIMITS)
    assert (problem.field, problem.code) == ("media", "video")
    nothing = rig.youtube.validate(replace(content, media=()), LIMITS)
    assert [problem.code for problem in nothing] == ["media_required"]
    two = replace(film(tmp_path), media=(video(tmp_path), video(tmp_path)))
    assert [problem.code for problem in rig.youtube.validate(two, LIMITS)] == ["too_many_videos"]
