"""`almanac posts import`: files, the tables of old systems, and the comparison after it."""

from pathlib import Path

import pytest

from service.errors import InvalidInput, NotFound, Unavailable
from service.runtime import database_url
from tests.access.helpers import actions_noted
from tests.commands.terminal import Terminal
from tests.support import Installation

pytestmark = pytest.mark.asyncio
TABLE = """CREATE TABLE scheduled_posts (id int PRIMARY KEY, content_id int, platform text,
 caption text, hashtags text[], schedule_time timestamp, status text, celery_task_id text)"""


def url_of(api: Installation) -> str:
    """Return where the old system's table is: in the test's own database."""
    return database_url(api.runtime.settings).replace("+asyncpg", "")


async def old_rows(api: Installation, count: int = 20) -> None:
    """Make the table of an old system: posts to come, one that is late, and one that is out."""
    await api.sql(TABLE)
    await api.sql(
        "INSERT INTO scheduled_posts SELECT n, n, 'feed', 'Post ' || n, ARRAY['#old'],"
        " timestamp '2030-01-01 09:00' + n * interval '1 hour', 'pending', 'task'"
        " FROM generate_series(1, :count) AS n",
        count=count,
    )
    await api.sql(
        "INSERT INTO scheduled_posts VALUES"
        " (9001, 1, 'feed', 'Late', NULL, '2020-01-01 09:00', 'scheduled', NULL),"
        " (9002, 1, 'feed', 'Out', NULL, '2020-01-01 09:00', 'published', NULL)"
    )


async def test_old_rows_become_deliveries_once(api: Installation, terminal: Terminal) -> None:
    """G066: N legacy rows → N deliveries at their times; a re-run adds 0; late ones are told."""
    await api.connect()
    await old_rows(api)
    call = ("posts", "import", "--from", url_of(api), "--zone", "Europe/Paris")
    report = await terminal.json(*call)
    expected = {"lines": 22, "posts": 20, "deliveries": 20, "late": 1, "ended": 1, "present": 0}
    assert {name: report[name] for name in expected} == expected
    again = await terminal.json(*call)
    assert (again["posts"], again["present"], again["late"]) == (0, 20, 1)
    assert await api.count("deliveries") == 20
    (row,) = await api.sql(
        "SELECT min(publish_at) AT TIME ZONE 'Europe/Paris' AS first, min(text) AS text FROM posts"
    )
    assert (f"{row.first:%Y-%m-%d %H:%M}", row.text) == ("2030-01-01 10:00", "Post 1 #old")
    assert [entry[1:] for entry in await actions_noted(api) if entry[1] == "posts.import"] == [
        ("posts.import", "posts")
    ] * 2
    late = await terminal.json(*call, "--late", "now")
    assert (late["posts"], late["present"], late["late"]) == (1, 20, 0)
    (count,) = await api.sql("SELECT count(*) AS n FROM scheduled_posts")
    assert count.n == 22


async def test_verify_compares(api: Installation, terminal: Terminal) -> None:
    """G067: counts that match, exit 0; what is missing or differs, by its number, exit 1."""
    await api.connect()
    await old_rows(api, 5)
    call = ("posts", "import", "--from", url_of(api), "--zone", "UTC")
    before = await terminal.json(*call, "--verify", code=1)
    assert (before["open"], before["missing"], before["late"], before["equal"]) == (6, 5, 1, False)
    await terminal.shows(*call)
    after = await terminal.json(*call, "--verify")
    counts = {"open": 6, "matched": 5, "late": 1, "missing": 0, "differing": 0, "ended": 1}
    assert {name: after[name] for name in counts} == counts
    assert "Everything is here, as it was" in await terminal.shows(*call, "--verify")
    await api.sql("UPDATE posts SET text = 'Other' WHERE text = 'Post 2 #old'")
    await api.sql("UPDATE posts SET publish_at = now() WHERE text = 'Post 3 #old'")
    await api.sql(
        "INSERT INTO scheduled_posts SELECT 6, 6, platform, caption, NULL,"
        " schedule_time, status FROM scheduled_posts WHERE id = 1"
    )
    differs = await terminal.json(*call, "--verify", code=1)
    assert (differs["missing"], differs["differing"], differs["matched"]) == (1, 2, 3)
    assert {(p["line"], p["field"]) for p in differs["problems"]} == {
        *((2, "text"), (3, "publish_at"), (6, "id")),
    }
    assert "They differ" in await terminal.shows(*call, "--verify", code=1)
    assert await api.count("posts") == 5


async def test_a_query_only_reads(api: Installation, terminal: Terminal) -> None:
    """The old database is opened for reading only; another query may rename its columns."""
    await api.connect()
    await old_rows(api, 3)
    call = ("posts", "import", "--from", url_of(api), "--zone", "UTC", "--query")
    query = "SELECT id, caption AS text, schedule_time, platform FROM scheduled_posts WHERE id < 3;"
    assert (await terminal.json(*call, query))["posts"] == 2
    for statement, why in (
        ("DELETE FROM scheduled_posts RETURNING *", "syntax error"),
        ("SELECT lo_create(0) AS id", "in a read-only transaction"),
        ("SELECT * FROM nothing", 'relation "nothing" does not exist'),
    ):
        refused = await terminal.refused(*call, statement)
        assert isinstance(refused, Unavailable)
        assert str(refused).startswith("The old system's database: ")
        assert why in str(refused)
    away = await terminal.refused("posts", "import", "--from", "postgresql://127.0.0.1:1/none")
    assert isinstance(away, Unavailable)
    (row,) = await api.sql("SELECT count(*) AS n FROM scheduled_posts")
    assert row.n == 5


async def test_a_file(api: Installation, terminal: Terminal, tmp_path: Path) -> None:
    """A dry run first, then all; names of accounts as the file has them."""
    first, _ = await api.connect(), await api.connect()
    file = tmp_path / "posts.csv"
    file.write_text("id,text,accounts,publish_at\n1,Hi,news,2030-01-01T09:00:00Z\n")
    call = ("posts", "import", str(file), "--account", "news=handle1")
    shown = await terminal.shows(*call, "--dry-run")
    assert "would be imported" in shown
    assert await api.count("posts") == 0
    assert "imported" in await terminal.shows(*call)
    (row,) = await api.sql("SELECT account_id FROM deliveries")
    assert str(row.account_id) == first
    assert "imported before" in await terminal.shows(*call)
    assert (await terminal.json("posts", "import", str(file), "--verify"))["matched"] == 1


async def test_bad_lines(api: Installation, terminal: Terminal, tmp_path: Path) -> None:
    """All or nothing, unless bad lines are to be left out; then they are listed."""
    file = tmp_path / "posts.jsonl"
    file.write_text('{"text": "Good"}\n{"text": ""}\n')
    refused = await terminal.refused("posts", "import", str(file))
    assert isinstance(refused, InvalidInput)
    assert [problem.field for problem in refused.problems] == ["line 2: text"]
    assert await api.count("posts") == 0
    shown = await terminal.shows("posts", "import", str(file), "--skip-bad")
    assert "is needed, or a link, or media" in shown
    assert await api.count("posts") == 1


async def test_what_is_missing_is_said(
    api: Installation, terminal: Terminal, tmp_path: Path
) -> None:
    file = tmp_path / "posts.csv"
    file.write_text("text\nHi\n")
    assert isinstance(await terminal.refused("posts", "import"), InvalidInput)
    gone = await terminal.refused("posts", "import", str(tmp_path / "none.csv"))
    assert isinstance(gone, OSError)
    nobody = await terminal.refused("posts", "import", str(file), "--user", "nobody")
    assert isinstance(nobody, NotFound)
    for option in (("--account", "x"), ("--zone", "Nowhere")):
        assert isinstance(
            await terminal.refused("posts", "import", str(file), *option), InvalidInput
        )
    assert await api.count("posts") == 0
