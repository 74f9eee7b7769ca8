"""A credential is where it is needed and nowhere else."""

import io
import logging
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from service.kit.logging import configure_logging
from service.runtime import Runtime
from tests.servers.faults import Fault
from tests.servers.webhook import WebhookServer
from tests.support import Installation

from .helpers import PASSWORD, Browser, dump_of_redis, new_user

pytestmark = pytest.mark.asyncio
TOKEN = "xoxb-7c1e5a9f03d2"


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged, down to the last detail, as production writes it."""
    root, stream = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    configure_logging("DEBUG", json=True, stream=stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)


async def dump_of_postgresql(runtime: Runtime) -> str:
    """Return every row of every table."""
    tables = await runtime.database.execute(
        text("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    )
    found = []
    for (table,) in tables:
        rows = await runtime.database.execute(text(f'SELECT "{table}"::text FROM "{table}"'))
        found += [f"{table}: {row[0]}" for row in rows]
    return "\n".join(found)


async def test_a_token_stays_where_it_is(api: Installation, logged: io.StringIO) -> None:
    """V083: it is in no key of Redis, result, history row, reply or log line; V084: in no row."""
    with WebhookServer() as receiver:
        account = await api.connect("webhook", {"url": f"{receiver.url}/hook?token={TOKEN}"})
        receiver.fail(Fault("/hook", status=400))
        failed = await api.schedule([account], "refused")
        await api.work(max_jobs=1)
        published = await api.schedule([account], "taken")
        waiting = await dump_of_redis(api)
        await api.work(max_jobs=1)
        assert [post["text"] for post in receiver.posts] == ["taken"]
    assert (await api.read_post(failed["id"]))["state"] == "failed"
    assert (await api.read_post(published["id"]))["state"] == "published"
    replies = [
        (await api.get(path)).text
        for path in (
            *("/v1/accounts", "/v1/posts", "/v1/jobs", "/v1/dead", "/v1/audit"),
            f"/v1/posts/{failed['id']}",
        )
    ]
    await api.record()
    places = {
        "redis": waiting + await dump_of_redis(api),
        "postgresql": await dump_of_postgresql(api.runtime),
        "log": logged.getvalue(),
        "replies": "\n".join(replies),
    }
    assert {place for place, content in places.items() if TOKEN in content} == set()
    assert all(len(content) > 100 for content in places.values())


async def test_keys_and_passwords_stay_where_they_are(
    api: Installation, logged: io.StringIO
) -> None:
    """V083: not even a database dump lets anybody in."""
    await new_user(api, "ann", "settings:write", "jobs:read", "jobs:operate")
    browser = Browser(api.http)
    await browser.log_in("ann", "wrong horse battery")
    await browser.log_in("ann")
    body = {"name": "k", "scopes": ["jobs:read"]}
    made = (await browser.request("POST", "/v1/keys", json=body)).json()
    schedule = {"name": "n", "job": "monitoring.clean", "cron": "* * * * *"}
    created = await browser.request("POST", "/v1/schedules", json=schedule)
    await browser.request("POST", f"/v1/schedules/{created.json()['id']}/run")
    await api.work("maintenance")
    (cookie,) = api.http.cookies.values()
    secrets = (PASSWORD, "wrong horse battery", made["key"], api.key, cookie, browser.token)
    places = (
        await dump_of_redis(api),
        await dump_of_postgresql(api.runtime),
        logged.getvalue(),
    )
    assert [secret for secret in secrets if any(secret in place for place in places)] == []
