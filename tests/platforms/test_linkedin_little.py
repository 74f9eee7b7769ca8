"""LinkedIn's `little` format: nothing of a text is lost, hashtags can be clicked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms.linkedin.little import RESERVED, escape, little, plain
from tests.servers.linkedin_rules import shown

TEXTS = st.text(st.one_of(st.sampled_from(RESERVED + " #ab1\n.:/"), st.characters()))


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("Plain text, of 100 %.", "Plain text, of 100 %."),
        ("(a) [b] {c} <d>", r"\(a\) \[b\] \{c\} \<d\>"),
        (r"\ | @ * _ ~", r"\\ \| \@ \* \_ \~"),
        ("See #wool now", r"See {hashtag|\#|wool} now"),
        ("#snake_case!", r"{hashtag|\#|snake\_case}!"),
        ("a#b #1 # x", r"a\#b \#1 \# x"),
        ("https://x.example/a_b#c", r"https://x.example/a\_b\#c"),
        (r"{hashtag|\#|no}", r"\{hashtag\|\\\#\|no\}"),
        ("#größe #日本", r"{hashtag|\#|größe} {hashtag|\#|日本}"),
    ],
)
def test_what_is_sent(text: str, sent: str) -> None:
    assert little(text) == sent


@given(TEXTS)
def test_people_see_the_text(text: str) -> None:
    """By our own reading and by the emulator's, which cuts at a character that is not escaped."""
    assert plain(little(text)) == text
    assert shown(little(text)) == text
    assert shown(escape(text)) == text


def test_an_unescaped_text_is_cut() -> None:
    """The emulator does what LinkedIn does: without this the test above would prove nothing."""
    assert shown("Wool (100 %) is warm") == "Wool "
    assert shown("") == ""


def test_what_linkedin_gives_back() -> None:
    assert plain("{hashtag|#|wool} and {hashtag|\\#|silk\\_2}") == "#wool and #silk_2"
