"""The pages of workflows: followed while they run, explained when they fail, steered."""

from typing import Any
from uuid import UUID

import pytest

from service.dashboard.pages import workflows
from service.queue import RetryPolicy
from service.workflows import actions
from service.workflows.building import chain, chord, group, results, step
from service.workflows.schemas import WorkflowIn
from tests.dashboard.person import Page, Person
from tests.workflows.bench import Code, note, number, revoke, start, states, total, work
from workers.engine import Context

pytestmark = pytest.mark.asyncio
HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(1)>{{7*7}}\u202e' + "x" * 3000


def steps_of(*names: str) -> Any:
    return [step(name, note(name=name)) for name in names]


def graph_of(page: Page) -> dict[str, str]:
    """Return what the boxes of the graph say, by what they lead to."""
    return {str(a["href"]): str(a["aria-label"]) for a in page.main.select("svg a.node")}


async def begin(person: Person, definition: WorkflowIn) -> str:
    """Start a workflow of somebody; return where its page is."""
    return f"/workflows/{await start(person.api.runtime, definition)}"


async def failed_run(person: Person) -> str:
    """Return the page of a run of which the second of three steps has failed."""
    path = await begin(person, chain(*steps_of("one", "two", "three")).named("flow"))
    await work(person.api.runtime, Code(failing={"two"}))
    return path


async def test_a_run_is_followed_step_by_step(admin: Person) -> None:
    """V041, N025: progress 0, 25, 50, 75, 100; the step that runs is named, in list and graph."""
    path = await begin(admin, chain(*steps_of("a", "b", "c", "d")).named("four"))
    seen: list[tuple[str | None, str, list[str]]] = []

    async def look(_: Context, name: str) -> None:
        page = await admin.get(path)
        assert graph_of(page)[f"{path}/steps/{name}"] == f"{name}: running"
        progress = page.main.select_one(".wide progress")
        assert progress is not None
        listed = await admin.get("/workflows")
        seen.append((str(progress["value"]), page.main.select_one(".lead b").get_text(),  # type: ignore[union-attr] # it is there
                     listed.rows()[0][1:4]))  # fmt: skip

    before = await admin.get(path)
    assert "It waits for its first step to begin." in before.text
    await work(admin.api.runtime, Code(inside=look))
    assert seen == [
        ("0", "a", ["running", "0 %", "a"]),
        ("25", "b", ["running", "25 %", "b"]),
        ("50", "c", ["running", "50 %", "c"]),
        ("75", "d", ["running", "75 %", "d"]),
    ]
    after = await admin.get(path)
    assert "100 % 4 steps: 4 done" in after.text
    assert [row[1] for row in after.rows()] == ["succeeded"] * 4


async def test_the_end_is_estimated_from_earlier_runs(admin: Person) -> None:
    """V041: the estimated completion, once a run of the name has succeeded."""
    flow = chain(*steps_of("a", "b")).named("known")
    path = await begin(admin, flow)
    assert "no earlier run of this name tells" in await _text_while_running(admin, path)
    path = await begin(admin, flow)
    assert "It will probably end" in await _text_while_running(admin, path)


async def _text_while_running(person: Person, path: str) -> str:
    texts = []

    async def look(_: Context, name: str) -> None:
        texts.append((await person.get(path)).text)

    await work(person.api.runtime, Code(inside=look))
    return texts[0]


async def test_a_failed_step_says_why(admin: Person) -> None:
    """V041: the error of the failed step is above all, in the list and on its own page."""
    path = await failed_run(admin)
    page = await admin.get(path)
    (reason,) = page.main.select(".reasons li")
    assert "ValueError: bad luck with two" in reason.get_text()
    assert [row[:2] for row in page.rows()] == [
        ["one", "succeeded"],
        ["two", "failed"],
        ["three", "skipped"],
    ]
    assert "bad luck with two" in page.rows()[1][5]
    assert graph_of(page) == {
        f"{path}/steps/one": "one: succeeded",
        f"{path}/steps/two": "two: failed",
        f"{path}/steps/three": "three: skipped",
    }
    failed = await admin.get(f"{path}/steps/two")
    assert "bad luck with two" in failed.text
    assert '"name": "two"' in failed.text
    job = failed.main.select_one("#job")
    assert job is not None
    assert str(job["href"]).startswith("/jobs/step")
    assert '"path": "/one"' in (await admin.get(f"{path}/steps/one")).text
    await admin.get(f"{path}/steps/none", 404)


async def test_resuming_goes_on_from_the_failed_step(admin: Person) -> None:
    path = await failed_run(admin)
    page = await admin.send(await admin.get(path), f"{path}/resume")
    assert page.note == "It goes on with the steps that had not succeeded"
    code = Code()
    await work(admin.api.runtime, code)
    assert code.runs == ["two", "three"], "the first is not repeated"
    page = await admin.get(path)
    assert "100 %" in page.text
    assert f"{path}/resume" not in page.forms(), "there is nothing to resume"
    reply = await admin.post(f"{path}/resume", csrf=page.fields("/logout")["csrf"])
    assert "Only a failed or cancelled workflow is resumed: it is succeeded" in reply.text


async def test_cancelling_says_what_it_does_and_waits_for_a_yes(admin: Person) -> None:
    path = await begin(admin, chain(*steps_of("one", "two", "three")).named("flow"))
    workflow_id = UUID(path.rpartition("/")[2])
    page = await admin.get((await admin.get(path)).links()["Cancel…"])
    assert page.title == "Cancel workflow flow?"
    assert "2 steps that wait will not start." in page.text
    assert "1 step under way is stopped" in page.text
    again = await admin.send(page, f"{path}/cancel", confirmed=None)
    assert again.title == "Cancel workflow flow?"
    assert set((await states(admin.api.runtime, workflow_id)).values()) == {"queued", "waiting"}
    page = await admin.send(again, f"{path}/cancel")
    assert page.note.startswith("It is cancelled")
    code = Code()
    await work(admin.api.runtime, code)
    assert code.runs == []
    assert "3 steps: 3 cancelled" in (await admin.get(path)).text
    page = await admin.send(again, f"{path}/cancel")
    assert page.note == "It cannot be cancelled: it is cancelled"
    kinds = await admin.api.sql("SELECT action FROM audit_log WHERE action = 'workflows.cancel'")
    assert len(kinds) == 2, "what was asked for, refused or not"


async def test_undoing_lists_what_is_undone_and_waits_for_a_yes(admin: Person) -> None:
    flow = chain(
        step("one", note(name="one"), undo=revoke(name="one")),
        step("inner", chain(step("deep", note(name="deep"), undo=revoke(name="deep"))).named("in")),
        step("three", note(name="three")),
    ).named("flow")
    path = await begin(admin, flow)
    await work(admin.api.runtime, Code())
    page = await admin.get((await admin.get(path)).links()["Undo…"])
    assert "2 steps are undone" in page.text
    assert [item.get_text(" ", strip=True) for item in page.main.select("ol li")] == [
        "deep of in by flows.revoke",
        "one by flows.revoke",
    ]
    code = Code()
    page = await admin.send(page, f"{path}/undo", confirmed=None)
    await work(admin.api.runtime, code)
    assert code.runs == []
    page = await admin.send(page, f"{path}/undo")
    assert page.note == "Its completed steps are being undone, the latest first"
    await work(admin.api.runtime, code)
    assert code.runs == ["undo deep", "undo one"]
    page = await admin.get(path)
    assert "undone" in page.text
    assert graph_of(page)[f"{path}/steps/one"] == "one: undone"
    assert "Undo…" not in page.links()
    assert "None of its completed steps" in (await admin.get(f"{path}/undo")).text


async def test_a_workflow_inside_another_is_linked_and_steered_from_there(admin: Person) -> None:
    inner = chain(step("deep", note(name="deep"))).named("inner")
    path = await begin(
        admin, chain(step("begin", note(name="b")), step("in", inner)).named("outer")
    )
    await work(admin.api.runtime, Code())
    page = await admin.get(path)
    (below,) = (href for href, text in graph_of(page).items() if text == "in: succeeded")
    page = await admin.get(below)
    assert page.title == "inner"
    assert page.links()["the workflow it is in"] == path
    assert page.links()["cancel, resume or undo that one"] == path
    assert [form for form in page.forms() if form.startswith("/workflows")] == []


async def test_a_fan_out_is_one_box_that_opens_as_a_list(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workflows, "STEPS", 10)
    members = [step(f"chunk-{n:02}", note(name=str(n)), retry=RetryPolicy(1)) for n in range(25)]
    path = await begin(admin, chord(group(*members), step("end", note(name="end"))).named("wide"))
    await work(admin.api.runtime, Code(failing={"7"}))
    page = await admin.get(path)
    assert graph_of(page) == {
        f"{path}?group=chunk-00#steps": "chunk × 25: 1 failed, 24 done",  # noqa: RUF001 - shown so
        f"{path}/steps/end": "end: skipped",
    }
    assert len(page.rows()) == 2
    opened = await admin.get(f"{path}?group=chunk-00")
    assert [row[0] for row in opened.rows()] == [f"chunk-{n:02}" for n in range(10)]
    assert "1 to 10 of 25" in opened.text
    opened = await admin.get(opened.links()["Later"])
    assert [row[0] for row in opened.rows()] == [f"chunk-{n:02}" for n in range(10, 20)]
    opened = await admin.get(page.links()["show the failed"])
    assert [row[:2] for row in opened.rows()] == [["chunk-07", "failed"]]
    assert (await admin.get(f"{path}?group=none")).rows() == page.rows()


async def test_the_list_is_filtered_and_paged(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "No workflow has run yet." in (await admin.get("/workflows")).text
    monkeypatch.setattr(workflows, "PAGE", 2)
    await failed_run(admin)
    for name in ("first", "second", "third"):
        await begin(admin, chain(*steps_of("a")).named(name))
    page = await admin.get("/workflows")
    assert [row[0] for row in page.rows()] == ["third", "second"]
    older = await admin.get(page.links()["Older"])
    assert [row[0] for row in older.rows()] == ["first", "flow"]
    page = await admin.send(page, "/workflows", state="failed")
    assert [(row[0], row[1], row[3]) for row in page.rows()] == [
        ("flow", "failed", "two: ValueError: bad luck with two")
    ]
    page = await admin.send(page, "/workflows", state="", name="second")
    assert [row[0] for row in page.rows()] == ["second"]
    page = await admin.send(page, "/workflows", name="nothing")
    assert "No workflow matches." in page.text


async def test_stored_text_is_text(admin: Person) -> None:
    """A name, a result, an error and an argument full of markup are shown as they are."""
    flow = chain(
        step("one", note(name=HOSTILE)), step("two", note(name=f"{HOSTILE}2"))
    ).named(HOSTILE[:200].replace("\u202e", ""))  # fmt: skip
    path = await begin(admin, flow)
    await work(admin.api.runtime, Code(failing={f"{HOSTILE}2"}))
    for place in ("/workflows", path, f"{path}/steps/one", f"{path}/steps/two", f"{path}/undo"):
        page = await admin.get(place)
        assert page.main.select("script, img, [onerror]") == [], place
        assert "{{7*7}}" in page.text, place
        assert page.soup.select("script:not([src]), style, [style]") == [], place


async def test_others_see_their_own_and_act_only_with_the_scope(stranger: Person) -> None:
    """Without jobs:operate there is no button and no action; others' runs do not exist."""
    theirs = await failed_run(stranger)
    await stranger.log_in("bob", "jobs:read")
    assert "No workflow has run yet." in (await stranger.get("/workflows")).text
    for place in (theirs, f"{theirs}/steps/two"):
        assert "There is no such workflow" in (await stranger.get(place, 404)).text
    (bob,) = await stranger.api.sql("SELECT id FROM users WHERE name = 'bob'")
    async with stranger.api.runtime.unit_of_work() as uow:
        flow = chain(step("one", number(value=1)), total(numbers=results())).named("mine")
        mine = f"/workflows/{await actions.start(uow, flow, bob.id)}"
    page = await stranger.get(mine)
    assert "Cancel…" not in page.links()
    token = page.fields("/logout")["csrf"]
    for verb in ("cancel", "resume", "undo"):
        reply = await stranger.post(f"{mine}/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 403
    assert (await stranger.get(mine)).rows()[0][1] == "queued"


async def test_somebody_who_operates_cannot_touch_others(stranger: Person) -> None:
    theirs = await failed_run(stranger)
    workflow_id = UUID(theirs.rpartition("/")[2])
    page = await stranger.log_in("bob", "jobs:read", "jobs:operate")
    token = page.fields("/logout")["csrf"]
    for verb in ("cancel", "resume", "undo"):
        reply = await stranger.post(f"{theirs}/{verb}", csrf=token, confirmed="yes")
        assert "There is no such workflow" in reply.text
    assert (await states(stranger.api.runtime, workflow_id))["two"] == "failed"


async def test_the_live_part_comes_alone(admin: Person) -> None:
    """What is asked for again while a run goes on is the part that changes, with the numbers."""
    path = await failed_run(admin)
    reply = await admin.http.get(path, headers={"Accept": "text/html", "HX-Request": "true"})
    assert "<h1>" not in reply.text
    assert "Why it failed" in reply.text
    assert 'hx-swap-oob="true"' in reply.text
