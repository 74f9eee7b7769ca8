"""Reading the audit log."""

from datetime import timedelta
from typing import Any

import pytest

from service.access.audit import note
from service.kit.clock import now
from tests.support import Installation, problems

pytestmark = pytest.mark.asyncio


async def read(api: Installation, query: str = "") -> list[Any]:
    reply = await api.get(f"/v1/audit?{query}")
    assert reply.status_code == 200, reply.text
    items: list[Any] = reply.json()["items"]
    return items


async def test_what_was_done_to_a_schedule(api: Installation) -> None:
    """V082, K037: who, what, when, from where and in which trace; the newest first."""
    body = {"name": "nightly", "job": "monitoring.clean", "cron": "0 2 * * *"}
    made = (await api.post("/v1/schedules", body)).json()
    path = f"/v1/schedules/{made['id']}"
    await api.request("PATCH", path, json={"cron": "0 3 * * *", "jitter": 5})
    await api.post(f"{path}/pause", None)
    await api.post(f"{path}/resume", None)
    fired = (await api.post(f"{path}/run", None)).json()
    await api.request("DELETE", path)
    entries = await read(api, f"subject=schedule:{made['id']}")
    assert [(entry["action"], entry["detail"]) for entry in entries] == [
        ("schedules.delete", {}),
        ("schedules.run", {"job": fired["job_id"]}),
        ("schedules.resume", {}),
        ("schedules.pause", {}),
        ("schedules.change", {"fields": ["cron", "jitter"]}),
        ("schedules.create", {"name": "nightly", "job": "monitoring.clean"}),
    ]
    assert {entry["actor"] for entry in entries} == {"admin"}
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}
    assert len({entry["trace"] for entry in entries} - {None}) == 6


async def test_what_was_done_to_a_post(api: Installation) -> None:
    """V082: submitting, changing, cancelling, retrying and publishing."""
    account = await api.connect()
    post = await api.schedule([account], publish_at=(now() + timedelta(hours=1)).isoformat())
    path = f"/v1/posts/{post['id']}"
    await api.request("PATCH", path, json={"text": "Other"})
    await api.post(f"{path}/cancel", None)
    assert (await api.post(f"{path}/retry", {})).status_code == 409
    draft = await api.schedule([], "draft")
    body = {"posts": [draft["id"]], "accounts": [account]}
    batch = (await api.post("/v1/posts/batch", body)).json()
    entries = await read(api)
    assert [(entry["action"], entry["subject"]) for entry in entries] == [
        ("posts.publish_batch", f"batch:{batch['id']}"),
        ("posts.create", f"post:{draft['id']}"),
        ("posts.cancel", f"post:{post['id']}"),
        ("posts.change", f"post:{post['id']}"),
        ("posts.create", f"post:{post['id']}"),
        ("accounts.connect", f"account:{account}"),
    ]


async def test_a_refused_act_is_not_in_it(api: Installation) -> None:
    reply = await api.post("/v1/schedules", {"name": "n", "job": "no.such", "cron": "* * * * *"})
    assert reply.status_code == 422
    assert await read(api) == []


async def test_filters_and_pages(api: Installation) -> None:
    start = now()
    for number in range(5):
        async with api.runtime.unit_of_work() as uow:
            actor = "ann" if number % 2 else "bob"
            await note(uow.session, actor, "jobs.cancel", f"job-{number}", number=number)
    assert [entry["subject"] for entry in await read(api, "actor=ann")] == ["job-3", "job-1"]
    assert len(await read(api, "action=jobs.cancel&actor=bob")) == 3
    assert await read(api, "action=jobs.retry") == []
    all_of_them = await read(api)
    third = all_of_them[2]["at"].replace("+00:00", "Z")
    later = await read(api, f"since={third}")
    earlier = await read(api, f"until={third}")
    assert [*later, *earlier] == all_of_them
    assert all(entry["at"] >= all_of_them[2]["at"] for entry in later)
    assert all(entry["at"] < all_of_them[2]["at"] for entry in earlier)
    assert await read(api, f"until={(start - timedelta(seconds=1)).isoformat()[:19]}Z") == []
    seen, query = [], "limit=2"
    while query:
        page = (await api.get(f"/v1/audit?{query}")).json()
        seen += page["items"]
        query = f"limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert seen == all_of_them


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cursor=x", "cursor"),
        ("since=yesterday", "since"),
        ("until=2026-01-01T00:00:00", "until"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("actor=%00", "actor"),
        ("limit=0", "limit"),
    ],
)
async def test_malformed_filters(api: Installation, query: str, field: str) -> None:
    refused = await api.get(f"/v1/audit?{query}")
    assert refused.status_code == 422
    assert list(problems(refused)) == [field]


@pytest.mark.parametrize("since", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_the_ends_of_time(api: Installation, since: str) -> None:
    async with api.runtime.unit_of_work() as uow:
        await note(uow.session, "ann", "jobs.cancel", "job")
    assert len(await read(api, f"since={since}")) == (1 if since < "2" else 0)
    assert len(await read(api, f"until={since}")) == (0 if since < "2" else 1)
