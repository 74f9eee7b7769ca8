"""The overview: what needs a person first, the last hours in words, what goes out next."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.dashboard import summary
from service.dashboard.operations import system
from service.monitoring import minute_queries, queue_views
from service.monitoring.runs import Run
from service.queue import connect, queue_key
from service.runtime import Runtime
from tests.access.helpers import PASSWORD, new_user
from tests.dashboard.person import Page, Person
from tests.support import Installation, in_seconds
from tests.workers.history import a_run

pytestmark = pytest.mark.asyncio
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}}",
    "\N{RIGHT-TO-LEFT OVERRIDE}evil",
    "a" * 3000,
)
FINE = "Everything is fine. Nothing needs you now."


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    """Let no test see what another was shown."""
    system.forget()
    yield
    system.forget()


async def kept(api: Installation, *runs: Run) -> None:
    """Add runs to their minutes."""
    async with api.runtime.unit_of_work() as uow:
        await minute_queries.add(uow.session, runs)


async def failed_post(person: Person, text: str, error: str = "401 Unauthorized") -> str:
    """Have a post that failed; return its id."""
    api = person.api
    post = await api.schedule([await api.connect()], text, publish_at=in_seconds(3600))
    await api.sql(
        "UPDATE deliveries SET state = 'failed', error = :error WHERE post_id = :id",
        id=post["id"],
        error=error,
    )
    return str(post["id"])


async def died(api: Installation, job_id: str, name: str, actor: str | None = None) -> None:
    """Keep a dead job."""
    await api.sql(
        "INSERT INTO dead_jobs (id, name, queue, lane, payload, error_type, errors, tries, actor,"
        " died_at) VALUES (:id, :name, 'almanac:emails', 'default', '', 'E', '{}', 1, :actor,"
        " now())",
        id=job_id,
        name=name,
        actor=actor,
    )


async def overview(person: Person, query: str = "") -> Page:
    """Open the overview as it is now: the login has shown it just before."""
    system.forget()
    summary.forget()
    return await person.get(f"/{query}")


def troubles(page: Page) -> dict[str, str]:
    """Return what needs a person, with where it leads."""
    found = page.main.select(".troubles > li > a")
    return {a.get_text(" ", strip=True): str(a["href"]) for a in found}


def captions(page: Page) -> list[str]:
    """Return what the charts say in words."""
    found = page.main.select("figcaption p")
    return [p.get_text().replace("\N{NO-BREAK SPACE}", " ") for p in found]


async def test_nothing_is_the_matter(admin: Person) -> None:
    """K067: a new installation says so, and what to do next."""
    page = await overview(admin)
    assert FINE in page.text
    assert captions(page)[0] == "No job has ended in the last hour."
    assert page.main.select(".plot, figure table") == []
    assert "Nothing goes out in the next seven days." in page.text
    assert page.links()["Write a post"] == "/posts/new"
    assert "Nothing has been published yet." in page.text


async def test_what_needs_a_person_comes_first(admin: Person) -> None:
    """G077, N057: each trouble in words, with the way to it."""
    api = admin.api
    failed = await failed_post(admin, "Spring sale")
    late = await api.schedule([await api.connect()], "Late", publish_at=in_seconds(3600))
    await api.sql(
        "UPDATE deliveries SET next_run_at = now() - interval '5 min' WHERE post_id = :id",
        id=late["id"],
    )
    for n in range(2):
        await api.runtime.queue.enqueue_job("x", _job_id=f"j{n}", _queue_name=queue_key("emails"))
    await api.runtime.queue.enqueue_job("x", _job_id="k", _queue_name=queue_key("reports"))
    await api.post("/v1/queues/reports/pause", None)
    for n in range(3):
        await died(api, f"d{n}", "emails.send")
    await died(api, "d", "reports.make")
    rule = {"name": "nightly", "job": "posts.sweep", "cron": "0 3 * * *"}
    schedule = (await api.post("/v1/schedules", rule)).json()
    await api.sql(
        "INSERT INTO schedule_runs (schedule_id, tick, state)"
        " VALUES (:id, now() - interval '2 h', 'missed')",
        id=schedule["id"],
    )
    await api.sql(
        "INSERT INTO alerts (id, rule, subject, text, value, opened_at, last_seen_at) VALUES"
        " (gen_random_uuid(), 'worker_down', 'emails', 'No worker serves emails', 1, now(), now()),"
        " (gen_random_uuid(), 'health', 'workers', 'No worker of emails', 1, now(), now()),"
        " (gen_random_uuid(), 'backup_age', '', 'No backup for 30 h', 1, now(), now())"
    )
    page = await overview(admin)
    assert troubles(page) == {
        "1 post did not go out": "/posts?show=failed",
        "1 post is late": "/posts?show=late",
        "Queue emails: nobody listens, 2 jobs wait": "/queues/emails",
        "Queue reports: paused, 1 job waits": "/queues/reports",
        "No backup for 30 h": "/alerts",
        "4 jobs died in the last day": "/dead",
        "Schedule nightly did not fire 1 time in the last day": "/schedules",
    }
    links = page.links()
    why = "“Spring sale” to handle1 on feed, failed: 401 Unauthorized"
    assert links[why] == f"/posts/{failed}"
    assert links["“Late” to handle2 on feed"] == f"/posts/{late['id']}"
    assert links["3 of emails.send"] == links["1 of reports.make"] == "/dead"
    assert FINE not in page.text


async def test_stored_text_cannot_run(admin: Person) -> None:
    for text in HOSTILE:
        await failed_post(admin, text, error=text)
    await admin.api.sql("UPDATE deliveries SET due_at = now() - interval '1 h'")
    await died(admin.api, "d", HOSTILE[0])
    page = await overview(admin)
    assert page.soup.select("script:not([src]), img[onerror], [style], style") == []
    assert f"1 of {HOSTILE[0]}" in page.links()
    shown = await admin.api.sql("SELECT count(*) FROM deliveries WHERE state = 'failed'")
    assert f"{shown[0][0]} posts did not go out" in troubles(page)
    assert len(page.main.select(".troubles ul a")) == 3 + 1
    await admin.api.sql("UPDATE deliveries SET state = 'scheduled', next_run_at = now() + '1 h'")
    page = await overview(admin)
    texts = {a.get_text() for a in page.main.select("td.words a")}
    assert texts == {text[:120] for text in HOSTILE}


async def test_the_charts_tell_in_words_and_in_a_table(admin: Person) -> None:
    """N057: throughput, waits and durations need no script; the script gets the same numbers."""
    noon = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    runs = [
        a_run("a")._replace(
            finished_at=noon + timedelta(seconds=second),
            started_at=noon + timedelta(seconds=second - 2),
            enqueued_at=noon + timedelta(seconds=second - 2, milliseconds=-100),
            state="failed" if second == 9 else "succeeded",
        )
        for second in range(10, 0, -1)
    ]
    await kept(admin.api, *runs)
    admin.http.cookies.set("almanac_zone", "Asia/Kathmandu")
    page = await overview(admin)
    clock = (noon + timedelta(hours=5, minutes=45)).strftime("%H:%M")
    ends, waits, durations = captions(page)
    assert ends == (
        f"9 runs succeeded, 1 failed in the last hour. Now 0 a minute; 10 at the peak, at {clock}."
    )
    assert waits == (
        "Half of the runs started within about 110 ms, 95 % 130 ms."
        f" At the worst, at {clock}, it was 130 ms."
    )
    assert durations.startswith("Half of the runs took up to about 1.7 s, 95 % 2 s.")
    (row,) = page.rows("#chart-ends table")
    assert (row[0][-5:], row[1:]) == (clock, ["9", "1"])
    figure = page.main.select_one("#chart-ends")
    assert figure is not None
    data = json.loads(str(figure["data-chart"]))
    assert figure["data-zone"] == "Asia/Kathmandu"
    place = data["times"].index(noon.timestamp())
    assert [(line[0], line[2][place]) for line in data["lines"]] == [
        ("Succeeded", 9),
        ("Failed", 1),
    ]
    assert 59 <= len(data["times"]) <= 60


@pytest.mark.parametrize(
    ("query", "words", "most"),
    [("?over=6h", "6 hours", 72), ("?over=24h", "24 hours", 96), ("?over=<b>", "hour", 60)],
)
async def test_how_far_back(admin: Person, query: str, words: str, most: int) -> None:
    await kept(admin.api, a_run("a", ago=timedelta(minutes=50)))
    page = await overview(admin, query)
    assert captions(page)[0].startswith(f"1 run succeeded in the last {words}.")
    chosen = page.main.select("[aria-current]")
    assert len(chosen) == 1
    figure = page.main.select_one("#chart-runs")
    assert figure is not None
    assert most - 1 <= len(json.loads(str(figure["data-chart"]))["times"]) <= most


async def test_queues_in_use_are_listed_and_others_counted(admin: Person) -> None:
    """V042: as Redis counts them; "nobody listens" is said plainly."""
    client = admin.api.runtime.queue
    for n in range(3):
        await client.enqueue_job("x", _job_id=f"j{n}", _queue_name=queue_key("emails"))
    later = timedelta(minutes=5)
    await client.enqueue_job("x", _job_id="l", _queue_name=queue_key("emails"), _defer_by=later)
    page = await overview(admin)
    (row,) = page.rows("section[aria-labelledby=queues] table")
    assert row[:5] == ["emails", "Nobody listens, 4 jobs wait", "3", "0", "1"]
    total = len((await admin.api.get("/v1/queues")).json()["items"])
    assert page.links()[f"{total - 1} more queues"] == "/queues"


async def test_an_editor_sees_posts_only_and_own_ones(stranger: Person) -> None:
    """Nothing of other people, of queues or of jobs."""
    await failed_post(stranger, "Of the admin")
    await died(stranger.api, "d", "emails.send")
    page = await stranger.log_in("bob", "posts:read")
    assert FINE in page.text
    assert "Of the admin" not in page.text
    assert page.main.select("figure, #queues") == []
    assert "Write a post" not in page.text, "one who may only read"


async def test_an_operator_sees_jobs_only(stranger: Person) -> None:
    await failed_post(stranger, "Secret plan")
    await died(stranger.api, "a", "emails.send", actor="eve")
    await died(stranger.api, "b", "emails.send")
    page = await stranger.log_in("bob", "jobs:read")
    assert troubles(page) == {"1 job died in the last day": "/dead"}
    assert "Secret plan" not in page.text
    assert page.main.select("#next") == []
    assert len(page.main.select("figure")) == 3


async def test_without_scopes_there_is_nothing_but_advice(stranger: Person) -> None:
    page = await stranger.log_in("bob", "content:read")
    assert "Ask an admin for a scope" in page.text


async def test_the_live_part_alone(admin: Person) -> None:
    """V039: what is asked for when something has changed."""
    system.forget()
    reply = await admin.http.get("/", headers={"HX-Request": "true"})
    assert "<h1" not in reply.text
    assert "Everything is fine." in reply.text
    assert 'id="numbers"' in reply.text
    page = await overview(admin)
    live = page.main.select_one("#live")
    assert live is not None
    assert (live["data-live"], live["hx-get"]) == ("/live", "/")


async def test_what_went_out_last(admin: Person) -> None:
    """Of every account, the last first, as far as the list goes."""
    accounts = [await admin.api.connect() for _ in range(2)]
    for n in range(4):
        await admin.api.schedule(accounts, f"Post {n}", publish_at=in_seconds(60))
        await admin.api.sql(
            "UPDATE deliveries SET state = 'published', published_at = now() - interval '1 h'"
            f" * {9 - n} WHERE state = 'scheduled'"
        )
    page = await overview(admin)
    texts = [row[0] for row in page.rows("section[aria-labelledby=last] table")]
    assert texts == ["Post 3", "Post 3", "Post 2", "Post 2", "Post 1"]
    await new_user(admin.api, "bob", "posts:read")
    page = await admin.send(page, "/logout")
    page = await admin.send(page, "/login", name="bob", password=PASSWORD)
    assert "Nothing has been published yet." in page.text


async def test_redis_is_away(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look says so instead of failing."""
    monkeypatch.setattr(queue_views, "ANSWER", 0.2)
    nowhere = connect("redis://127.0.0.1:1")
    caller: Any = None  # nobody asks for rights below the routes' dependencies
    found = await system.look(replace(runtime, queue=nowhere), caller)
    await nowhere.aclose()
    assert (found.server, list(found.queues)) == (None, [])


async def test_many_who_look_on_cost_one_look(admin: Person) -> None:
    """Within two seconds the same is shown again."""
    first = await overview(admin)
    await admin.api.runtime.queue.enqueue_job("x", _job_id="j", _queue_name=queue_key("emails"))
    assert FINE in (await admin.get("/")).text
    again = await overview(admin)
    assert FINE in first.text
    assert "Queue emails: nobody listens, 1 job waits" in troubles(again)
