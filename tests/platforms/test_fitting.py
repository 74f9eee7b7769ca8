"""Counting for people, and cutting a text so that a platform takes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms.limits import Limits
from service.platforms.validation import fitted, usage

X = Limits(text_units=20, unit="weighted", url_units=23)
BLUESKY = Limits(text_units=10, unit="graphemes", text_bytes=60)


def fits(text: str, limits: Limits) -> bool:
    return all(used.over <= 0 for used in usage(text, limits))


def test_every_limit_of_a_text_is_counted() -> None:
    family = "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL}"
    assert [(u.count, u.most, u.unit, u.over) for u in usage(family, BLUESKY)] == [
        (1, 10, "characters", -9),
        (18, 60, "bytes in UTF-8", -42),
    ]


@pytest.mark.parametrize(
    ("text", "limits", "shortened"),
    [
        ("The quick brown fox jumps", X, "The quick brown…"),
        ("The quick, brown fox", BLUESKY, "The quick…"),
        ("a" * 50, X, "a" * 18 + "…"),
        ("\N{MAN}\u200d\N{WOMAN} " * 10, BLUESKY, ("\N{MAN}\u200d\N{WOMAN} " * 4).rstrip() + "…"),
    ],
)
def test_a_text_is_cut_behind_a_word(text: str, limits: Limits, shortened: str) -> None:
    found = fitted(text, lambda part: fits(part, limits))
    assert found == shortened


def test_where_nothing_fits_there_is_no_cut() -> None:
    assert fitted("text", lambda part: False) is None


@given(st.text(min_size=11, max_size=300), st.sampled_from([X, BLUESKY]))
def test_what_is_cut_fits_and_begins_the_text(text: str, limits: Limits) -> None:
    found = fitted(text, lambda part: fits(part, limits))
    if found is not None:
        assert fits(found, limits)
        assert text.startswith(found[:-1])
