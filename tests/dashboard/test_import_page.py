"""Importing posts in a browser: look first, then take it; what is bad is shown by its line."""

from typing import Any

import pytest

from tests.dashboard.person import HTML, Page, Person, _page
from tests.dashboard.planning import HOSTILE

pytestmark = pytest.mark.asyncio
PATH = "/posts/import"
GOOD = "id,text,accounts,publish_at\n1,Hi,handle1,2030-01-31T09:00\n2,Ho,handle1,2030-01-31T10:00\n"


async def send(
    admin: Person, content: str | bytes, do: str = "import", status: int = 200, **fields: Any
) -> Page:
    """Send the form with a file."""
    page = await admin.get(PATH)
    data = {**page.fields(PATH), "do": do, **fields}
    data.pop("file", None)
    files = {"file": ("posts.csv", content, "text/csv")}
    reply = await admin.http.post(PATH, data=data, files=files, headers=HTML)
    assert reply.status_code == status, reply.text[-2000:]
    return _page(reply)


async def test_look_first_then_import(admin: Person) -> None:
    """G066: nothing is stored by looking; importing twice stores it once."""
    await admin.api.connect()
    page = await admin.get("/posts")
    assert page.links()["Import"] == PATH
    page = await send(admin, GOOD, "check", zone="Europe/Paris")
    assert "Nothing was imported yet. This file has 2 new posts, for 2 publications." in page.text
    assert await admin.api.count("posts") == 0
    page = await send(admin, GOOD, zone="Europe/Paris")
    assert "2 posts imported, for 2 publications." in page.text
    assert page.links()["See what is scheduled"] == "/posts?show=scheduled"
    page = await send(admin, GOOD, zone="Europe/Paris")
    assert "0 posts imported, for 0 publications. 2 lines imported before." in page.text
    assert await admin.api.count("posts") == 2


async def test_bad_lines_are_shown(admin: Person) -> None:
    """All or nothing, unless one says otherwise; what was chosen stays chosen."""
    await admin.api.connect()
    content = GOOD + "3,Past,handle1,2020-01-01T09:00\n"
    page = await send(admin, content, status=422, zone="UTC", late="refuse")
    assert "Nothing was imported." in page.text
    assert "line 4: publish_at: 2020-01-01 09:00:00 UTC has passed" in page.text
    assert await admin.api.count("posts") == 0
    page = await send(admin, content, zone="UTC", skip_bad="yes")
    assert "2 posts imported" in page.text
    assert [row[:2] for row in page.rows()] == [["4", "publish_at"]]
    assert page.fields(PATH)["skip_bad"] == "yes"


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_files(admin: Person, text: str) -> None:
    cell = text.replace('"', '""')
    page = await send(admin, f'text,platforms\nHi,"{cell}"\n', status=422)
    assert page.main.select("script, img") == []
    page = await send(admin, f'text,"{cell}"\nHi,x\n', status=422)
    assert "Nothing was imported." in page.text
    assert page.main.select("script, img") == []


async def test_no_file(admin: Person) -> None:
    page = await admin.send(await admin.get(PATH), PATH, 422, file=None, do="import")
    assert "Choose a file" in page.text
