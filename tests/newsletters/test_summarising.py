"""Summaries of the articles' own sentences: which, in what order, in what form."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.newsletters.generating_rules import LONGEST_CONTENT, LONGEST_SUBJECT
from service.newsletters.generating_styles import STYLES
from service.newsletters.generating_summary import summarised
from service.newsletters.summarising import choose, excerpt, split, words
from service.providers.sources.contract import Article, Source

DAY = datetime(2026, 11, 9, 8, tzinfo=UTC)
TEXTS = st.lists(
    st.one_of(st.text(max_size=80), st.sampled_from(["A b c d e f g h i j. ", "。", "؟ ", "\n"])),
    max_size=30,
).map("".join)


def article(title: str, text: str, url: str = "https://news.example/1") -> Article:
    return Article(title, url, DAY, text)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith paid $3.5 million. He left!", ["Dr. Smith paid $3.5 million.", "He left!"]),
        ("U.S. trade fell, e.g. steel. Why?", ["U.S. trade fell, e.g. steel.", "Why?"]),
        ('He said "Really?" Then… nothing.', ['He said "Really?"', "Then… nothing."]),
        ("مرحبا بالعالم؟ نعم. كيف حالك؟", ["مرحبا بالعالم؟", "نعم.", "كيف حالك؟"]),
        ("今天天气很好。我们走吧！好？", ["今天天气很好。", "我们走吧！", "好？"]),  # noqa: RUF001
        ("यह एक वाक्य है। यह दूसरा है।", ["यह एक वाक्य है।", "यह दूसरा है।"]),
        ("A heading\nand a line", ["A heading", "and a line"]),
        ("", []),
    ],
)
def test_where_sentences_end(text: str, sentences: list[str]) -> None:
    """T001: in scripts of Latin, Arabic, Chinese and Devanagari; not after abbreviations."""
    assert split(text) == sentences


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_no_sentence_is_lost(text: str) -> None:
    assert " ".join(split(text)).split() == text.split() or "".join(
        "".join(split(text)).split()
    ) == "".join(text.split())


def test_words_of_scripts_without_spaces() -> None:
    assert words("Solar SOLAR power") == {"solar": 2, "power": 1}
    assert words("太阳能") == {"太阳": 1, "阳能": 1}


def test_articles_about_the_topic_come_first() -> None:
    """T001: by the words of the topic, then by date; the same title counts once."""
    news = [
        article("Football results", "The match ended with two goals for each side."),
        article("Solar panels", "Solar power grows in all cities of the country."),
        article("Solar Panels", "The same again, from another feed."),
        article("Wind", "Wind and solar power together keep the lights on at night."),
    ]
    chosen, about = choose(news, "Solar panels", 5)
    assert ([one.title for one in chosen], about) == (["Solar panels", "Wind"], True)
    chosen, about = choose(news, "Cooking", 2)
    assert ([one.title for one in chosen], about) == (["Football results", "Solar panels"], False)


CITY = (
    "The city council voted for solar panels on every public roof. "
    "Short one. "
    "Solar panels on public roofs will pay for themselves in nine years, the council says. "
    "The council voted for solar panels on all public roofs of the city. "
    "Bus fares stay the same."
)


def test_sentences_that_say_most_and_repeat_least() -> None:
    """T001: LexRank chooses the central one, MMR what does not repeat it, in their order."""
    found = excerpt(article("Council votes", CITY), "solar", 2).sentences
    council = "The city council voted for solar panels on every public roof."
    again = "The council voted for solar panels on all public roofs of the city."
    assert len(found) == 2
    assert not {council, again} <= set(found)
    assert list(found) == sorted(found, key=CITY.index)
    assert excerpt(article("Council votes", CITY), "solar", 1).sentences in {(council,), (again,)}


def test_a_text_that_only_repeats_its_title() -> None:
    assert excerpt(article("Council votes", "Council votes."), "x", 2).sentences == ()
    assert excerpt(article("Council votes", "It did."), "x", 2).sentences == ("It did.",)
    assert excerpt(article("Council votes", ""), "x", 2).sentences == ()


def sources() -> list[Source]:
    """Return two feeds about the same, one of them hostile."""
    city = article("Council votes", CITY, "https://city.example/votes")
    evil = article(
        "# [Click](javascript:x) <b>now</b>",
        "Solar panels are *bad*, says <script>alert(1)</script> this long and odd sentence.",
        "https://odd.example/a(b)",
    )
    return [
        Source("City news", "https://city.example/feed", [city]),
        Source("Odd *news*", "https://odd.example/feed", [evil]),
    ]


def test_the_form_of_a_newsletter() -> None:
    """T001, T024: what it is about, a link, a date and a sentence each, and what it is made of."""
    draft = summarised("solar panels", "concise", sources())
    assert draft.subject == "Solar panels: Council votes"
    assert draft.content == (
        "2 articles about **solar panels**.\n\n"
        "### [Council votes](https://city.example/votes)\n\n"
        "*City news · 9 November 2026*\n\n"
        "The city council voted for solar panels on every public roof.\n\n"
        r"### [# \[Click\](javascript:x) \<b>now\</b>](https://odd.example/a%28b%29)"
        "\n\n"
        r"*Odd \*news\* · 9 November 2026*"
        "\n\n"
        r"Solar panels are \*bad\*, says \<script>alert(1)\</script> this long and odd sentence."
        "\n\n---\n\n**Sources**\n\n"
        "- [City news](https://city.example/feed)\n"
        "- [Odd \\*news\\*](https://odd.example/feed)\n\n"
        "*Put together from sentences of the articles themselves; no language model wrote it.*"
    )
    assert summarised("solar panels", "concise", sources()) == draft


def test_styles_change_length_and_form() -> None:
    """T024: concise has one sentence of each article, detailed three; friendly greets."""
    lengths = {name: len(summarised("solar", name, sources()).content) for name in STYLES}
    assert lengths["concise"] < lengths["friendly"] < lengths["detailed"]
    assert summarised("solar", " Friendly ", sources()).content.startswith("Hello! 2 articles")
    odd = summarised("solar", "as a pirate", sources())
    assert odd == summarised("solar", "concise", sources())


def test_what_it_says_when_nothing_is_about_the_topic() -> None:
    """It is honest: no source mentions the topic."""
    draft = summarised("Cooking", "concise", sources()[:1])
    assert draft.content.startswith(
        "None of the sources mentions **Cooking**; here is what they have: the newest article."
    )


def test_it_keeps_within_its_limits() -> None:
    many = [
        article(
            f"T{n} " + "long title " * 30, "word " * 70 + ". ", "https://e.example/" + "x" * 2000
        )
        for n in range(20)
    ]
    draft = summarised("word " * 100, "detailed", [Source("S" * 300, "https://e.example/", many)])
    assert len(draft.subject) <= LONGEST_SUBJECT
    assert len(draft.content) <= LONGEST_CONTENT
    assert draft.content.endswith("no language model wrote it.*")


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=3, max_size=50), st.text(max_size=50), TEXTS)
def test_any_text_gives_a_newsletter(topic: str, title: str, text: str) -> None:
    """T001: whatever a feed has, there is a subject of one line, and the content is bounded."""
    one = article(title, text)
    draft = summarised(topic, "detailed", [Source("S", "https://s.example/", [one])])
    assert len(draft.subject.splitlines()) == 1
    assert draft.subject.isprintable() or not draft.subject.isascii()
    assert len(draft.content) <= LONGEST_CONTENT
