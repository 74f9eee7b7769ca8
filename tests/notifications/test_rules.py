"""Titles, links and mails of what users are told, for any text."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.notifications import own_rules


@dataclass
class Told:
    title: str
    text: str = ""
    link: str | None = None


@given(st.text())
def test_the_title_of_any_message_with_words_can_be_one(message: str) -> None:
    """T029."""
    title = own_rules.title_of(message)
    wrong = {problem.field for problem in own_rules.problems(title, "", None, None)}
    assert wrong == ({"title"} if not title else set())
    assert len(title) <= own_rules.MAX_TITLE


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("Hello", "Hello"),
        ("\n\n  First   line \nsecond", "First line"),
        ("x" * 201, "x" * 199 + "…"),
        ("a\x00b\u202ec", "abc"),
        (" \n\t", ""),
    ],
)
def test_titles(message: str, title: str) -> None:
    """T029."""
    assert own_rules.title_of(message) == title


@pytest.mark.parametrize(
    ("link", "fine"),
    [
        ("/posts/1?a=b#c", True),
        ("https://example.com/a", True),
        ("//evil.example/", False),
        ("/\\evil.example", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://me:pw@example.com/", False),
        ("/a b", False),
        ("/a\u202e", False),
        ("posts", False),
        ("", False),
        ("/" + "x" * 2048, False),
    ],
)
def test_links(link: str, fine: bool) -> None:
    """What cannot lead elsewhere than it seems, or run in the page."""
    assert (own_rules.link_problem(link) is None) == fine


@given(st.integers(1, 120))
def test_a_digest_tells_of_each_or_counts_it(count: int) -> None:
    """None is left out without a word."""
    told = [Told(f"title {number}.") for number in range(count)]
    text = own_rules.digest_text(told, "https://a.example")
    shown = sum(f"title {number}." in text for number in range(count))
    assert shown == min(count, own_rules.MOST_IN_DIGEST)
    assert (f"And {count - shown} more" in text) == (count > shown)
