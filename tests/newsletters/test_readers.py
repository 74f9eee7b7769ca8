"""What readers do by the links of mails: nobody gets what they have not confirmed."""

from typing import Any

import httpx
import pytest

from tests.newsletters.publisher import Publisher, link, part
from tests.support import problems

pytestmark = pytest.mark.asyncio
SUBSCRIBE = "/newsletters/garden-news/subscribe"
ADA = {"address": "ada@example.com", "name": "Ada"}


async def states(publisher: Publisher) -> list[tuple[str, str, str]]:
    """Return address, state of the person and of the subscription, by address."""
    rows = await publisher.api.sql(
        "SELECT p.address, p.state, s.state FROM subscribers p"
        " JOIN subscriptions s ON s.subscriber_id = p.id ORDER BY 1"
    )
    return [(row[0], row[1], row[2]) for row in rows]


async def confirm_link(publisher: Publisher) -> str:
    """Send what waits; return the confirm link of the last mail."""
    await publisher.run()
    return link(part(publisher.smtp.mails[-1].message, "plain"), "/n/confirm/")


async def test_a_reader_confirms_by_a_button(publisher: Publisher) -> None:
    """Double opt-in: opening the link changes nothing, for scanners open every link."""
    await publisher.newsletter(public=True)
    http = publisher.api.http
    page = await http.get(SUBSCRIBE)
    assert (page.status_code, "<script" in page.text) == (200, False)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    reply = await http.post(SUBSCRIBE, data=ADA)
    assert reply.status_code == 202
    url = await confirm_link(publisher)
    for _ in range(2):
        assert "Garden News" in (await http.get(url)).text
    assert await states(publisher) == [("ada@example.com", "pending", "pending")]
    for _ in range(2):
        assert (await http.post(url)).status_code == 200
    assert await states(publisher) == [("ada@example.com", "active", "active")]


async def test_nobody_learns_who_is_known(publisher: Publisher) -> None:
    """Unknown, pending, active and suppressed addresses are answered alike, and mailed once."""
    newsletter = await publisher.newsletter(public=True)
    await publisher.readers(newsletter, 1)
    body = {"address": "gone@example.com", "reason": "complaint"}
    await publisher.ok(await publisher.api.post("/v1/emails/suppressions", body), 201)
    answers = set()
    for address in (
        "new@example.com",
        "new@example.com",
        "reader0@example.com",
        "gone@example.com",
    ):
        reply = await publisher.api.http.post(SUBSCRIBE, json={"address": address})
        answers.add((reply.status_code, reply.text))
    assert len(answers) == 1
    await publisher.run()
    assert publisher.got() == {"new@example.com": 1}


@pytest.mark.parametrize(
    "given",
    [{"address": "nobody"}, {"address": "a@example.com\r\nBcc: b@example.com"}, {"address": ""}],
)
async def test_a_bad_address_is_told(publisher: Publisher, given: dict[str, str]) -> None:
    """The form shows why, JSON gets problem details; nothing is written."""
    await publisher.newsletter(public=True)
    form = await publisher.api.http.post(SUBSCRIBE, data=given)
    assert (form.status_code, 'role="alert"' in form.text) == (422, True)
    reply = await publisher.api.http.post(SUBSCRIBE, json=given)
    assert set(problems(reply)) == {"address"}
    assert await publisher.api.count("subscribers") == 0


async def test_who_asks_too_often_waits(publisher: Publisher) -> None:
    """A form that anybody may send is limited by address, as logins are."""
    await publisher.newsletter(public=True)
    codes = [(await publisher.api.http.post(SUBSCRIBE, json=ADA)).status_code for _ in range(40)]
    assert codes[0] == 202
    assert codes[-1] == 429
    await publisher.run()
    assert publisher.got() == {"ada@example.com": 1}


async def test_only_public_newsletters_have_pages(publisher: Publisher) -> None:
    """What is not public is not there."""
    await publisher.newsletter()
    for path in ("subscribe", "archive", "archive/1", "feed.atom"):
        assert (await publisher.api.http.get(f"/newsletters/garden-news/{path}")).status_code == 404
    assert (await publisher.api.http.post(SUBSCRIBE, json=ADA)).status_code == 404
    assert await publisher.api.count("subscribers") == 0


async def test_one_click_unsubscribes(publisher: Publisher) -> None:
    """RFC 8058: a POST without login, cookie or page, as often as it comes; of this newsletter."""
    issue, _ = await publisher.sending(2)
    await publisher.run()
    header = publisher.mail_to("reader0@example.com")["List-Unsubscribe"]
    url = link(header, "/n/unsubscribe/")
    http = publisher.api.http
    assert "Unsubscribe" in (await http.get(url)).text
    assert [state for _, _, state in await states(publisher)] == ["active", "active"]
    for _ in range(2):
        reply = await http.post(url, data={"List-Unsubscribe": "One-Click"})
        assert reply.status_code == 200
    assert await states(publisher) == [
        ("reader0@example.com", "unsubscribed", "unsubscribed"),
        ("reader1@example.com", "active", "active"),
    ]
    counts = (await publisher.read(issue))["counts"]
    assert counts["unsubscribed"] == 1

    newsletter = {"id": issue["newsletter_id"]}
    again = await publisher.issue(newsletter)
    await publisher.act(again, "send")
    await publisher.run()
    assert publisher.got() == {"reader0@example.com": 1, "reader1@example.com": 2}


async def test_coming_back_needs_a_new_confirmation(publisher: Publisher) -> None:
    """An old confirm link brings nobody back who has left."""
    newsletter = await publisher.newsletter(public=True)
    http = publisher.api.http
    await http.post(SUBSCRIBE, json=ADA)
    old = await confirm_link(publisher)
    await http.post(old)
    issue = await publisher.issue(newsletter)
    await publisher.act(issue, "send")
    await publisher.run()
    mail = publisher.smtp.mails[-1].message
    await http.post(link(part(mail, "plain"), "/n/unsubscribe/"))
    assert (await http.post(old)).status_code == 404
    assert await states(publisher) == [("ada@example.com", "unsubscribed", "unsubscribed")]
    await http.post(SUBSCRIBE, json=ADA)
    assert (await http.post(old)).status_code == 404
    await http.post(await confirm_link(publisher))
    assert await states(publisher) == [("ada@example.com", "active", "active")]


async def test_tokens_serve_one_purpose(publisher: Publisher) -> None:
    """A link cannot be guessed, altered, or used for something else; no open redirect."""
    await publisher.sending(1, count_clicks=True)
    await publisher.run()
    html = part(publisher.mail_to("reader0@example.com"), "html")
    click = link(html, "/n/c/")
    token = click.split("/")[3]
    http = publisher.api.http
    replies: list[httpx.Response] = [
        await http.post(f"/n/unsubscribe/{token}"),
        await http.post(f"/n/confirm/{token}"),
        await http.get(f"/n/c/{token}/2"),
        await http.get(f"/n/c/{token}/99999999999999999999"),
        await http.get(f"/n/c/{'A' + token[1:]}/1"),
        await http.get("/n/c/x/1?url=https://evil.example"),
        await http.get("/n/confirm/%F0%9F%98%80"),
    ]
    assert {reply.status_code for reply in replies} == {404}
    assert "reader0" not in html.replace("Reader reader0", "")
    assert await states(publisher) == [("reader0@example.com", "active", "active")]


async def test_the_archive_shows_what_was_sent(publisher: Publisher) -> None:
    """Pages and feed of a public newsletter: sent issues, sanitised, nothing personal."""
    newsletter = await publisher.newsletter(public=True, count_clicks=True, count_opens=True)
    await publisher.readers(newsletter, 1)
    content = "Hi %name%! <script>alert(1)</script> [a](https://e.example)"
    issue = await publisher.issue(newsletter, content=content, subject="Spring & <b>")
    await publisher.issue(newsletter, subject="A draft")
    await publisher.act(issue, "send")
    await publisher.run()
    http = publisher.api.http
    page = (await http.get("/newsletters/garden-news/archive")).text
    assert "Spring &amp; &lt;b&gt;" in page
    assert "A draft" not in page
    one = await http.get("/newsletters/garden-news/archive/1")
    assert "https://e.example" in one.text
    for word in ("<script", "%name%", "%click_url%", "reader0"):
        assert word not in one.text
    assert (await http.get("/newsletters/garden-news/archive/2")).status_code == 404
    feed: Any = await http.get("/newsletters/garden-news/feed.atom")
    assert feed.headers["content-type"] == "application/atom+xml"
    assert "<title>Spring &amp; &lt;b&gt;</title>" in feed.text
    mail = part(publisher.mail_to("reader0@example.com"), "html")
    assert "http://almanac.test/newsletters/garden-news/archive/1" in mail
