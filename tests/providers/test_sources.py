"""Feeds and pages, as they are on the web and as nobody should make them."""

import resource
import time
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from service.kit.outbound import Outbound
from service.providers.sources import reading
from service.providers.sources.contract import MOST_ARTICLES, MOST_TEXT, Article
from service.providers.sources.failures import SourceAway, SourceFailed, SourceRefused
from service.providers.sources.reading import read
from tests.servers.web import WebServer, rss

pytestmark = pytest.mark.asyncio
LIMIT = 5_000_000
ATOM = """<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom">
<title>Atoms</title>
<entry><title type="html">Small &amp;amp; old</title><link href="/old"/>
<updated>2026-01-02T03:04:05Z</updated><summary>Short.</summary>
<content type="html">&lt;p&gt;Long &lt;b&gt;and&lt;/b&gt; bold.&lt;/p&gt;
&lt;script&gt;x()&lt;/script&gt;</content></entry>
<entry><title>Undated</title><link href="javascript:alert(1)"/><summary>None.</summary></entry>
<entry><title>New</title><link href="https://other.example/new"/>
<updated>2026-03-01T00:00:00+02:00</updated><summary>Fresh.</summary></entry></feed>"""
JSON = """{"version": "https://jsonfeed.org/version/1.1", "title": "Jays", "items": [
{"id": "1", "url": "https://jay.example/1", "title": "One", "content_html": "<p>First.</p>",
 "date_published": "2026-02-03T04:05:06+01:00"}, {"id": "2", "content_text": "No title here."}]}"""
SENTENCE = "Bees visit two million flowers for one pound of honey, and nobody pays them for it. "
PAGE = f"""<!doctype html><html><head><title>Bees</title></head><body><nav>Home About Contact</nav>
<article><h1>How bees work</h1><p>{SENTENCE * 4}</p><p>{SENTENCE * 3}</p></article>
<script>track()</script></body></html>"""


@pytest.fixture(scope="module")
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest_asyncio.fixture
async def outbound() -> AsyncIterator[Outbound]:
    async with Outbound(["127.0.0.1"]) as opened:
        yield opened


async def articles(outbound: Outbound, url: str) -> list[Article]:
    """Return what a source has."""
    return list((await read(outbound, url, LIMIT)).articles)


async def refused(outbound: Outbound, url: str, kind: type[SourceFailed] = SourceRefused) -> str:
    """Return why a source cannot be read."""
    with pytest.raises(SourceFailed) as caught:
        await read(outbound, url, LIMIT)
    assert type(caught.value) is kind
    assert caught.value.message.startswith("The source at 127.0.0.1: ")
    return caught.value.message.removeprefix("The source at 127.0.0.1: ")


async def test_atom(web: WebServer, outbound: Outbound) -> None:
    """T001: the newest first, plain text, absolute links of http only."""
    url = web.serve("atom.xml", ATOM, "text/html")
    found = await read(outbound, url, LIMIT)
    assert (found.title, found.url) == ("Atoms", url)
    assert [(a.title, a.url, a.text) for a in found.articles] == [
        ("New", "https://other.example/new", "Fresh."),
        ("Small & old", f"{web.url}/old", "Long and bold."),
        ("Undated", url, "None."),
    ]
    assert [a.published and a.published.isoformat() for a in found.articles] == [
        "2026-02-28T22:00:00+00:00",
        "2026-01-02T03:04:05+00:00",
        None,
    ]


async def test_json_feed(web: WebServer, outbound: Outbound) -> None:
    """T001: JSON Feed 1.1, with entries that have no title."""
    one, two = await articles(outbound, web.serve("feed.json", JSON, "application/feed+json"))
    assert (one.title, one.text, one.url) == ("One", "First.", "https://jay.example/1")
    assert one.published is not None
    assert one.published.isoformat() == "2026-02-03T03:05:06+00:00"
    assert (two.title, two.text) == ("No title here.", "No title here.")


async def test_a_page_instead_of_a_feed(web: WebServer, outbound: Outbound) -> None:
    """T001: the main text of a page, without what stands around it, also after a redirect."""
    url = web.serve("bees", PAGE, "application/rss+xml")
    for asked in (url, f"{web.url}/moved/bees"):
        (page,) = await articles(outbound, asked)
        assert (page.title, page.url) == ("How bees work", asked)
        assert page.text.count("two million flowers") == 7
        assert "Contact" not in page.text
        assert "track" not in page.text


async def test_what_is_kept_is_bounded(web: WebServer, outbound: Outbound) -> None:
    """N061: at most so many articles, the newest, each of so many characters."""
    entries = [(f"No {n}", f"/{n}", f"{n % 28 + 1:02} Jan 2026 00:00:00 GMT", "x y " * 4000)
               for n in range(60)]  # fmt: skip
    found = await articles(outbound, web.serve("many.xml", rss("Many", *entries)))
    assert len(found) == MOST_ARTICLES
    dates = [article.published for article in found if article.published]
    assert dates == sorted(dates, reverse=True)
    assert dates[0].day == 28
    assert {MOST_TEXT - 5 < len(article.text) <= MOST_TEXT for article in found} == {True}


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16"])
async def test_a_wrong_charset(web: WebServer, outbound: Outbound, encoding: str) -> None:
    """A feed that says UTF-8 and is not is read all the same."""
    body = rss("Café", ("Déjà vu", "/1", "", "Über alles")).encode(encoding)
    (found,) = await articles(outbound, web.serve("charset.xml", body, "text/xml"))
    assert (found.title, found.text) == ("Déjà vu", "Über alles")


async def test_bombs_of_xml(web: WebServer, outbound: Outbound) -> None:
    """A billion laughs stay one word, and no file of this machine is read."""
    laughs = '<!ENTITY l0 "lol">' + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10)
    )
    entry = "<item><title>A &l9;</title><description>&l9;</description></item>"
    channel = f"<rss version='2.0'><channel>{entry}</channel></rss>"
    bomb = f"<?xml version='1.0'?><!DOCTYPE x [{laughs}]>{channel}"
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    (found,) = await articles(outbound, web.serve("bomb.xml", bomb))
    assert (found.title, found.text) == ("A &l9;", "&l9;")
    secret = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY l9 SYSTEM 'file:///etc/passwd'>]>"
    (found,) = await articles(outbound, web.serve("passwd.xml", secret + channel))
    assert "root" not in found.title + found.text
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < before + 300_000


async def test_a_feed_of_50_mb(web: WebServer, outbound: Outbound) -> None:
    """N061: refused as soon as the limit has come, not read to its end; a bomb of gzip too."""
    web.sent = 0
    told = await refused(outbound, f"{web.url}/huge/50")
    assert told == (
        "the answer is larger than 5,000,000 bytes; name a smaller feed, or raise "
        "ALMANAC_SOURCE_BYTES"
    )
    assert web.sent < 15_000_000
    assert "larger than 5,000,000 bytes" in await refused(outbound, web.bomb("bomb.gz", 50))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("", "it is empty"),
        ("   \n", "it is empty"),
        ("just words", "it is neither a feed nor a page with a text; name the address of its feed"),
        ("<html><body></body></html>", "it is neither a feed nor a page with a text"),
        ("{}", "it is JSON, but no JSON Feed"),
        ("{nothing", "it looks like JSON, but is none"),
        ('{"a":' * 100_000, "it looks like JSON, but is none"),
        (rss("Nothing"), "it has no entries with a text"),
        (b"\x00\x01\x02\xff" * 1000, "it is neither a feed nor a page with a text"),
    ],
)
async def test_nothing_to_read(
    web: WebServer, outbound: Outbound, body: str | bytes, says: str
) -> None:
    """What has no article is refused, and the text says what to do."""
    assert (await refused(outbound, web.serve("none", body))).startswith(says)


async def test_a_file_made_to_stall_its_reader(
    web: WebServer, outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader is another process: it ends at its time, and this one goes on meanwhile."""
    monkeypatch.setattr(reading, "READING", 1.0)
    begin = time.monotonic()
    told = await refused(outbound, web.serve("stall", b"<" * 4_000_000))
    assert told == "it takes too long to read"
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize(
    ("status", "kind", "says"),
    [
        (404, SourceRefused, "status 404; there is nothing at this address"),
        (401, SourceRefused, "status 401; it wants a login"),
        (410, SourceRefused, "status 410; it is gone for good"),
        (304, SourceRefused, "status 304; name another address"),
        (500, SourceAway, "status 500"),
        (429, SourceAway, "status 429"),
    ],
)
async def test_what_servers_say(
    web: WebServer, outbound: Outbound, status: int, kind: type[SourceFailed], says: str
) -> None:
    """What may be better later is told from what will not."""
    url = web.serve("status", "", status=status, retry_after="30")
    assert (await refused(outbound, url, kind)).startswith(says)
    if kind is SourceAway:
        with pytest.raises(SourceAway) as caught:
            await read(outbound, url, LIMIT)
        assert caught.value.retry_after == 30


async def test_addresses_that_are_not_asked(web: WebServer) -> None:
    """V081: private addresses, also behind a redirect, and what is no URL; a token is not told."""
    web.asked.clear()
    async with Outbound() as strict:
        told = await refused(strict, f"{web.url}/atom.xml?token=s3cret")
        assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in told
        assert "s3cret" not in told
        for url in ("file:///etc/passwd", "http://", "http://user:pw@example.com/", "nonsense"):
            with pytest.raises(SourceRefused):
                await read(strict, url, LIMIT)
    assert web.asked == []
    async with Outbound(["127.0.0.1"]) as outbound:
        assert "more than 5 redirects" in await refused(outbound, f"{web.url}/round")
        for place in ("http://10.0.0.1/", "http://169.254.169.254/latest"):
            url = web.serve("away", "", status=302, location=place)
            assert "ALMANAC_ALLOWED_PRIVATE_HOSTS" in await refused(outbound, url)
        nobody = "http://127.0.0.1:1/feed"
        await refused(outbound, nobody, SourceAway)
