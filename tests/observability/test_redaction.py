"""Secrets come out nowhere; what is none stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit import redaction
from service.kit.redaction import MASK, protect, redact, redact_fields

pytestmark = pytest.mark.usefixtures("nothing_known")

LOOKS_SECRET = {
    "postgresql://ada:p@ss@db:5432/almanac": "postgresql://***@db:5432/almanac",
    "redis://:hunter2@cache/0 refuses": "redis://***@cache/0 refuses",
    "GET https://x.test/a?code=q1&page=2&access_token=t": (
        "GET https://x.test/a?code=***&page=2&access_token=***"
    ),
    "Authorization: Basic dXNlcjpwYXNzd29yZA==\nHost: x": "Authorization: ***\nHost: x",
    "Cookie: a=b; c=d\r\nnext": "Cookie: ***\r\nnext",
    "sent Bearer abc.DEF-123": "sent Bearer ***",
    "{'token': 'a \\'b', 'page': 2}": "{'token': ***, 'page': 2}",
    '{"api_key": "a\\"b", "page": 2}': '{"api_key": ***, "page": 2}',
    'in {\\"secret\\": \\"a b\\", \\"page\\": 2}': 'in {\\"secret\\": ***, \\"page\\": 2}',
    'password="cut off here and': "password=***",
    "PGPASSWORD=xyz psql": "PGPASSWORD=*** psql",
    "wrong password: Tr0ub4dor": "wrong password: ***",
    "key almanac_dGhpcyBpcyBhIHNlY3JldA was used": "key *** was used",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": MASK,
    "jwt eyJhbGciOiJFUzI1NksifQ.eyJzY29wZSI6ImF0cHJvdG8ifQ.x-y_z!": "jwt ***!",
    "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----\n": "***\n",
}
LOOKS_PLAIN = (
    "Invalid token: expired",
    "SECRET_KEY is unset: credentials could not be decrypted after a move",
    "password: must have at least 12 characters",
    "max_tokens=512, tokens: 3, key=a",
    "https://mastodon.test/@ada and https://example.org/?page=2&key_figure=3",
    "unsigned; the bearer token is missing; basic authentication",
    "almanac_test and almanac:publishing",
    "job post:0b7f succeeded: posts.publish",
)


@pytest.mark.parametrize(("text", "shown"), LOOKS_SECRET.items())
def test_what_looks_like_a_secret_is_masked(text: str, shown: str) -> None:
    """V083, T082: by its form, and once is enough."""
    assert redact(text) == shown
    assert redact(shown) == shown


@pytest.mark.parametrize("text", LOOKS_PLAIN)
def test_other_text_stays(text: str) -> None:
    """An error that tells nothing helps nobody."""
    assert redact(text) == text


SECRETS = st.text(
    st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=8, max_size=40
)
AROUND = st.text(st.sampled_from("ab =:\"'\\/@?&\n*%{}") | st.characters(), max_size=30)


@given(secret=SECRETS, before=AROUND, after=AROUND, split=st.integers(0, 40))
def test_a_known_secret_never_comes_out(secret: str, before: str, after: str, split: int) -> None:
    """V083: whatever stands around it."""
    redaction._Process.known = ()
    protect(secret)
    for text in (f"{before}{secret}{after}", f"{before}{secret * 2}{after}"):
        assert secret not in redact(text)
    fields = redact_fields({"event": before + secret, "more": [{"deep": (secret + after,)}]})
    assert secret not in str(fields["event"])
    assert secret not in fields["more"][0]["deep"][0]


@given(text=st.text(st.sampled_from("abcdefghij klmnop.,;!()\n-_0123456789"), max_size=200))
def test_text_without_a_hint_is_the_very_same(text: str) -> None:
    redaction._Process.known = ()
    assert redact(text) is text


@given(parts=st.lists(st.sampled_from([*LOOKS_SECRET, *LOOKS_PLAIN, " ", "x", "İ", "\n", "="])))
def test_the_quick_look_misses_nothing(parts: list[str]) -> None:
    """It only says where to begin: what the forms find alone is what is masked."""
    text = "".join(parts)
    begin = redaction._HINTS.search(text.lower())
    if begin is None:
        assert redaction._FORMS.search(text) is None
    assert MASK not in text or redact(text) == redact(redact(text))


def test_urls_are_known_by_their_password() -> None:
    """As it stands in the URL, and as it is."""
    protect(
        "postgresql://almanac:s3cr%2Ft%40pass@db/almanac",
        "redis://:short@cache",
        "unix:///run/valkey?password=in-the-query",
    )
    text = "almanac at db: s3cr/t@pass, s3cr%2Ft%40pass, short, in-the-query"
    assert redact(text) == "almanac at db: ***, ***, short, ***"


def test_a_value_is_masked_for_its_name() -> None:
    """V083: whatever it is, however deep; figures and names stay."""
    line = {
        "event": "connected",
        "tries": 2,
        "tokens": 3,
        "headers": {"Authorization": ["x"], "accept": "json"},
        "api_key": "x",
        "password": None,
    }
    assert redact_fields(line) == {
        "event": "connected",
        "tries": 2,
        "tokens": 3,
        "headers": {"Authorization": MASK, "accept": "json"},
        "api_key": MASK,
        "password": None,
    }


def test_an_object_is_shown_by_its_masked_text() -> None:
    class Account:
        def __repr__(self) -> str:
            return "Account(token='abc')"

    assert redact_fields({"account": Account()}) == {"account": "Account(token=***)"}


def test_what_goes_in_circles_ends() -> None:
    circle: list[object] = []
    circle.append(circle)
    assert "…" in str(redact_fields({"event": circle}))


def test_long_texts_cost_little_more_than_their_length() -> None:
    """No form begins again at each letter: these would take minutes."""
    pieces = ("token", "eyJ", "://", 'secret="', "\\", "password: ", "bearer ", "-----BEGIN ", "a")
    for piece in pieces:
        redact(piece * (60_000 // len(piece)))
