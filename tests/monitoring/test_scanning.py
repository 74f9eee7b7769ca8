"""Searches that look at so many runs at most: pages may be short, but nothing is left out."""

from datetime import timedelta
from typing import Any

import pytest

from service.monitoring import scanning_queries
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
COUNT = 40


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning_queries, "SCANNED", 7)


async def fill(api: Installation) -> None:
    """Write runs, of which every tenth has the argument, every fifth failed, every fourth is bob's.

    They ended over several days.
    """
    runs = [
        a_run(
            str(n),
            ago=timedelta(hours=2 * n),
            arguments=f'{{"number": {n % 10}}}',
            state="succeeded" if n % 5 else "failed",
            error_type=None if n % 5 else "ValueError",
            error=None if n % 5 else f"bad luck {n % 2}",
            actor=None if n % 4 else "bob",
        )
        for n in range(COUNT)
    ]
    await write(api.runtime, *runs)


async def pages(api: Installation, query: str, key: str | None = None) -> list[Any]:
    found: list[Any] = []
    cursor = ""
    while True:
        reply = await api.get(f"/v1/jobs?{query}{cursor}", key=key)
        assert reply.status_code == 200, reply.text
        found.append(reply.json())
        if found[-1]["next_cursor"] is None:
            return found
        cursor = f"&cursor={found[-1]['next_cursor']}"
        assert len(found) <= COUNT


@pytest.mark.parametrize("limit", [1, 3, 50])
@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("", range(COUNT)),
        ("argument=number:3", range(3, COUNT, 10)),
        ("argument=number:77", []),
        ("state=failed", range(0, COUNT, 5)),
        ("error=luck 1", range(5, COUNT, 10)),
        ("error=nobody", []),
        ("name=x.y&argument=number:9", range(9, COUNT, 10)),
        ("queue=q&state=succeeded&argument=number:5", []),
        ("actor=bob&state=failed", range(0, COUNT, 20)),
        ("actor=nobody", []),
    ],
)
async def test_all_pages_together_have_all_that_match(
    api: Installation, query: str, wanted: range, limit: int
) -> None:
    """K004: newest first, each once, however rare it is."""
    await fill(api)
    found = await pages(api, f"{query}&limit={limit}")
    assert [int(item["id"]) for page in found for item in page["items"]] == list(wanted)
    assert all(len(page["items"]) <= limit for page in found)


async def test_a_search_that_gave_up_says_how_far_it_came(api: Installation) -> None:
    """Never a silent cut: the time up to which it has looked, and a cursor."""
    await fill(api)
    found = await pages(api, "argument=number:77")
    assert len(found) == 6
    reached = [page["searched_to"] for page in found]
    assert reached[-1] is None
    assert reached[:-1] == sorted(reached[:-1], reverse=True)
    rows = await api.sql("SELECT finished_at FROM job_runs WHERE job_id = '6'")
    assert rows[0].finished_at.isoformat().replace("+00:00", "Z") == reached[0]
    assert [page["searched_to"] for page in await pages(api, "limit=5")] == [None] * 8


async def test_what_one_does_not_see_is_passed_over(api: Installation) -> None:
    """V081: somebody else's runs are neither shown nor do they end the list."""
    await fill(api)
    ann = await api.new_key("jobs:read", user="ann")
    found = await pages(api, "limit=4", ann)
    shown = [int(item["id"]) for page in found for item in page["items"]]
    assert shown == [n for n in range(COUNT) if n % 4]


@pytest.mark.parametrize("length", range(1, 7))
async def test_a_cursor_of_any_length_is_read(api: Installation, length: int) -> None:
    """Of the dead jobs' list, whose cursors hold ids as they are."""
    for n in range(3):
        await api.sql(
            "INSERT INTO dead_jobs (id, name, queue, lane, payload, error_type, errors, tries,"
            " died_at) VALUES (:id, 'x.y', 'almanac:default', 'normal', '', 'E', '{}', 1, now())",
            id=f"{n}" * length,
        )
    first = (await api.get("/v1/dead?limit=1")).json()
    second = await api.get(f"/v1/dead?limit=1&cursor={first['next_cursor']}")
    assert second.status_code == 200, second.text
    assert second.json()["items"][0]["id"] != first["items"][0]["id"]
