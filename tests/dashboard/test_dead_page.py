"""Dead jobs: grouped by what they died of, run again or discarded one by one or all at once."""

from datetime import timedelta

import pytest

from service.dashboard.pages import dead
from service.monitoring import dead_groups
from service.monitoring.dead_rules import group_key
from tests.access.helpers import actions_noted
from tests.api.lifting import Gym, durable, lift
from tests.api.test_dead import KEY, Machine, die
from tests.dashboard.person import Page, Person
from tests.dashboard.test_jobs_page import HOSTILE, names
from tests.support import Installation
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
HEAVY = group_key("ValueError", "# kg is too heavy")


def causes(page: Page) -> dict[str, str]:
    """Return how many jobs died of what."""
    found = {}
    for card in page.main.select(".cause"):
        title, count = card.select_one("h2"), card.select_one(".count b")
        assert title is not None
        assert count is not None
        found[" ".join(title.get_text(" ").split())] = count.get_text()
    return found


async def acts(api: Installation) -> list[str]:
    return [act for _, act, _ in await actions_noted(api) if act.startswith("dead")]


async def bury(api: Installation, *weights: int, actor: str = "") -> None:
    """Leave durable jobs that died of their weights, the heaviest last."""
    for weight in weights:
        await durable(api, f"job-{weight}", weight, **({"actor": actor} if actor else {}))
    await Gym().train(api)
    await api.sql(
        "UPDATE durable_jobs SET finished_at = now() - (999 - right(id, 3)::int) * interval '1 s'"
        " WHERE id LIKE 'job-%' AND state = 'failed'"
    )


async def test_nobody_is_dead(admin: Person) -> None:
    page = await admin.get("/dead")
    assert "No job is dead." in page.text
    assert page.main.select("form[method=post]") == []


async def test_they_are_grouped_by_what_they_died_of(admin: Person) -> None:
    """Wherever they are kept, whatever numbers their texts have; each leads to its job."""
    await bury(admin.api, 101, 102, 103)
    await die(admin.api, Machine())
    page = await admin.get("/dead")
    assert causes(page) == {
        "ValueError # kg is too heavy": "3",
        "ValueError pump is broken": "1",
        "ValueError engine is broken": "1",
        "LookupError glass": "1",
        "DecodeError argument part of tests.break: Expected `str`, got `int`: Expected `str`, "
        "got `int`": "1",
        "No error was kept": "1",
    }
    assert "8 jobs died of 6 causes" in page.text
    assert page.links()["job-103"] == "/jobs/job-103"
    only = await admin.send(page, "/dead", name="tests.drop")
    assert causes(only) == {"LookupError glass": "1"}
    none = await admin.get("/dead?queue=media")
    assert "No dead job matches." in none.text
    refused = await admin.get("/dead?queue=No%20queue", 422)
    assert "queue name" in refused.text


async def test_a_group_shows_its_jobs(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """G072: each with how long its last run took; page by page."""
    monkeypatch.setattr(dead, "LIMIT", 2)
    await bury(admin.api, 101, 102, 103)
    run = a_run("job-103", attempt=2, ago=-timedelta(seconds=5))
    slow = run._replace(started_at=run.finished_at - timedelta(seconds=65))
    await write(admin.api.runtime, slow)
    page = await admin.get(f"/dead?group={HEAVY}")
    assert page.title == "ValueError: # kg is too heavy"
    assert names(page) == ["job-103", "job-102"]
    assert page.rows()[0][5] == "1 min 5 s"
    assert "1 to 2 of 3." in page.text
    page = await admin.get(page.links()["Older"])
    assert names(page) == ["job-101"]
    assert page.links()["Newer"] == f"/dead?group={HEAVY}&page=1"
    gone = await admin.get("/dead?group=gone")
    assert gone.note.startswith("No dead job is of this kind any more")


async def test_a_group_runs_again_once_confirmed(admin: Person) -> None:
    await bury(admin.api, 101, 102)
    await die(admin.api, Machine())
    page = await admin.get("/dead")
    asked = await admin.send(page, "/dead/many", do="replay-group", group=HEAVY)
    assert asked.title == "Run 2 jobs again?"
    assert await admin.api.queued() == []
    done = await admin.send(asked, "/dead/many")
    assert done.note == "2 jobs sent again."
    assert sorted(await admin.api.queued()) == ["job-101", "job-102"]
    assert "ValueError # kg is too heavy" not in causes(done)
    assert await acts(admin.api) == ["dead.replay"]
    again = await admin.send(asked, "/dead/many")
    assert again.note.startswith("No dead job is of this kind any more")


async def test_a_selection_is_discarded_once_confirmed(admin: Person) -> None:
    await bury(admin.api, 101, 102, 103)
    page = await admin.get(f"/dead?group={HEAVY}")
    asked = await admin.send(page, "/dead/many", do="discard", job="job-102")
    assert asked.title == "Discard 1 job?"
    assert "The history still tells of their runs." in asked.text
    done = await admin.send(asked, "/dead/many")
    assert done.note == "1 job discarded."
    assert names(done) == ["job-103", "job-101"]
    assert (await admin.send(page, "/dead/many", do="discard")).note.startswith("Nothing was sel")
    again = await admin.send(asked, "/dead/many")
    assert "1 job stayed as before." in again.text


async def test_all_run_again_and_what_is_refused_is_said(admin: Person) -> None:
    """One whose function is gone is left, and named with the reason."""
    machine = Machine()
    await die(admin.api, machine)
    page = await admin.get("/dead")
    asked = await admin.send(page, "/dead/many", do="replay-all")
    assert asked.title == "Run all 5 jobs that match again?"
    done = await admin.send(asked, "/dead/many")
    assert done.note == "4 jobs sent again. 1 job stayed as before."
    assert done.rows() == [["nobody's", "this release has no job 'tests.unknown'"]]
    asked = await admin.send(await admin.get("/dead"), "/dead/many", do="discard-all")
    assert (await admin.send(asked, "/dead/many")).note == "1 job discarded."
    nothing = await admin.send(asked, "/dead/many", confirmed="no")
    assert nothing.note == "No dead job matches, so nothing was done."


async def test_all_of_a_filter_are_meant(admin: Person) -> None:
    await bury(admin.api, 101)
    await die(admin.api, Machine())
    page = await admin.get("/dead?name=tests.lift")
    asked = await admin.send(page, "/dead/many", do="discard-all")
    assert asked.title == "Discard the one job that matches?"
    await admin.send(asked, "/dead/many")
    left = await admin.get("/dead")
    assert sum(int(count) for count in causes(left).values()) == 5


async def test_only_the_newest_are_grouped_and_that_is_said(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_groups, "NEWEST", 2)
    await bury(admin.api, 101, 102, 103)
    page = await admin.get("/dead")
    assert causes(page) == {"ValueError # kg is too heavy": "2"}
    assert "There are older ones: only the newest 2 are grouped." in page.text
    asked = await admin.send(page, "/dead/many", do="discard-all")
    assert asked.title == "Discard all of the more than 2 jobs that match?"


async def test_without_redis_the_rest_is_shown(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bury(admin.api, 101)
    await die(admin.api, Machine())

    async def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("service.monitoring.dead.in_redis", away)
    page = await admin.get("/dead")
    assert "Redis does not answer: dead jobs that only it keeps are missing here." in page.text
    assert "5 jobs died" in page.text


async def test_whose_they_are_and_who_may_act(stranger: Person) -> None:
    """V037, V081: another's are neither shown nor counted; who only reads has no buttons."""
    api = stranger.api
    await bury(api, 101, actor="ann")
    await bury(api, 102, actor="bob")
    await stranger.log_in("ann", "jobs:read")
    page = await stranger.get("/dead")
    assert causes(page) == {"ValueError # kg is too heavy": "1"}
    assert "job-102" not in page.text
    assert page.main.select("button[name=do]") == []
    csrf = page.fields("/logout")["csrf"]
    for do in ("discard-all", "replay-group"):
        reply = await stranger.post("/dead/many", csrf=csrf, do=do, group=HEAVY, confirmed="yes")
        assert reply.status_code == 403
    await stranger.send(page, "/logout")
    await stranger.log_in("cas", "jobs:read", "jobs:operate")
    page = await stranger.get("/dead")
    assert "No job is dead." in page.text
    csrf = page.fields("/logout")["csrf"]
    for fields in ({"do": "discard-all"}, {"do": "discard", "job": "job-101"}):
        await stranger.post("/dead/many", csrf=csrf, confirmed="yes", **fields)
    assert await api.count("durable_jobs") == 2


async def test_hostile_errors_stay_text(admin: Person) -> None:
    await bury(admin.api, *range(101, 101 + len(HOSTILE)))
    for n, text in enumerate(HOSTILE):
        await admin.api.sql(
            "UPDATE durable_jobs SET error = :error WHERE id = :id",
            error=f"{text[:40]}: {text}",
            id=f"job-{101 + n}",
        )
    await admin.api.runtime.queue.zadd(f"{KEY}:dead", {HOSTILE[0]: 1})
    page = await admin.get("/dead")
    shown = [page]
    for link in page.main.select(".cause h2 a"):
        shown.append(await admin.get(str(link["href"])))
    for each in shown:
        assert each.main.select("script, img") == []
        assert each.soup.select("[onerror], [style]") == []
        assert all(str(a["href"]).startswith("/") for a in each.main.select("a"))
    assert "<script>alert(#)</script>" in page.main.get_text()
    assert lift.name in page.text
