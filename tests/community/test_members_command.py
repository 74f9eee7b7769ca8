"""`almanac members`: files of members, and lists."""

from pathlib import Path

import pytest

from service.errors import InvalidInput, NotFound
from tests.access.helpers import actions_noted
from tests.commands.terminal import Terminal
from tests.community.helpers import join, patch
from tests.support import Installation

pytestmark = pytest.mark.asyncio


@pytest.fixture
def terminal(api: Installation, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on the test's servers."""
    return Terminal(api, monkeypatch)


def written(folder: Path, *lines: str) -> str:
    """Write a file of members; return its name."""
    file = folder / "members.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    return str(file)


HEADER = "Email,Username,Display_name,Joined_at,Digest_opt_out,Is_active"


async def test_members_are_imported_once(
    api: Installation, terminal: Terminal, tmp_path: Path
) -> None:
    """Run again, it adds nobody; nobody is welcomed, who has been a member elsewhere."""
    file = written(
        tmp_path,
        HEADER,
        "Ada@Example.com,ada,Ada L.,2020-01-31T09:00:00+01:00,yes,",
        "bob@example.com,BOB,,2020-01-31,,no",
        "",
        "cyd@example.com,cyd,,,,",
    )
    report = await terminal.json("members", "import", file)
    assert report == {"lines": 3, "members": 3, "present": 0, "bad": 0, "problems": []}
    rows = await api.sql("SELECT * FROM members ORDER BY username")
    assert [(row.email, row.username, row.display_name) for row in rows] == [
        ("ada@example.com", "ada", "Ada L."),
        ("bob@example.com", "bob", "BOB"),
        ("cyd@example.com", "cyd", "cyd"),
    ]
    assert [row.joined_at.isoformat() for row in rows[:2]] == [
        "2020-01-31T08:00:00+00:00",
        "2020-01-31T00:00:00+00:00",
    ]
    assert [(row.digest_opt_out, row.is_active) for row in rows] == [
        *((True, True), (False, False), (False, True))
    ]
    assert None not in {row.welcomed_at for row in rows}
    shown = await terminal.shows("members", "import", file)
    assert "there before" in shown
    again = await terminal.json("members", "import", file)
    assert again == {"lines": 3, "members": 0, "present": 3, "bad": 0, "problems": []}
    assert await api.sql("SELECT * FROM members ORDER BY username") == rows
    assert await api.queued("emails") == []
    noted = [entry[1:] for entry in await actions_noted(api)]
    assert noted.count(("members.import", "members")) == 3


async def test_bad_lines_are_left_out_and_told(
    api: Installation, terminal: Terminal, tmp_path: Path
) -> None:
    """N059: all that is wrong, with its line; the others are imported, and the exit code is 1."""
    await join(api, "taken")
    file = written(
        tmp_path,
        HEADER,
        "nobody,a b,,,,",
        "x@example.com,taken,,,,",
        "good@example.com,good,,,,",
        "GOOD@example.com,other,,,,",
        "y@example.com,good,,,,",
        "z@example.com,z,,yesterday,perhaps,",
        "late@example.com,late,,2999-01-01,,",
        "far@example.com,far,,0001-01-01T00:00:00+23:00,,",
        "wide@example.com,wide,,,,,,too many",
    )
    report = await terminal.json("members", "import", file, code=1)
    problems = [(each["line"], each["field"]) for each in report.pop("problems")]
    assert report == {"lines": 9, "members": 1, "present": 1, "bad": 7}
    assert sorted(problems) == [
        *((2, "email"), (2, "username"), (3, "username"), (6, "username")),
        *((7, "digest_opt_out"), (7, "joined_at"), (8, "joined_at"), (9, "joined_at")),
        (10, "line"),
    ]
    assert await api.count("members") == 2


async def test_files_that_are_none(api: Installation, terminal: Terminal, tmp_path: Path) -> None:
    """A column too many or too few refuses the file; nothing is stored."""
    for lines in (
        ("email,name", "a@b.example,a"),
        ("email,username,password", "a@b.example,a,b"),
        ("",),
    ):
        refused = await terminal.refused("members", "import", written(tmp_path, *lines))
        assert isinstance(refused, InvalidInput)
    good = written(tmp_path, "email,username", "a@b.example,a")
    nobody = await terminal.refused("members", "import", good, "--user", "nobody")
    assert isinstance(nobody, NotFound)
    assert await api.count("members") == 0


async def test_a_long_file_is_imported(
    api: Installation, terminal: Terminal, tmp_path: Path
) -> None:
    """In batches, each its own transaction: what an interrupted run left is added by the next."""
    lines = [f"{n}@example.com,member{n}" for n in range(2500)]
    begun = await terminal.json(
        "members", "import", written(tmp_path, "email,username", *lines[:1200])
    )
    assert begun["members"] == 1200
    report = await terminal.json("members", "import", written(tmp_path, "email,username", *lines))
    assert (report["members"], report["present"]) == (1300, 1200)
    assert await api.count("members") == 2500


async def test_members_are_listed(api: Installation, terminal: Terminal) -> None:
    """As the API does, also page by page and by how a name begins."""
    ada, bob = await join(api, "ada"), await join(api, "bob", display_name="Ada's friend")
    await patch(api, f"members/{bob}", is_active=False)
    page = await terminal.json("members", "list", "--limit", "1")
    assert [each["id"] for each in page["items"]] == [bob]
    page = await terminal.json("members", "list", "--cursor", page["next_cursor"])
    assert [each["id"] for each in page["items"]] == [ada]
    found = await terminal.json("members", "list", "--search", "ADA", "--active")
    assert [each["id"] for each in found["items"]] == [ada]
    shown = await terminal.shows("members", "list", "--inactive")
    assert "bob@example.com" in shown
    assert "ada@example.com" not in shown
