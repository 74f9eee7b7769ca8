"""Importing posts over HTTP: everything once, or nothing, and every bad line by its number."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from service.config import Settings
from service.runtime import Runtime
from tests.support import PNG, Installation, in_seconds, problems

pytestmark = pytest.mark.asyncio
LATER = "2030-01-31T09:00:00Z"
KEPT = ("posts", "deliveries", "imported_posts")


async def send(
    api: Installation, content: str | bytes, *, key: str | None = None, **options: object
) -> httpx.Response:
    """Send a file."""
    raw = content if isinstance(content, bytes) else content.encode()
    files = {"file": ("posts.csv", raw, "text/csv")}
    params = {name: str(value) for name, value in options.items()}
    return await api.request("POST", "/v1/posts/import", files=files, params=params, key=key)


async def imported(api: Installation, content: str | bytes, **options: Any) -> Any:
    """Import a file that is taken; return the report."""
    reply = await send(api, content, **options)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def refused(api: Installation, content: str | bytes, **options: Any) -> dict[str, str]:
    """Send a file that is refused, with nothing stored; return its problems."""
    before = [await api.count(table) for table in KEPT]
    reply = await send(api, content, **options)
    assert reply.status_code == 422, reply.text
    assert [await api.count(table) for table in KEPT] == before
    return problems(reply)


async def test_a_file_of_posts(api: Installation) -> None:
    """G066: N lines are N posts, each checked and stored as any other; a repeat adds 0."""
    await api.connect()
    content = (
        "\ufeffid;caption;hashtags;platforms;schedule_time;content_id\r\n"
        f'1;"One\nand more";#news;feed;{LATER};c-1\r\n'
        f"2;Two;;feed;{LATER};\r\n"
        "3;A draft;;;;\r\n"
    )
    report = await imported(api, content)
    counts = {"lines": 3, "posts": 3, "deliveries": 2, "present": 0, "bad": 0}
    assert {name: report[name] for name in counts} == counts
    posts = (await api.get("/v1/posts")).json()["items"]
    assert {post["text"] for post in posts} == {"One\nand more #news", "Two", "A draft"}
    first = next(post for post in posts if post["content_id"] == "c-1")
    assert first["state"] == "scheduled"
    assert datetime.fromisoformat(first["publish_at"]) == datetime.fromisoformat(LATER)
    again = await imported(api, content + f"4;Four;;feed;{LATER};\r\n")
    assert (again["posts"], again["present"]) == (1, 3)
    assert [await api.count(table) for table in KEPT] == [4, 3, 4]


async def test_json_lines_with_everything(api: Installation) -> None:
    """Accounts by id, handle or platform:handle; media by the ids of uploads; lists as lists."""
    one, two = await api.connect(), await api.connect()
    file = {"file": ("dot.png", PNG, "image/png")}
    media = (await api.request("POST", "/v1/media", files=file)).json()["id"]
    line = {
        "id": 7,
        "text": "Hi",
        "link": "https://example.org/",
        "media": [media],
        "accounts": [one, "feed:Handle2"],
        "hashtags": ["a", "b"],
        "publish_at": "2030-07-01T09:00:00",
        "zone": "Europe/Paris",
    }
    assert (await imported(api, json.dumps(line)))["posts"] == 1
    (post,) = (await api.get("/v1/posts")).json()["items"]
    assert (post["text"], post["link"]) == ("Hi #a #b", "https://example.org/")
    assert [d["account_id"] for d in post["deliveries"]] == [one, two]
    assert (post["publish_at"], post["zone"]) == ("2030-07-01T07:00:00Z", "Europe/Paris")
    assert post["media"][0]["id"] == media


async def test_a_bad_line_refuses_the_file(api: Installation) -> None:
    """Every problem of every line at once, by its number; nothing is imported."""
    await api.connect()
    content = (
        "id,text,platforms,publish_at\n"
        f"1,Good,feed,{LATER}\n"
        f"2,Lost,mars,{LATER}\n"
        "3,Past,feed,2020-01-01T00:00:00Z\n"
        f"1,Twice,feed,{LATER}\n"
        "5,Wall,feed,2030-01-01T09:00:00\n"
        f",,feed,{LATER}\n"
        f"7,a,b,c,d,{LATER}\n"
    )
    found = await refused(api, content)
    assert set(found) == {
        *("line 3: platforms[0]", "line 4: publish_at", "line 5: id", "line 6: publish_at"),
        *("line 7: text", "line 8: line"),
    }
    assert found["line 5: id"] == "is the same as on line 2: give each an id of its own"
    report = await imported(api, content, skip_bad=True, zone="Europe/Paris")
    assert (report["posts"], report["bad"], report["lines"]) == (2, 5, 7)
    assert sorted({problem["line"] for problem in report["problems"]}) == [3, 4, 5, 7, 8]


async def test_a_dry_run_stores_nothing(api: Installation) -> None:
    """It tells of bad lines as well, without refusing."""
    await api.connect()
    content = f"id,text,platforms,publish_at\n1,Good,feed,{LATER}\n2,Bad,mars,{LATER}\n"
    report = await imported(api, content, dry_run=True)
    assert (report["dry_run"], report["posts"], report["bad"]) == (True, 1, 1)
    assert [await api.count(table) for table in KEPT] == [0, 0, 0]


async def test_times_that_have_passed(api: Installation) -> None:
    """A problem, left out, or now; never by accident."""
    await api.connect()
    past = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    content = f"id,text,platforms,publish_at\n1,Past,feed,{past}\n2,Good,feed,{LATER}\n"
    assert set(await refused(api, content)) == {"line 2: publish_at"}
    report = await imported(api, content, late="skip")
    assert (report["posts"], report["late"]) == (1, 1)
    report = await imported(api, content, late="now")
    assert (report["posts"], report["present"]) == (1, 1)
    await api.work()
    posts = (await api.get("/v1/posts")).json()["items"]
    assert {p["text"]: p["state"] for p in posts} == {"Past": "published", "Good": "scheduled"}


async def test_what_is_due_soon_is_queued(api: Installation) -> None:
    await api.connect()
    await imported(api, f"id,text,platforms,publish_at\n1,Soon,feed,{in_seconds(60)}\n")
    assert len(await api.queued()) == 1


async def test_a_platform_with_two_accounts(api: Installation) -> None:
    """It must be said which; a handle on two platforms needs its platform."""
    await api.connect()
    await api.connect()
    found = await refused(api, f"text,platforms,publish_at\nHi,feed,{LATER}\n")
    assert "you have 2 accounts on 'feed'" in found["line 2: platforms[0]"]
    found = await refused(api, f"text,accounts,publish_at\nHi,nobody,{LATER}\n")
    assert found == {"line 2: accounts": "'nobody' is none of your accounts"}
    other = await api.connect()
    await api.sql(
        "UPDATE accounts SET platform = 'x', handle = 'handle1', local = false WHERE id = :id",
        id=other,
    )
    found = await refused(api, f"text,accounts,publish_at\nHi,handle1,{LATER}\n")
    assert found == {"line 2: accounts": "'handle1' are 2 accounts: write platform:handle"}


@pytest.mark.parametrize(
    ("content", "options", "field"),
    [
        (b"", {}, "file"),
        ("text\nGr\u00fc\u00dfe\n".encode("latin-1"), {}, "file"),
        (b"text,colour\nHi,red\n", {}, "file"),
        (b"text\nHi\n", {"zone": "Nowhere"}, "zone"),
        (b"text\nHi\n", {"late": "perhaps"}, "late"),
        (b"text,media\nHi,nonsense\n", {}, "line 2: media.0.id"),
        (b"text\nHi\x07\n", {}, "line 2: text"),
        (b'{"text": "\\u0000"}', {}, "line 1: text"),
        (b'{"text": "\\ud800"}', {}, "line 1: text"),
    ],
)
async def test_bad_files(
    api: Installation, content: bytes, options: dict[str, str], field: str
) -> None:
    """The place and the column are named, nothing is stored, nothing breaks."""
    assert list(await refused(api, content, **options)) == [field]


async def test_somebody_elses_ids_are_their_own(api: Installation) -> None:
    """Keys are each owner's; accounts and uploads of others are not there."""
    account = await api.connect()
    await imported(api, f"id,text,accounts,publish_at\n1,Mine,handle1,{LATER}\n")
    key = await api.new_key("posts:read", "posts:write")
    reply = await send(api, "id,text\n1,Theirs\n", key=key)
    assert (reply.status_code, reply.json()["posts"]) == (200, 1)
    reply = await send(api, f"text,accounts\nTheirs,{account}\n", key=key)
    assert problems(reply) == {"line 2: accounts": f"'{account}' is none of your accounts"}


async def test_too_many_lines_for_one_request(
    api: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.posts.importing_routes.MOST_LINES", 2)
    reply = await send(api, "text\na\nb\nc\n")
    assert reply.status_code == 413
    assert "almanac posts import" in reply.json()["detail"]
    assert await api.count("posts") == 0


async def test_where_posts_need_approval_they_wait_for_it(
    api: Installation, runtime: Runtime, settings: Settings
) -> None:
    key = await api.new_key("posts:read", "posts:write", "settings:write")
    await api.connect(key=key)
    app_runtime = api.http._transport.app.state.runtime  # type: ignore[attr-defined] # the app's own client
    changed = settings.model_copy(update={"approval": True})
    object.__setattr__(app_runtime, "settings", changed)
    await send(api, f"text,platforms,publish_at\nHi,feed,{LATER}\n", key=key)
    (post,) = (await api.get("/v1/posts")).json()["items"]
    assert (post["state"], post["submitted_at"] is not None) == ("draft", True)
