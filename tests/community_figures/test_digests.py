"""The weekly digest: who gets it, what is in it, once a week; and how one leaves it."""

from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
import time_machine

from service.community import digests, leaving
from service.kit.ids import uuid7
from tests.community_figures.helpers import DAY, HOUR, NOON, Community, nobody_asks
from tests.community_figures.mails import body, mail_server, run_job
from tests.servers.smtp import SmtpServer
from tests.support import Installation

pytestmark = pytest.mark.asyncio
smtp = pytest_asyncio.fixture(mail_server)
RECENT = NOON - 2 * DAY


async def send(community: Community) -> tuple[int, int]:
    counted = await digests.send_digests(community.api.runtime, nobody_asks)
    return counted.seen, counted.changed


async def keys(community: Community) -> set[str]:
    rows = await community.api.sql("SELECT key FROM emails WHERE kind = 'digest'")
    return {row.key for row in rows}


async def several(community: Community) -> dict[str, UUID]:
    """Add three active members, and some who get no digest."""
    columns: dict[str, dict[str, Any]] = {
        "Ada": {"last_active_at": RECENT},
        "Ben <b>": {"last_active_at": NOON - 7 * DAY + timedelta(minutes=1)},
        "Cleo": {"last_active_at": NOON},
        "Idle": {"last_active_at": NOON - 7 * DAY - timedelta(minutes=1)},
        "Never": {"last_active_at": None},
        "Out": {"last_active_at": RECENT, "digest_opt_out": True},
        "Gone": {"last_active_at": RECENT, "is_active": False},
    }
    return {
        name: await community.member(name, email=f"{name[:3].lower()}@example.com", **values)
        for name, values in columns.items()
    }


async def test_active_members_get_the_right_posts_once(
    community: Community, smtp: SmtpServer
) -> None:
    """N009: 3 active, 1 idle, 1 opted out: 3 mails, each named; a second run sends none."""
    members = await several(community)
    author = members["Never"]
    await community.post(author, DAY, content="second", likes_count=5, comments_count=1)
    await community.post(author, 2 * DAY, content="first", likes_count=5, comments_count=2)
    await community.post(None, DAY, content="third <i>", likes_count=4)
    await community.post(author, DAY, content="PRIVATE", likes_count=9, visibility="private")
    await community.post(author, DAY, content="CLOSE", likes_count=9, visibility="followers")
    await community.post(author, DAY, content="ARCHIVED", likes_count=9, archived_at=NOON)
    await community.post(author, 8 * DAY, content="OLD", likes_count=9)
    await run_job(community, "send_digests", smtp, {"members": 7, "sent": 3})
    mails = {mail.recipients[0]: mail.message for mail in smtp.mails}
    assert set(mails) == {"ada@example.com", "ben@example.com", "cle@example.com"}
    assert len(smtp.mails) == 3
    for address, name in (("ada@example.com", "Ada"), ("ben@example.com", "Ben <b>")):
        check_digest(mails[address], name)
    await run_job(community, "send_digests", smtp, {"members": 7, "sent": 0})
    assert len(smtp.mails) == 3


def check_digest(mail: EmailMessage, name: str) -> None:
    """The mail names its reader and has the posts in their order, in both of its forms."""
    assert name in mail["Subject"]
    plain, html = body(mail, "plain"), body(mail, "html")
    assert name in plain
    assert name.replace("<", "&lt;").replace(">", "&gt;") in html
    for text in (plain, html):
        places = [text.index(word) for word in ("first", "second", "third")]
        assert places == sorted(places)
        assert not any(word in text for word in ("PRIVATE", "CLOSE", "ARCHIVED", "OLD"))
        assert "_name_" not in text, "no placeholder is left"
    assert "third &lt;i&gt;" in html
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link.startswith("http://almanac.test/digest/leave/")
    assert link in plain
    assert link in html


async def test_next_week_there_is_another(community: Community) -> None:
    """N009: the key is of the ISO week in UTC, and so the last Sunday is of the old one."""
    ada = await community.member("Ada", last_active_at=NOON)
    await community.post(ada, content="Hello")
    assert await send(community) == (1, 1)
    with time_machine.travel(NOON + 4 * DAY + 11 * HOUR, tick=True):  # Sunday, 23:00
        assert await send(community) == (1, 0)
    with time_machine.travel(NOON + 4 * DAY + 12 * HOUR, tick=True):
        assert await send(community) == (1, 1)
    assert await keys(community) == {f"digest:2026-W47:{ada}", f"digest:2026-W48:{ada}"}


async def test_a_week_without_posts_has_no_digest(community: Community) -> None:
    """N009: neither in an empty community, nor where all posts are old or private."""
    assert await send(community) == (0, 0)
    ada = await community.member("Ada", last_active_at=NOON)
    await community.post(ada, 8 * DAY)
    await community.post(ada, visibility="private")
    assert await send(community) == (0, 0)
    assert await community.api.count("emails") == 0


async def test_ten_posts_and_what_those_you_follow_posted(community: Community) -> None:
    """N009: ties go to the newest; followed posts are public, of the week, three at most."""
    ada = await community.member("Ada", last_active_at=NOON)
    ben = await community.member("Ben", last_active_at=NOON)
    await community.follow(ada, ben)
    for number in range(12):
        age = DAY + number * HOUR
        await community.post(None, age, content=f"top-{number:02}.", likes_count=20)
    for number in range(5):
        await community.post(ben, DAY, content=f"ben-{number}.", likes_count=number)
    await community.post(ben, DAY, content="ben-secret", likes_count=9, visibility="followers")
    await community.post(ben, 8 * DAY, content="ben-old", likes_count=9)
    assert await send(community) == (2, 2)
    rows = await community.api.sql("SELECT name, text FROM emails")
    texts = {row.name: row.text for row in rows}
    for text in texts.values():
        assert [f"top-{n:02}." in text for n in range(12)] == [True] * 10 + [False] * 2
    mine = [word for word in texts["Ada"].split() if word.startswith("ben-")]
    assert mine == ["ben-4.", "ben-3.", "ben-2."]
    assert "ben-" not in texts["Ben"]


async def test_what_members_write_cannot_pass_for_a_placeholder(community: Community) -> None:
    """N009: no post, and no name, puts anything of others into a mail."""
    ada = await community.member("%name% {{ 7*7 }}", last_active_at=NOON)
    await community.post(ada, content="%leave% %name_0% {{ 7*7 }} <mj-include path='x'/>")
    assert await send(community) == (1, 1)
    ((html, text),) = await community.api.sql("SELECT html, text FROM emails")
    for form in (html, text):
        assert "%leave% %name_0% {{ 7*7 }}" in form
        assert "49" not in text
    assert "&lt;mj-include" in html


async def test_a_killed_run_mails_nobody_twice(
    community: Community, monkeypatch: pytest.MonkeyPatch
) -> None:
    """N009: whichever batch it dies after, all get one digest."""
    monkeypatch.setattr(digests, "MAILS", 2)
    members = [await community.member(f"M{n}", last_active_at=NOON) for n in range(7)]
    await community.post(None)

    def die(part: float) -> None:
        if part > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await digests.send_digests(community.api.runtime, die)
    assert len(await keys(community)) == 4
    assert await send(community) == (7, 7)
    assert await keys(community) == {f"digest:2026-W47:{member}" for member in members}
    assert await community.api.count("emails") == 7
    await community.api.sql("DELETE FROM community_passes")
    assert await send(community) == (7, 0), "and the key holds without the pass"


async def left(community: Community, member: UUID) -> bool:
    return bool((await community.column("members", "digest_opt_out"))[member])


async def test_leaving_by_the_page_and_by_one_click(
    community: Community, api: Installation
) -> None:
    """N009: opening the link changes nothing; the button, or a mail program's POST, does."""
    ada, ben = [await community.member(name, last_active_at=NOON) for name in ("Ada", "Ben")]
    await community.post(None)
    link = f"/digest/leave/{leaving.token(api.runtime.keyring, ada)}"
    page = await api.http.get(link)
    assert page.status_code == 200
    assert '<form method="post">' in page.text
    assert "no-store" in page.headers["Cache-Control"]
    assert not await left(community, ada)
    for _ in range(2):
        clicked = await api.http.post(link, data={"List-Unsubscribe": "One-Click"})
        assert clicked.status_code == 200
        assert "no more digests" in clicked.text
    assert await left(community, ada)
    assert not await left(community, ben)
    (entry,) = await community.api.sql("SELECT actor, action FROM audit_log")
    assert tuple(entry) == (f"member:{ada}", "members.leave_digests")
    assert await send(community) == (2, 1)
    assert await keys(community) == {f"digest:2026-W47:{ben}"}


async def test_links_that_nobody_made(community: Community, api: Installation) -> None:
    """N059: a link that is cut, changed or of another member's does nothing."""
    ada = await community.member("Ada")
    keyring = api.runtime.keyring
    good = leaving.token(keyring, ada)
    other = leaving.token(keyring, uuid7())
    for bad in (good[:-2], good[:22] + other[22:], "AAAA", "%C3%A9", "-", good + "A"):
        for method in ("GET", "POST"):
            reply = await api.http.request(method, f"/digest/leave/{bad}")
            assert reply.status_code == 404, bad
            assert "not complete" in reply.text
    assert not await left(community, ada)
    assert (await api.http.post(f"/digest/leave/{other}")).status_code == 200, "is gone by now"
