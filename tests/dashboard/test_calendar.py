"""The content calendar: what is planned and what became of it, by month, week and day."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from service.dashboard.calendar import reading as calendar_reading
from service.dashboard.calendar.board import IN_A_CELL
from service.dashboard.calendar.rules import VIEWS
from tests.dashboard.person import HTML, Person, query
from tests.dashboard.planning import HOSTILE, ahead, day_of, own_key, plan, posts_of

pytestmark = pytest.mark.asyncio


async def test_an_empty_calendar_says_what_to_do_next(admin: Person) -> None:
    page = await admin.get("/calendar")
    assert page.title == f"{datetime.now(UTC):%B %Y}"
    assert "No account is connected yet. Connect one , then plan your first post." in page.text
    assert len(page.main.select("table.month td.day")) == 42
    assert page.main.select_one("table caption") is not None
    heads = [cell.get_text(" ", strip=True) for cell in page.main.select("th[scope=col]")]
    assert (heads[0], heads[-1]) == ("Mon Monday", "Sun Sunday")
    today = page.main.select_one("td.today .add")
    assert today is not None
    proposed = datetime.fromisoformat(query(str(today["href"]))["at"][0]).replace(tzinfo=UTC)
    assert timedelta() < proposed - datetime.now(UTC) < timedelta(hours=10), "never the past"
    await admin.api.connect()
    page = await admin.get("/calendar?view=week")
    assert "Nothing is planned on these days." in page.text
    page = await admin.get("/calendar?show=trouble")
    assert "Nothing here matches." in page.text


async def test_each_view_shows_the_posts_of_its_days(admin: Person) -> None:
    """V039: a page says what is planned, with its state, where it stands in time."""
    account = await admin.api.connect()
    later, sooner = ahead(3, 15), ahead(3, 8)
    await plan(admin, "Later", later, account)
    first = await plan(admin, "Sooner", sooner, account)
    await plan(admin, "Long after", ahead(300), account)
    for view in VIEWS:
        page = await admin.get(f"/calendar?view={view}&on={sooner:%Y-%m-%d}")
        assert posts_of(page) == ["Sooner", "Later"]
        links = [str(a["href"]) for a in page.main.select("a.post")]
        assert links[0] == f"/posts/{first}"
        times = [t.get_text(strip=True) for t in page.main.select(".entry time")]
        assert times == ["08:00", "15:00"]
        assert page.main.select_one("[data-live='/live?queue=publishing']") is not None


async def test_times_are_those_of_the_persons_zone(admin: Person) -> None:
    account = await admin.api.connect()
    at = ahead(5, 23, 30)
    await plan(admin, "Near midnight", at, account)
    page = await admin.get("/calendar")
    await admin.send(page, "/preferences", zone="Asia/Kathmandu")
    local = at.astimezone(ZoneInfo("Asia/Kathmandu"))
    assert local.day != at.day
    page = await admin.get(day_of(local))
    assert posts_of(page) == ["Near midnight"]
    assert f"{local:%H:%M}" == "05:15"
    assert "05:15" in page.text
    assert "Times are in Asia/Kathmandu (UTC+05:45). Change" in page.text
    assert posts_of(await admin.get(day_of(at))) == []


async def test_a_cell_shows_some_posts_and_says_how_many_more(admin: Person) -> None:
    account = await admin.api.connect()
    for hour in range(IN_A_CELL + 3):
        await plan(admin, f"Post {hour}", ahead(2, 10 + hour), account)
    at = ahead(2)
    page = await admin.get(f"/calendar?on={at:%Y-%m-%d}")
    assert posts_of(page) == [f"Post {hour}" for hour in range(IN_A_CELL)]
    more = page.main.select_one("a.more-of-day")
    assert more is not None
    assert more.get_text(strip=True).startswith("+3 more")
    page = await admin.get(str(more["href"]))
    assert len(posts_of(page)) == IN_A_CELL + 3
    assert f"{IN_A_CELL + 3} posts: {IN_A_CELL + 3} scheduled." in page.text


async def test_a_day_that_was_not_read_to_its_end_says_so(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(calendar_reading.MOST_READ, "day", 2)
    account = await admin.api.connect()
    for hour in (9, 12, 15):
        await plan(admin, f"At {hour}", ahead(2, hour), account)
    page = await admin.get(day_of(ahead(2)))
    assert posts_of(page) == ["At 9", "At 12"]
    assert "The first 2 of 3 posts." in page.text


async def test_filters_stay_while_one_turns_pages(admin: Person) -> None:
    one, other = await admin.api.connect(), await admin.api.connect()
    at = ahead(4)
    await plan(admin, "To both", at, one, other)
    await plan(admin, "To one", at + timedelta(hours=3), one)
    await plan(admin, "To the other", at + timedelta(hours=5), other)
    cancelled = await plan(admin, "Cancelled", at + timedelta(hours=7), one)
    await admin.api.post(f"/v1/posts/{cancelled}/cancel", {})
    page = await admin.get(day_of(at))
    assert posts_of(page) == ["To both", "To one", "To the other"]
    page = await admin.send(page, "/calendar", account=one)
    assert posts_of(page) == ["To both", "To one"]
    assert "handle2" in page.main.select(".targets")[0].get_text(), "a post is shown whole"
    turned = query(str(page.main.select("a[rel=next]")[0]["href"]))
    assert turned["account"] == [one]
    page = await admin.send(page, "/calendar", account=one, show="cancelled")
    assert posts_of(page) == ["Cancelled"]
    assert query(page.links()["Month"])["show"] == ["cancelled"]
    page = await admin.get(page.links()["Show everything"])
    assert posts_of(page) == ["To both", "To one", "To the other"]


async def test_an_address_that_makes_no_sense_shows_a_calendar(admin: Person) -> None:
    nobody = "0" * 32
    for address, title in {
        "/calendar?view=year&on=yesterday&account=x&show=all": f"{datetime.now(UTC):%B %Y}",
        "/calendar?on=9999-12-31": "December 2100",
        "/calendar?on=0001-01-01&view=week": "27 December 1999 \N{EN DASH} 2 January 2000",
        f"/calendar?on=2100-12-31&view=day&account={nobody}": "Friday 31 December 2100",
    }.items():
        assert (await admin.get(address)).title == title


async def test_past_days_say_what_really_happened(admin: Person) -> None:
    account, other = await admin.api.connect(), await admin.api.connect()
    out = await plan(admin, "Went out", None, account)
    failed = await plan(admin, "Went wrong", None, other)
    await admin.api.work()
    await admin.api.sql(
        "UPDATE deliveries SET due_at = published_at - interval '5 min 1 s' WHERE post_id = :id",
        id=out,
    )
    await admin.api.sql(
        "UPDATE deliveries SET state = 'failed', error = 'Over <b>capacity</b>'"
        " WHERE post_id = :id",
        id=failed,
    )
    ((due,),) = await admin.api.sql("SELECT due_at FROM deliveries WHERE post_id = :id", id=out)
    await admin.api.sql("UPDATE deliveries SET due_at = :at WHERE post_id = :id", at=due, id=failed)
    page = await admin.get(day_of(due))
    assert "5 min 1 s late. See it there" in page.text
    out_link = page.main.select_one(".targets a")
    assert out_link is not None
    assert out_link["rel"] == ["noopener", "nofollow"]
    assert "failed: Over <b>capacity</b>" in page.text
    assert "1 thing to look at" in page.text
    fixed = {str(e["data-post"]): e.has_attr("data-fixed") for e in page.main.select(".entry")}
    assert fixed == {out: True, failed: False}, "what is over stays, what was refused may move"
    month = await admin.get(f"/calendar?on={due:%Y-%m-%d}")
    states = [s["title"] for s in month.main.select(".entry .state")]
    assert sorted(states) == ["failed", "published"]


async def test_conflicts_are_flagged_in_words_and_counted(admin: Person) -> None:
    near, held = await admin.api.connect(), await admin.api.connect()
    busy = await admin.api.connect("x")
    at = ahead(6, 12)
    await plan(admin, "First", at, near)
    await plan(admin, "Ten minutes later", at + timedelta(minutes=10), near)
    await plan(admin, "Same minute", at, held)
    await plan(admin, "Late", at + timedelta(hours=2), near)
    await admin.api.sql("UPDATE accounts SET state = 'needs_reconnect' WHERE id = :id", id=held)
    await admin.api.sql(
        "UPDATE accounts SET limits = limits || '{\"posts_per_day\": 1}' WHERE id = :id", id=busy
    )
    await plan(admin, "One", at, busy)
    await plan(admin, "Too many", at + timedelta(hours=3), busy)
    page = await admin.get(day_of(at))
    flagged = {
        card.select_one(".full-text").get_text(strip=True): card.select_one(".problem").get_text()  # type: ignore[union-attr] # a flagged card has both
        for card in page.main.select(".flagged")
    }
    assert flagged == {
        "Ten minutes later": "! Only 10 min from another post to Feed handle1",
        "Same minute": "! Feed handle2 must be connected again before anything goes out",
        "Too many": "! X takes 1 posts in 24 hours from one account: this is number 2 for handle3",
    }
    assert "3 things to look at" in page.text
    week = await admin.get(f"/calendar?view=week&on={at:%Y-%m-%d}")
    assert "3 things to look at" in week.text
    assert len(week.main.select(".entry.flagged")) == 3


async def test_what_should_be_out_is_called_late(admin: Person) -> None:
    account = await admin.api.connect()
    await plan(admin, "Stuck", ahead(1), account)
    await admin.api.sql(
        "UPDATE deliveries SET due_at = now() - interval '330 s',"
        " next_run_at = now() - interval '330 s'"
    )
    page = await admin.get(day_of(datetime.now(UTC) - timedelta(seconds=330)))
    assert "Late: Feed handle1 should have had it 5 min" in page.text


async def test_free_times_are_the_accounts_usual_hours(admin: Person) -> None:
    account, other = await admin.api.connect(), await admin.api.connect()
    at = ahead(3, 13)
    await plan(admin, "Near noon", at, account)
    page = await admin.get(day_of(at))
    slots = {a.get_text(): str(a["href"]) for a in page.main.select(".free-times li a")}
    assert list(slots) == ["09:00", "12:00", "17:00"]
    assert query(slots["09:00"]) == {"at": [f"{at:%Y-%m-%d}T09:00"], "account": [account, other]}
    assert query(slots["12:00"])["account"] == [other], "an hour before another post is not free"
    week = await admin.get(f"/calendar?view=week&on={at:%Y-%m-%d}&account={account}")
    shown = week.main.select(f"[data-date='{at:%Y-%m-%d}'] .free")
    assert [a.get_text(strip=True) for a in shown] == [
        "09:00 free: Feed handle1",
        "17:00 free: Feed handle1",
    ]
    past = await admin.get(day_of(ahead(-2)))
    assert past.main.select(".free-times") == []


async def test_drafts_wait_at_the_side_and_on_their_day(admin: Person) -> None:
    account = await admin.api.connect()
    await plan(admin, "An idea", None)
    await plan(admin, "For that day", ahead(2, 9), account, draft=True)
    at = ahead(2)
    page = await admin.get(f"/calendar?view=week&on={at:%Y-%m-%d}")
    aside = page.main.select_one("aside.drafts")
    assert aside is not None
    assert "An idea" in aside.get_text()
    assert "For that day" not in aside.get_text()
    entry = page.main.select_one(".week .entry")
    assert entry is not None
    assert {"entry", "draft"} <= set(entry["class"])
    page = await admin.get(f"/calendar?on={at:%Y-%m-%d}&show=planned")
    assert posts_of(page) == []
    page = await admin.get(f"/calendar?on={at:%Y-%m-%d}&show=drafts")
    assert posts_of(page) == ["For that day", "An idea"]


async def test_others_see_and_move_only_their_own(stranger: Person) -> None:
    """Another's posts are not there: neither on the calendar nor for a move."""
    account = await stranger.api.connect()
    theirs = await plan(stranger, "Of the admin", ahead(2, 9), account)
    await plan(stranger, "A draft of the admin", None)
    await stranger.log_in("bob", "posts:read", "posts:write", "settings:write")
    key = await own_key(stranger)
    mine = await stranger.api.connect(key=key)
    body = {"text": "Of bob", "accounts": [mine], "publish_at": ahead(2, 12).isoformat()}
    assert (await stranger.api.post("/v1/posts", body, key=key)).status_code == 201
    for view in VIEWS:
        page = await stranger.get(f"/calendar?view={view}&on={ahead(2):%Y-%m-%d}")
        assert posts_of(page) == ["Of bob"]
        assert "handle1" not in page.text
    page = await stranger.get(f"/calendar?on={ahead(2):%Y-%m-%d}&account={account}")
    assert posts_of(page) == []
    await stranger.get(f"/calendar/move?post={theirs}", 404)
    before = await stranger.api.read_post(theirs)
    sent = {"post": theirs, "date": "2030-01-01", "time": "09:00", "zone": "UTC"}
    csrf = page.fields("/logout")["csrf"]
    assert (await stranger.post("/calendar/move", csrf=csrf, **sent)).status_code == 404
    assert await stranger.api.read_post(theirs) == before


async def test_who_only_reads_is_shown_no_actions_and_refused_them(stranger: Person) -> None:
    await stranger.log_in("bob", "posts:read")
    key = await own_key(stranger)
    mine = await stranger.api.connect(key=key)
    body = {"text": "Of bob", "accounts": [mine], "publish_at": ahead(2, 12).isoformat()}
    post = (await stranger.api.post("/v1/posts", body, key=key)).json()["id"]
    for view in VIEWS:
        page = await stranger.get(f"/calendar?view={view}&on={ahead(2):%Y-%m-%d}")
        assert posts_of(page) == ["Of bob"]
        assert page.main.select("[draggable=true], .move, .add, .free, .free-times") == []
        assert "New post" not in page.text
    await stranger.get(f"/calendar/move?post={post}", 403)
    sent = {"post": post, "date": "2030-01-01", "time": "09:00", "zone": "UTC"}
    csrf = page.fields("/logout")["csrf"]
    assert (await stranger.post("/calendar/move", csrf=csrf, **sent)).status_code == 403
    assert (await stranger.api.read_post(post))["publish_at"] == f"{ahead(2):%Y-%m-%d}T12:00:00Z"


async def test_who_may_not_read_posts_sees_no_calendar(stranger: Person) -> None:
    await stranger.log_in("bob", "jobs:read")
    await stranger.get("/calendar", 403)


async def test_stored_text_is_only_text(admin: Person) -> None:
    account = await admin.api.connect()
    at = ahead(3, 8)
    ids = [
        await plan(admin, text, at + timedelta(hours=3 * number), account)
        for number, text in enumerate(HOSTILE)
    ]
    await admin.api.sql(
        "UPDATE deliveries SET state = 'published', published_at = now(),"
        " remote_url = 'javascript:alert(1)' WHERE post_id = :id",
        id=ids[0],
    )
    for view in VIEWS:
        page = await admin.get(f"/calendar?view={view}&on={at:%Y-%m-%d}")
        assert posts_of(page)[:4] == list(HOSTILE[:4])
        assert page.soup.select("script:not([src]), img[src=x], [onerror], [style]") == []
        assert [a for a in page.main.select("a[href]") if "javascript:" in str(a["href"])] == []
    form = await admin.get(f"/calendar/move?post={ids[1]}")
    assert HOSTILE[1] in form.text
    assert form.soup.select("img[src=x]") == []


async def test_the_live_part_is_all_that_is_sent_again(admin: Person) -> None:
    account = await admin.api.connect()
    await plan(admin, "Live", ahead(1), account)
    headers = {**HTML, "HX-Request": "true"}
    reply = await admin.http.get(f"/calendar?on={ahead(1):%Y-%m-%d}", headers=headers)
    assert "Live" in reply.text
    assert "<html" not in reply.text
    assert "data-filters" not in reply.text
