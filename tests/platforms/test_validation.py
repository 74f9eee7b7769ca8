"""What people are told about a post before it is taken."""

from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidInput, Problem
from service.kit.outbound import Outbound
from service.platforms.contract import Content, CredentialField, MediaFile
from service.platforms.lengths import length
from service.platforms.limits import Limits
from service.platforms.registry import ALIASES, build
from service.platforms.sandbox import adapter
from service.platforms.setup import Setup
from service.platforms.validation import check_credentials, problems, server_root

PLATFORMS = build(Setup(Outbound()))


def check(platform: str, content: Content) -> list[Problem]:
    return PLATFORMS[platform].validate(content, PLATFORMS[platform].limits)


def picture(content_type: str = "image/jpeg", size: int = 1000, alt: str = "") -> MediaFile:
    return MediaFile(UUID(int=1), Path("nowhere"), content_type, size, alt)


@pytest.mark.parametrize(
    ("platform", "at_most"),
    [
        ("mastodon", "x" * 500),
        ("mastodon", "👩‍🚀" * 500),
        ("mastodon", "https://example.com/" + "a" * 500 + " " + "x" * 476),
        ("mastodon", "@bob@" + "server." * 20 + "example " + "x" * 495),
        ("bluesky", "👩‍🚀" * 272 + "x" * 8),
        ("bluesky", "x" * 300),
        ("bluesky", "文" * 300),
        ("x", "x" * 280),
        ("x", "文" * 140),
        ("x", "https://example.com/" + "a" * 500 + " " + "x" * 256),
        ("webhook", "x" * 100_000),
        ("feed", "x" * 100_000),
    ],
)
def test_exact_limits_of_texts(platform: str, at_most: str) -> None:
    """G030: limits are data, and counted in each platform's own unit."""
    assert check(platform, Content(at_most)) == []
    [problem] = check(platform, Content(at_most + "x"))
    assert (problem.field, problem.code) == ("text", "too_long")
    assert problem.message.startswith("Too long by 1: ")


def test_bluesky_also_limits_bytes() -> None:
    """272 astronauts are 272 characters and 2,992 bytes; one more is over 3,000."""
    [problem] = check("bluesky", Content("👩‍🚀" * 273))
    assert problem == Problem(
        "text",
        "Too long by 3: 3,003 bytes in UTF-8, at most 3,000 are allowed.",
        "too_long",
    )


def test_the_messages_say_how_much_and_what_is_allowed() -> None:
    content = Content(
        "x" * 281,
        media=(picture("image/bmp", 6_000_000, "a" * 1001), *[picture()] * 4),
    )
    jpeg_and_more = "image/jpeg, image/png, image/gif, image/webp"
    assert check("x", content) == [
        Problem(
            "text",
            "Too long by 1: 281 characters as X counts them, at most 280 are allowed.",
            "too_long",
        ),
        Problem("media", "5 images; at most 4 are allowed.", "too_many_images"),
        Problem(
            "media[0]", f"image/bmp is not taken here; allowed: {jpeg_and_more}.", "image_type"
        ),
        Problem("media[0]", "6,000,000 bytes; at most 5,000,000 are allowed.", "image_too_large"),
        Problem(
            "media[0].alt",
            "Too long by 1: 1,001 characters, at most 1,000 are allowed.",
            "too_long",
        ),
    ]


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("text", ["", " \n\t"])
def test_an_empty_post_is_refused(platform: str, text: str) -> None:
    assert "empty" in [problem.code for problem in check(platform, Content(text))]


def test_a_link_or_an_image_alone_is_a_post() -> None:
    assert check("feed", Content("", link="https://example.com")) == []
    assert check("bluesky", Content("", link="https://example.com")) == []
    assert check("mastodon", Content("", media=(picture(),))) == []


def test_instagram_needs_an_image() -> None:
    """It takes JPEG only, but others are made into one."""
    [problem] = check("instagram", Content("caption"))
    assert (problem.field, problem.code) == ("media", "media_required")
    assert check("instagram", Content("caption", media=(picture("image/png"),))) == []
    [problem] = check("instagram", Content("caption", media=(picture("image/bmp"),)))
    assert problem.message == "image/bmp is not taken here; allowed: image/jpeg."
    assert check("instagram", Content("x" * 2200, media=(picture(),) * 10)) == []
    codes = {p.code for p in check("instagram", Content("x" * 2201, media=(picture(),) * 11))}
    assert codes >= {"too_long", "too_many_images"}


def test_chats_take_no_images() -> None:
    limits = Limits(text_units=2000, unit="characters", images=0, image_types=())
    codes = [p.code for p in problems(Content("a", media=(picture(),)), "a", limits)]
    assert codes == ["too_many_images", "image_type"]


def test_a_text_can_be_required() -> None:
    limits = Limits(text_units=10, unit="characters", text_required=True)
    [problem] = problems(Content("", media=(picture(),)), "", limits)
    assert problem.code == "text_required"


def test_the_link_counts_and_is_checked() -> None:
    [problem] = check("x", Content("x" * 256, link="https://example.com/path"))
    assert problem.message.startswith("Too long by 1: 281 ")
    [problem] = check("feed", Content("a", link="ftp://example.com"))
    assert problem == Problem("link", "The link must begin with http:// or https://.", "link")


def test_half_a_surrogate_pair_is_refused() -> None:
    [problem] = check("feed", Content("a\ud800"))
    assert problem.code == "text_encoding"


@pytest.mark.parametrize(
    ("text", "link", "full"),
    [
        ("a", None, "a"),
        ("a", "https://example.com/b", "a\n\nhttps://example.com/b"),
        ("", "https://example.com/b", "https://example.com/b"),
        ("see https://example.com/b.", "https://example.com/b", "see https://example.com/b."),
        (
            "see https://example.com/bc",
            "https://example.com/b",
            "see https://example.com/bc\n\nhttps://example.com/b",
        ),
    ],
)
def test_the_link_goes_below_a_text_that_does_not_have_it(
    text: str, link: str | None, full: str
) -> None:
    assert Content(text, link).full_text == full


@given(st.text(max_size=400), st.sampled_from(list(PLATFORMS)))
def test_a_text_is_refused_exactly_when_it_is_longer(text: str, platform: str) -> None:
    limits = PLATFORMS[platform].limits
    codes = [p.code for p in problems(Content(text), text, limits)]
    units = length(text, limits.unit, limits.url_units)
    too_many_bytes = limits.text_bytes is not None and len(text.encode()) > limits.text_bytes
    assert codes.count("too_long") == (units > limits.text_units) + too_many_bytes


def test_credentials_are_checked_all_at_once() -> None:
    fields = {"token": CredentialField("A token."), "note": CredentialField("A note.", False)}
    check_credentials(fields, {"token": "x"})
    with pytest.raises(InvalidInput) as refused:
        check_credentials(fields, {"token": " ", "password": "x"})
    assert refused.value.problems == (
        Problem("credentials.token", "Missing: A token.", "missing"),
        Problem("credentials.password", "Unknown here; known: token, note.", "unknown"),
    )


@pytest.mark.parametrize(
    ("given_url", "root"),
    [
        ("https://Example.com/", "https://example.com"),
        ("https://example.com:8443/@alice?x=1", "https://example.com:8443"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:3000/", "http://[::1]:3000"),
    ],
)
def test_server_roots(given_url: str, root: str) -> None:
    assert server_root(given_url) == root


@pytest.mark.parametrize("given_url", ["", "example.com", "https://u:p@example.com"])
def test_what_is_no_server(given_url: str) -> None:
    with pytest.raises(InvalidInput, match="base_url"):
        server_root(given_url)


def test_the_registry_says_what_is_live() -> None:
    """G030: all nine networks, under the names people use; each can also be a sandbox."""
    networks = {
        *("mastodon", "bluesky", "x", "instagram", "facebook"),
        *("threads", "tiktok", "youtube", "linkedin"),
    }
    assert set(PLATFORMS) == {"feed", "webhook"} | networks
    assert all(platform.live for platform in PLATFORMS.values())
    assert {name for name, platform in PLATFORMS.items() if platform.local} == {"feed"}
    assert PLATFORMS[ALIASES["twitter"]].title == "X"
    for name in networks:
        sandboxed = adapter(PLATFORMS, name, local=True)
        assert (sandboxed.live, sandboxed.local, sandboxed.name) == (False, True, name)
        assert sandboxed.limits == PLATFORMS[name].limits
        assert adapter(PLATFORMS, name, local=False) is PLATFORMS[name]
