"""The record of a Bluesky post: keys, byte offsets, embeds."""

from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from service.kit.ids import uuid7
from service.platforms.bluesky.post import build, facets, mentioned_handles, post_text, record_key
from service.platforms.contract import Content, MediaFile
from tests.servers.bluesky_lexicon import TID, check_post

BOB = "did:plc:44ybard66vv44zksje25o7dz"
CREATED = "2026-11-21T09:00:00.000+00:00"
ALPHABET = "234567abcdefghijklmnopqrstuvwxyz"


@given(st.uuids())
def test_every_delivery_has_a_valid_key_always_the_same(delivery_id: UUID) -> None:
    key = record_key(delivery_id)
    assert TID.fullmatch(key)
    assert record_key(UUID(str(delivery_id))) == key


def test_the_key_is_of_the_recent_past() -> None:
    number = 0
    for character in record_key(uuid7()):
        number = number << 5 | ALPHABET.index(character)
    age = datetime.now(UTC).timestamp() - (number >> 10) / 1e6
    assert 0 < age < 2 * 102 * 86_400


def test_deliveries_made_together_have_different_keys() -> None:
    """Ten thousand in a moment: two with one key would be one post."""
    ids = [uuid7() for _ in range(10_000)]
    assert len({record_key(delivery_id) for delivery_id in ids}) == 10_000
    assert record_key(uuid4()) != record_key(uuid4())


def covered(text: str, found: list[dict[str, Any]]) -> list[tuple[str, dict[str, str]]]:
    """Read facets back: the bytes they cover and what they are."""
    result = []
    for facet in found:
        index, [feature] = facet["index"], facet["features"]
        piece = text.encode()[index["byteStart"] : index["byteEnd"]].decode()
        result.append((piece, {k: v for k, v in feature.items() if k != "$type"}))
    return result


def test_facets_count_bytes() -> None:
    text = "Grüße 👩‍🚀 @bob.test, siehe https://example.com/ä (#müll #日本) #tag"
    assert covered(text, facets(text, {"bob.test": BOB})) == [
        ("https://example.com/ä", {"uri": "https://example.com/ä"}),
        ("@bob.test", {"did": BOB}),
        ("#日本", {"tag": "日本"}),
        ("#tag", {"tag": "tag"}),
    ]


def test_an_unknown_handle_stays_plain_text() -> None:
    assert facets("hi @nobody.test", {"nobody.test": None}) == []
    assert facets("hi @nobody.test", {}) == []


def test_a_link_wins_over_what_it_overlaps() -> None:
    text = "#a-https://a.example @x.https://b.example"
    assert covered(text, facets(text, {"x.https": BOB})) == [
        ("https://a.example", {"uri": "https://a.example"}),
        ("https://b.example", {"uri": "https://b.example"}),
    ]


def test_handles_are_found_in_any_case_and_once() -> None:
    content = Content("@Bob.test @bob.TEST @al.test")
    assert mentioned_handles(content) == ["bob.test", "al.test"]
    assert len(facets(content.text, {"bob.test": BOB})) == 2


FOUND = [
    "@bob.test",
    "@x.test",
    "#tag",
    "#été",
    "#👍🏽",
    "https://a.example/b?c#d",
    "http://ü.example",
]
OTHERS = ["word", "👩‍🚀", "日本", "\n", "(", ")", ".", ",", "#", "@", "é", "\u200d", "#1", "@bob"]
PIECES = st.sampled_from([*FOUND, *OTHERS])


@given(st.lists(PIECES, max_size=12), st.sampled_from(["", " "]))
def test_any_text_makes_a_valid_record(pieces: list[str], between: str) -> None:
    """The strict lexicon of the emulator is the judge: no offset cuts a character or a word."""
    text = between.join(pieces)
    record = build(Content(text), created_at=CREATED, blobs=[], dids={"bob.test": BOB})
    assert check_post(record) == []
    spans = [facet["index"] for facet in facets(text, {"bob.test": BOB})]
    ordered = sorted((span["byteStart"], span["byteEnd"]) for span in spans)
    assert all(one[1] <= other[0] for one, other in pairwise(ordered))


@given(st.lists(PIECES, max_size=12))
def test_separate_pieces_are_all_found(pieces: list[str]) -> None:
    text = " ".join(pieces)
    found = {piece for piece, _ in covered(text, facets(text, {"bob.test": BOB, "x.test": BOB}))}
    assert found == set(pieces) & set(FOUND)


def test_a_link_is_a_card_unless_images_take_its_place() -> None:
    content = Content("News", link="https://example.com:8443/a")
    record = build(content, created_at=CREATED, blobs=[], dids={})
    assert record == {
        "$type": "app.bsky.feed.post",
        "text": "News",
        "createdAt": CREATED,
        "embed": {
            "$type": "app.bsky.embed.external",
            "external": {
                "uri": "https://example.com:8443/a",
                "title": "example.com:8443",
                "description": "",
            },
        },
    }
    file = MediaFile(uuid7(), Path("x"), "image/png", 1, "A cat", width=40, height=30)
    with_image = Content("News", link="https://example.com/a", media=(file,))
    assert post_text(with_image) == "News\n\nhttps://example.com/a"
    record = build(with_image, created_at=CREATED, blobs=[{"$type": "blob"}], dids={})
    assert record["embed"] == {
        "$type": "app.bsky.embed.images",
        "images": [
            {
                "image": {"$type": "blob"},
                "alt": "A cat",
                "aspectRatio": {"width": 40, "height": 30},
            }
        ],
    }
    assert covered(record["text"], record["facets"]) == [
        ("https://example.com/a", {"uri": "https://example.com/a"})
    ]
