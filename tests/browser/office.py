"""An office as it is in the middle of a month: posts that are out and to come, jobs of a day."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert

from benchmarks.history_rows import deaths, runs
from service.config import Settings
from service.monitoring import history_queries, minute_queries
from service.monitoring.models import DeadJob
from service.monitoring.runs import Run
from tests.support import PNG, Installation
from tests.workflows.bench import Code, make_worker
from workers import periodic

TEXTS = (
    "The spring issue is out: twelve kitchens that smell of rosemary.",
    "Reader question of the week: which herb survives a north window? #garden",
    "Behind the scenes: how we photographed a hundred tomatoes without eating one.",
    "Saturday market: five stalls worth getting up early for.",
    "New podcast: the baker who starts at two in the morning.",
    "Our autumn garden calendar, free to print: https://example.org/calendar",
    "Winner of the photo contest: congratulations, Ada!",
)
HOSTILE = (
    "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 2'>"
    '"><svg onload=window.hacked=3> {{ 7 * 7 }} \u202e' + "x" * 300
)
"""Stored where people and programs may write; it must be seen, and do nothing."""
RUNS = 400
DAY = timedelta(days=1)
DAYS = range(-14, 17)


async def furnish(api: Installation, *, enemies: bool = True) -> dict[str, str]:
    """Fill an installation; return ids of what pages are about, by their kind.

    Args:
        api: the installation.
        enemies: whether hostile texts are among all that.
    """
    accounts = [
        await api.connect("feed", {"handle": "kitchen-news"}),
        await api.connect("x"),
        await api.connect("mastodon_sandbox", {"handle": "kitchen"})
        if "mastodon_sandbox" in api.runtime.platforms
        else await api.connect("feed", {"handle": "kitchen-events"}),
    ]
    posts = [await _post(api, accounts, number, day) for number, day in enumerate(DAYS)]
    await api.sql(_PAST)
    await api.sql(
        "UPDATE deliveries SET state = 'failed', error = 'The server refused the picture: 422',"
        " published_at = NULL WHERE post_id = :id",
        id=posts[9]["id"],
    )
    await api.post("/v1/posts", {"text": "An idea for winter: soup week"})
    await api.request("POST", "/v1/media", files={"file": ("rosemary.png", PNG, "image/png")})
    await _jobs(api)
    if enemies:
        await _enemies(api, accounts[0])
    return {
        "post": posts[20]["id"],
        "account": accounts[0],
        "workflow": await _workflow(api),
        "schedule": str((await api.sql("SELECT id FROM schedules LIMIT 1"))[0][0]),
        "job": str((await api.sql("SELECT job_id FROM job_runs WHERE state = 'failed'"))[0][0]),
    }


async def _post(api: Installation, accounts: list[str], number: int, day: int) -> Any:
    due = (datetime.now(UTC) + timedelta(days=day)).replace(minute=0, second=0, microsecond=0)
    due = due.replace(hour=(7, 11, 16)[number % 3])
    ahead = due if day > 0 else due + timedelta(days=30)
    chosen = accounts[: 1 + number % 3]
    text = TEXTS[number % len(TEXTS)]
    post = await api.schedule(chosen, text, publish_at=ahead.isoformat(), zone="Europe/Paris")
    if day <= 0:
        await api.sql("UPDATE posts SET publish_at = :due WHERE id = :id", due=due, id=post["id"])
    return post


_PAST = """
    UPDATE deliveries SET state = 'published', due_at = p.publish_at, next_run_at = p.publish_at,
        published_at = p.publish_at + interval '400 ms', attempts = 1,
        remote_url = 'https://social.example/' || deliveries.id
    FROM posts p WHERE p.id = deliveries.post_id AND p.publish_at < now()
"""


async def _jobs(api: Installation) -> None:
    """Write a history, and dead jobs; register the schedules, whose jobs wait."""
    found = [_lately(run, number) for number, run in enumerate(islice(runs(RUNS), RUNS))]
    async with api.runtime.unit_of_work() as uow:
        for day in sorted({run.finished_at.date() for run in found}):
            await history_queries.add_day(uow.session, day)
        await history_queries.add_runs(uow.session, found)
        await minute_queries.add(uow.session, found)
        await uow.session.execute(insert(DeadJob), deaths(12))
    await periodic.mirror(api.runtime, Settings(_env_file=None))


async def _enemies(api: Installation, account: str) -> None:
    """Store a hostile text wherever the API takes one."""
    await api.schedule([account], HOSTILE, publish_at=(datetime.now(UTC) + DAY).isoformat())
    bodies: dict[str, dict[str, object]] = {
        "/v1/webhooks": {
            "url": "https://example.org/?q=<script>",
            "events": ["job.failed"],
            "description": HOSTILE[:200],
        },
        "/v1/schedules": {"name": HOSTILE[:60], "job": "posts.sweep", "cron": "0 5 * * *"},
        "/v1/workflows": {**four_steps(), "name": HOSTILE[:60]},
    }
    for path, body in bodies.items():
        reply = await api.post(path, body)
        assert reply.status_code in {201, 422}, reply.text  # some refuse such names
    stored = {
        "UPDATE job_runs SET error = :text, traceback = :text, error_type = 'Bad<b>' "
        "WHERE state = 'failed'": HOSTILE,
        "UPDATE accounts SET display_name = :text WHERE platform = 'x'": HOSTILE[:100],
        "UPDATE deliveries SET error = :text WHERE state = 'failed'": HOSTILE,
        "UPDATE media SET filename = :text": HOSTILE[:100],
        "INSERT INTO notices (id, kind, key, title, text, last_at, open, count) VALUES "
        "(gen_random_uuid(), 'job.failed', 'job.failed:a', :text, :text, now(), true, 1)": HOSTILE,
        "INSERT INTO alerts (id, rule, subject, text, value, opened_at, last_seen_at) VALUES "
        "(gen_random_uuid(), 'health', :text, :text, 1, now(), now())": HOSTILE,
    }
    for statement, text in stored.items():
        await api.sql(statement, text=text)


def four_steps() -> dict[str, object]:
    """Return a workflow whose third step may fail."""
    names = ("download", "cut", "voice", "publish")
    after = ((), ("download",), ("download",), ("cut", "voice"))
    return {
        "name": "Autumn video",
        "steps": [
            {"key": name, "job": "flows.note", "arguments": {"name": name}, "after": list(before)}
            for name, before in zip(names, after, strict=True)
        ],
    }


def _lately(run: Run, number: int) -> Run:
    """Return a run as if it had ended within the last hours."""
    moved = datetime.now(UTC) - number * timedelta(seconds=11) - run.finished_at
    return run._replace(
        finished_at=run.finished_at + moved,
        started_at=run.started_at + moved,
        enqueued_at=run.enqueued_at + moved,
    )


async def _workflow(api: Installation) -> str:
    """Run a workflow of which one step fails."""
    reply = await api.post("/v1/workflows", four_steps())
    await make_worker(api.runtime, Code(failing={"voice"})).async_run()
    await api.record()
    workflow_id: str = reply.json()["id"]
    return workflow_id
