"""How platforms count, to the character."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms.entities import handle_mentions, hashtags, links
from service.platforms.lengths import UNITS, byte_length, graphemes, length

FAMILY = "👨‍👩‍👧"
FLAG = "🇩🇪"

URLS = [
    "https://example.com",
    "http://a.co/b?c=d#e",
    "https://sub.example.org:8443/" + "long/" * 40,
    "https://de.wikipedia.org/wiki/Liste_(Stadt)",
]
# Piece → what it counts by itself: characters, graphemes, mastodon, weighted, utf16, threads.
PIECES = {
    "a": (1, 1, 1, 1, 1, 1),
    " word": (5, 5, 5, 5, 5, 5),
    "é": (1, 1, 1, 1, 1, 1),
    "Ж": (1, 1, 1, 1, 1, 1),
    "\u10ff": (1, 1, 1, 1, 1, 1),
    "\u1100": (1, 1, 1, 2, 1, 1),
    "\u2014": (1, 1, 1, 1, 1, 1),
    "\u2030": (1, 1, 1, 2, 1, 1),
    "\u2032": (1, 1, 1, 1, 1, 1),
    "\u2038": (1, 1, 1, 2, 1, 1),
    "日本": (2, 2, 2, 4, 2, 2),
    "👍": (1, 1, 1, 2, 2, 4),
    "👍🏽": (2, 1, 1, 2, 4, 8),
    FAMILY: (5, 1, 1, 2, 8, 18),
    FLAG: (2, 1, 1, 2, 4, 8),
    "1️⃣": (3, 1, 1, 2, 3, 7),
    "©": (1, 1, 1, 1, 1, 1),
    "©️": (2, 1, 1, 2, 2, 5),
    "\n": (1, 1, 1, 1, 1, 1),
}


@pytest.mark.parametrize(("text", "counts"), PIECES.items())
def test_pieces(text: str, counts: tuple[int, ...]) -> None:
    assert tuple(length(text, unit, 23) for unit in UNITS) == counts


@given(st.lists(st.sampled_from(list(PIECES)), max_size=60))
def test_pieces_add_up(pieces: list[str]) -> None:
    """A space between pieces keeps them apart; it counts 1 everywhere."""
    text = " ".join(pieces)
    spaces = max(0, len(pieces) - 1)
    for index, unit in enumerate(UNITS):
        assert length(text, unit, 23) == sum(PIECES[piece][index] for piece in pieces) + spaces


@given(st.lists(st.sampled_from(URLS)), st.text("ab .", max_size=20))
def test_every_url_counts_the_same(urls: list[str], rest: str) -> None:
    text = " ".join([*urls, rest])
    for unit in UNITS:
        assert length(text, unit, 23) == len(urls) * 24 + len(rest)


@pytest.mark.parametrize("unit", UNITS)
def test_without_a_fixed_number_a_url_counts_its_own_length(unit: str) -> None:
    assert length("https://example.com/abc", unit) == 23 + 0
    assert length("https://example.com/abcdef", unit) == 26


@given(st.text())
def test_any_text_has_a_length(text: str) -> None:
    assert length(text, "characters") == len(text)
    assert length(text, "graphemes") == len(graphemes(text)) <= len(text)
    assert length(text, "mastodon", 23) >= 0
    assert length(text, "weighted", 23) >= 0
    assert "".join(graphemes(text)) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_normal_forms_weigh_the_same(text: str) -> None:
    """twitter-text counts the composed form, whichever was typed."""
    composed = unicodedata.normalize("NFC", text)
    assert length(unicodedata.normalize("NFD", text), "weighted", 23) == length(
        composed, "weighted", 23
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bytes(text: str) -> None:
    assert byte_length(text) == len(text.encode())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("hello @bob", 10),
        ("hello @bob@a-long-server.example", 10),
        ("@a.b@c.d @x@y.z.", 8),
        ("mail bob@example.com", 20),
        ("https://example.com/@bob@server.example", 23),
        ("(https://example.com).", 26),
        ("http://localhost:8000/abcdefghijkl", 34),
        ("https://", 8),
    ],
)
def test_mastodon_counts_remote_mentions_by_their_local_part(text: str, count: int) -> None:
    assert length(text, "mastodon", 23) == count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("見てhttps://example.jp/aです", 2 + 2 + 23 + 2 + 2),
        ("https://example.com/köln", 23),
        ("x" * 280, 280),
        ("文" * 140, 280),
        (FAMILY * 140, 280),
    ],
)
def test_x_counts_by_weight(text: str, count: int) -> None:
    assert length(text, "weighted", 23) == count


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/b, and", ["https://a.example/b"]),
        ("(https://a.example/b_(c))", ["https://a.example/b_(c)"]),
        ("[https://a.example]!?", ["https://a.example"]),
        ("“https://a.example/b”…", ["https://a.example/b"]),
        ("HTTPS://A.example x", ["HTTPS://A.example"]),
        ("http://127.0.0.1:8000/x", ["http://127.0.0.1:8000/x"]),
        ("xhttps://a.example @https://a.example https://", []),
        ("a.example www.a.example", []),
        ("https://ja.example/wiki/日本", ["https://ja.example/wiki/日本"]),
    ],
)
def test_links(text: str, found: list[str]) -> None:
    spans = links(text)
    assert [span.text for span in spans] == found
    assert [text[span.start : span.end] for span in spans] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("hi @alice.test.", ["@alice.test"]),
        ("(@a-b.c.example) @x.y", ["@a-b.c.example", "@x.y"]),
        ("@alice mail@alice.test @-a.test @a..test @a.1", []),
        ("@alice.test-", ["@alice.test"]),
    ],
)
def test_handles(text: str, found: list[str]) -> None:
    assert [span.text for span in handle_mentions(text)] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("#one #two,#three\n#four.", ["#one", "#two", "#four"]),
        ("#1 # #_a x#y", []),
        ("#été2026 #日本 #👍🏽", ["#été2026", "#日本", "#👍🏽"]),
        ("#" + "a" * 64, ["#" + "a" * 64]),
        ("#" + "a" * 65, []),
    ],
)
def test_hashtags(text: str, found: list[str]) -> None:
    assert [span.text for span in hashtags(text)] == found
