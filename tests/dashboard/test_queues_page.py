"""Queues as pages: what waits and why, pause, resume, and a purge that says what it will do."""

from datetime import timedelta

import pytest

from service.dashboard.operations import system
from service.kit.clock import now
from service.monitoring import minute_queries
from service.queue import foreseeing, is_paused, queue_key
from tests.access.helpers import PASSWORD, new_user
from tests.dashboard.person import Page, Person
from tests.support import in_seconds
from tests.workers.history import a_run, write

pytestmark = pytest.mark.asyncio
LATER = timedelta(minutes=5)
EMAILS = queue_key("emails")
HOSTILE = "<script>alert(1)</script>{{7*7}}"


@pytest.fixture(autouse=True)
def anew() -> None:
    """Let no test see what another was shown."""
    system.forget()


async def send(person: Person, *ids: str, later: bool = False, name: str = "x") -> None:
    """Queue jobs that belong to nothing."""
    client, by = person.api.runtime.queue, LATER if later else None
    for job_id in ids:
        await client.enqueue_job(name, _job_id=job_id, _queue_name=EMAILS, _defer_by=by)


async def audited(person: Person) -> list[tuple[str, str, str]]:
    """Return what the audit log has of queues: who, what, to what."""
    rows = await person.api.sql("SELECT actor, action, subject FROM audit_log ORDER BY id")
    return [(row[0], row[1], row[2]) for row in rows if row[1].startswith("queues.")]


def cells(page: Page) -> dict[str, list[str]]:
    """Return the rows of the first table by the first word of each."""
    return {row[0].split()[0]: row for row in page.rows()}


async def paused(person: Person) -> bool:
    """Whether the queue is."""
    return await is_paused(person.api.runtime.queue, EMAILS)


async def test_all_queues(admin: Person) -> None:
    """V042, T041: each number is Redis's; how its server is; those nobody uses are only named."""
    await send(admin, "a", "b")
    await send(admin, "c", later=True)
    await admin.api.runtime.queue.zadd(f"{EMAILS}:dead", {"d": 1})
    await write(admin.api.runtime, a_run("r", queue="emails", ago=timedelta(minutes=1)))
    page = await admin.get("/queues")
    row = cells(page)["emails"]
    assert row[0] == "emails Nobody listens, 3 jobs wait"
    assert row[1:5] == ["2", "0", "1", "1"]
    assert row[6:] == ["0.02", "0 ms 95 %: 0 ms", "0 ms 95 %: 0 ms", "0", "Pause"]
    listed = (await admin.api.get("/v1/queues")).json()
    assert set(cells(page)) == {"emails"}
    assert {item["name"] for item in listed["items"]} <= set(page.links())
    server = listed["server"]
    assert f"{server['version']}, up for" in page.text
    assert "MiB in use, without a limit" in page.text
    assert "noeviction: it refuses what is new and loses nothing" in page.text
    assert str(await admin.api.runtime.queue.zcard(EMAILS)) == "3"


async def test_a_server_that_may_throw_jobs_away_is_told_of(admin: Person) -> None:
    client = admin.api.runtime.queue
    await client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "It may throw jobs away" in (await admin.get("/queues")).text
    finally:
        await client.config_set("maxmemory-policy", "noeviction")


async def test_those_that_need_a_person_come_first(admin: Person) -> None:
    """Then those in use, if only by their dead jobs; the others are a list of names."""
    await send(admin, "a")
    await admin.api.runtime.queue.zadd(f"{queue_key('ai')}:dead", {"d": 1})
    await admin.api.post("/v1/queues/analytics/pause", None)
    page = await admin.get("/queues")
    assert list(cells(page)) == ["emails", "analytics", "ai"]
    unused = [a.get_text() for a in page.main.select(".unused a")]
    assert "backups" in unused
    assert not {"emails", "analytics", "ai"} & set(unused)


async def test_nothing_is_queued(admin: Person) -> None:
    page = await admin.get("/queues")
    assert "Nothing is queued and nobody listens. Start workers: almanac up" in page.text
    assert page.links()["publishing"] == "/queues/publishing"


async def test_pausing_and_resuming(admin: Person) -> None:
    """V039: from the list and from the page of the queue; it is audited."""
    await send(admin, "a")
    page = await admin.send(await admin.get("/queues"), "/queues/emails/pause")
    assert page.note == "emails is paused: running jobs run on, no other starts"
    assert cells(page)["emails"][0] == "emails Paused, 1 job waits"
    assert await paused(admin)
    page = await admin.send(await admin.get("/queues/emails"), "/queues/emails/resume")
    assert (page.path, page.note) == (
        "/queues/emails",
        "emails is resumed: its jobs start again",
    )
    assert not await paused(admin)
    done = [("ann", f"queues.{verb}", "queue:emails") for verb in ("pause", "resume")]
    assert await audited(admin) == done


async def test_one_queue(admin: Person) -> None:
    """V039, V042: its numbers, who serves it, and what has waited longest."""
    await send(admin, *(f"job{n:02}" for n in range(12)), name=HOSTILE)
    async with admin.api.runtime.unit_of_work() as uow:
        await minute_queries.add(uow.session, [a_run("a", queue="emails")] * 4)
        await minute_queries.add(uow.session, [a_run("a", queue="webhooks")] * 9)
    page = await admin.get("/queues/emails")
    assert page.title == "Queue emails"
    assert "Nobody listens, 12 jobs wait" in page.text
    assert "Start a worker for it: almanac worker emails" in page.text
    assert "4 runs succeeded in the last hour" in page.text
    (table,) = page.main.select("table:not(figure table)")
    links = [str(a["href"]) for a in table.select("a")]
    assert links == [f"/jobs/job{n:02}" for n in range(10)]
    assert table.select("script") == []
    assert table.get_text().count(HOSTILE) == 10
    assert page.links()["All that wait"] == "/jobs?q=queue:emails+state:queued"
    live = page.main.select_one("#live")
    assert live is not None
    assert live["data-live"] == "/live?queue=emails"


async def test_an_empty_queue(admin: Person) -> None:
    page = await admin.get("/queues/reports")
    assert "Nothing waits here." in page.text
    assert "Nobody listens; nothing waits" in page.text
    assert page.main.select("figure") == []
    page = await admin.get("/queues/reports/purge")
    assert "There is nothing to remove." in page.text
    assert "/queues/reports/purge" not in page.forms()


async def test_a_queue_that_is_none(admin: Person) -> None:
    """A page says so, whatever the name, and nothing is made of it."""
    for name in ("nothing", "%3Cscript%3Ealert(1)"):
        for path in ("", "/purge"):
            page = await admin.get(f"/queues/{name}{path}", 404)
            assert "There is no queue" in page.text
            assert page.main.select("script") == []
    token = (await admin.get("/queues")).fields("/logout")["csrf"]
    reply = await admin.post("/queues/nothing/pause", csrf=token)
    assert "There is no queue &#39;nothing&#39;" in reply.text
    assert await audited(admin) == []


async def test_a_purge_says_before_what_it_will_do(admin: Person) -> None:
    """V039, G028: how many go, how many stay; nothing happens before it is confirmed."""
    await send(admin, "a", "b")
    await send(admin, "c", later=True)
    await admin.api.runtime.queue.set("arq:in-progress:b", "w", px=60_000)
    asked = await admin.get("/queues/emails/purge")
    assert asked.title == "Purge emails?"
    assert "2 jobs will be removed. They do not run, and nothing brings them back." in asked.text
    assert "1 job runs now, and will not be stopped." in asked.text
    assert asked.main.select("input[type=checkbox]") == [], "nothing belongs to anything"
    token = asked.fields("/logout")["csrf"]
    again = await admin.post("/queues/emails/purge", csrf=token)
    assert "Purge emails?" in again.text
    assert await admin.api.queued("emails") == ["a", "b", "c"]
    done = await admin.send(asked, "/queues/emails/purge")
    assert done.note == "2 jobs removed from emails; 1 that run are left alone"
    assert await admin.api.queued("emails") == ["b"]
    assert await audited(admin) == [("ann", "queues.purge", "queue:emails")]


async def test_jobs_of_rows_stay_unless_their_owners_are_cancelled(admin: Person) -> None:
    """V039: the box decides; what is said before is what happens."""
    post = await admin.api.schedule([await admin.api.connect()], publish_at=in_seconds(60))
    asked = await admin.get("/queues/publishing/purge")
    assert "0 jobs will be removed." in asked.text
    assert "1 job belongs to a row, such as a scheduled post: it stays and runs" in asked.text
    done = await admin.send(asked, "/queues/publishing/purge")
    assert done.note == "0 jobs removed from publishing; 1 that belong to a row stay"
    assert (await admin.api.read_post(post["id"]))["state"] == "scheduled"
    done = await admin.send(asked, "/queues/publishing/purge", cancel_owners="yes")
    assert done.note == "1 job removed from publishing"
    assert (await admin.api.read_post(post["id"]))["state"] == "cancelled"


async def test_beyond_what_is_read_nobody_promises(
    admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreseeing, "MOST_READ", 2)
    await send(admin, "a", "b", "c", "d", "e")
    page = await admin.get("/queues/emails/purge")
    assert "2 jobs will be removed." in page.text
    assert "3 more jobs wait behind them: the same holds for them." in page.text


async def test_a_reader_is_shown_no_button_and_refused(stranger: Person) -> None:
    """V037: by the route, not only by what is shown; nothing happened."""
    await send(stranger, "a")
    await stranger.log_in("bob", "jobs:read")
    page = await stranger.get("/queues/emails")
    assert "Purge…" not in page.text
    assert not [action for action in page.forms() if "/queues" in action]
    assert not [a for a in (await stranger.get("/queues")).forms() if "/queues" in a]
    await stranger.get("/queues/emails/purge", 403)
    token = page.fields("/logout")["csrf"]
    for verb in ("pause", "resume", "purge"):
        reply = await stranger.post(f"/queues/emails/{verb}", csrf=token, confirmed="yes")
        assert reply.status_code == 403
    assert await stranger.api.queued("emails") == ["a"]
    assert not await paused(stranger)
    assert await audited(stranger) == []


async def test_other_peoples_jobs_are_counted_but_not_named(stranger: Person) -> None:
    """Of jobs that belong to posts a reader of jobs learns the number."""
    await stranger.api.schedule([await stranger.api.connect()], publish_at=in_seconds(1))
    key = queue_key("publishing")
    (job_id,) = await stranger.api.queued()
    await stranger.api.runtime.queue.zadd(key, {job_id: now().timestamp() * 1000 - 5000})
    await stranger.log_in("bob", "jobs:read")
    page = await stranger.get("/queues/publishing")
    assert "The jobs that wait here are other people's." in page.text
    assert job_id not in page.reply.text


async def test_an_operator_may_without_being_admin(stranger: Person) -> None:
    await new_user(stranger.api, "olga", "jobs:read", "jobs:operate")
    page = await stranger.send(
        await stranger.get("/login?next=/queues/emails"), "/login", name="olga", password=PASSWORD
    )
    page = await stranger.send(page, "/queues/emails/pause")
    assert page.note.startswith("emails is paused")
    assert await audited(stranger) == [("olga", "queues.pause", "queue:emails")]
