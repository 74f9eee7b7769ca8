"""Hashtags: what is one, what has it, and how often it is used."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.community.rules import MAX_HASHTAG, folded, hashtag_of, hashtags_of, sees
from tests.community.helpers import join, patch, read, remove, say
from tests.support import Installation

LETTERS = st.characters(categories=("Lu", "Ll", "Lo", "Nd"), include_characters="_")


def _is_name(text: str) -> bool:
    """Whether its folded form is a hashtag still: a letter may become several signs."""
    kinds = {unicodedata.category(each)[0] for each in folded(text) if each != "_"}
    return bool(kinds & {"L", "N"}) and kinds <= {"L", "M", "N"}


NAMES = st.text(LETTERS, min_size=1, max_size=20).filter(_is_name)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("#one and #two", ("one", "two")),
        ("#One #ONE #one", ("one",)),
        ("Straße: #STRASSE #straße", ("strasse",)),
        ("#Σίσυφος #ΣΊΣΥΦΟΣ", ("σίσυφοσ",)),
        ("#العربية #नमस्ते #日本語 #한글", ("العربية", "नमस्ते", "日本語", "한글")),
        ("\uff03wide #\uff57ide #\ufb01n", ("wide", "fin")),
        ("#a_1 #2026 #_", ("a_1", "2026")),
        ("#one-two #one.two (#three) #four,#five!", ("one", "three", "four", "five")),
        ("##six #", ("six",)),
        ("a#b C#3 é#f 1#2", ()),
        ("https://a.example/#top http://a.example/x?y=#z www.a.example#b ftp://a/#b", ()),
        ("a.example/#top &#39; &#x27;", ()),
        ("https://a.example/ #after", ("after",)),
        ("", ()),
    ],
)
def test_what_is_a_hashtag(content: str, found: tuple[str, ...]) -> None:
    """N005: letters and digits of any script, folded; none in addresses and words."""
    assert hashtags_of(content) == found


@given(st.text(max_size=300))
def test_any_text_has_proper_hashtags(content: str) -> None:
    """N005: each once, folded for good, of letters, marks, digits and `_` only."""
    names = hashtags_of(content)
    assert len(set(names)) == len(names)
    for name in names:
        assert folded(name) == hashtag_of(f"#{name}") == name
        assert hashtags_of(f"#{name}") == (name,)
        assert all(each == "_" or unicodedata.category(each)[0] in "LMN" for each in name)


@given(st.lists(NAMES, min_size=1, max_size=10))
def test_what_is_written_is_found(names: list[str]) -> None:
    """N005: in the order of the text, in whatever normal form it is written."""
    content = " ".join(f"#{name}" for name in names)
    expected = tuple(dict.fromkeys(folded(name) for name in names))
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        assert hashtags_of(unicodedata.normalize(form, content)) == expected


@given(st.text(max_size=100))
def test_folding_is_final(text: str) -> None:
    """What is kept is found again by itself."""
    assert folded(folded(text)) == folded(text)


@given(NAMES, st.sampled_from(("http://a.example/", "https://", "www.", "ftp://x/y?")))
def test_addresses_have_no_hashtags(name: str, beginning: str) -> None:
    """N005: what stands behind `#` in an address names a part of a page."""
    assert hashtags_of(f"see {beginning}a#{name} there") == ()


@given(st.sampled_from(("public", "followers", "private")), st.booleans(), st.booleans())
def test_who_sees_more_with_more_rights(kind: str, is_author: bool, follows: bool) -> None:
    """Whoever follows sees no less than a stranger, and the author sees all."""
    stranger = sees(kind, is_author=False, follows=False)
    assert sees(kind, is_author=True, follows=follows)
    assert sees(kind, is_author=is_author, follows=True) >= stranger
    assert stranger == (kind == "public")


async def _uses(api: Installation) -> dict[str, int]:
    rows = await api.sql("SELECT name, uses_count FROM hashtags WHERE uses_count > 0")
    return {row.name: row.uses_count for row in rows}


@pytest.mark.asyncio
async def test_uses_follow_the_posts(api: Installation) -> None:
    """N005: posts that are made, changed, hidden and deleted; only public ones count."""
    author = await join(api)
    one = await say(api, author, "#a #B")
    two = await say(api, author, "#b #c https://a.example/#d")
    secret = await say(api, author, "#a #e", visibility="private")
    assert await _uses(api) == {"a": 1, "b": 2, "c": 1}
    await patch(api, f"feed/{one}", content="#b #f")
    assert await _uses(api) == {"b": 2, "c": 1, "f": 1}
    await patch(api, f"feed/{secret}", visibility="public")
    await patch(api, f"feed/{two}", visibility="followers")
    assert await _uses(api) == {"b": 1, "f": 1, "a": 1, "e": 1}
    await patch(api, f"feed/{one}", archived=True)
    assert await _uses(api) == {"b": 1, "f": 1, "a": 1, "e": 1}
    for post in (one, two, secret):
        await remove(api, f"feed/{post}", 204)
    assert await _uses(api) == {}


@pytest.mark.asyncio
async def test_posts_of_a_hashtag(api: Installation) -> None:
    """The newest first, page by page; neither private ones nor archived ones."""
    author = await join(api)
    posts = [await say(api, author, f"{n} #Größe") for n in range(5)]
    await say(api, author, "#größe", visibility="private")
    await say(api, author, "#other")
    await patch(api, f"feed/{posts[1]}", archived=True)
    for name in ("grösse", "GRÖSSE", "%23Größe"):
        shown = await read(api, f"hashtags/{name}")
        assert (shown["name"], shown["uses_count"]) == ("grösse", 5)
    first = await read(api, "hashtags/größe/posts", limit=2)
    await say(api, author, "new #größe")
    second = await read(api, "hashtags/größe/posts", limit=2, cursor=first["next_cursor"])
    ids = [each["id"] for each in (*first["items"], *second["items"])]
    assert ids == [posts[4], posts[3], posts[2], posts[0]]
    assert second["next_cursor"] is None


@pytest.mark.asyncio
async def test_hashtags_that_are_not_there(api: Installation) -> None:
    """404, and 422 for what can be none."""
    await join(api)
    for name in ("nothing", "%23", "' OR 1=1 --", "%"):
        await read(api, f"hashtags/{name}", 404)
        await read(api, f"hashtags/{name}/posts", 404)
    await read(api, f"hashtags/{'x' * (MAX_HASHTAG + 2)}", 422)
    await read(api, "hashtags/a%00", 422)
    stranger = await api.new_key("posts:read", user="bob")
    assert (await api.get("/v1/hashtags", key=stranger)).status_code == 403


@pytest.mark.asyncio
async def test_trending_hashtags_by_rank(api: Installation) -> None:
    """N005: those that trend, in the order in which they do."""
    author = await join(api)
    await say(api, author, "#a #b #c")
    assert (await read(api, "hashtags"))["items"] == []
    await api.sql(
        "UPDATE hashtags SET is_trending = true, trending_uses = 1, trending_at = now(), "
        "trending_rank = CASE name WHEN 'c' THEN 1 ELSE 2 END WHERE name <> 'a'"
    )
    items = (await read(api, "hashtags"))["items"]
    assert [(each["name"], each["trending_rank"]) for each in items] == [("c", 1), ("b", 2)]
