"""Logins that nobody uses are ended: which, when, and no API key with them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from schedules import access as schedules
from service.access import jobs, session_actions
from service.access.caller import Scope
from service.config import Settings
from service.kit.clock import now
from service.queue import declared, inspect
from service.schedules.rules import Timing, next_tick
from tests.support import Installation
from workers import periodic

from .helpers import Browser, new_user

DAY = timedelta(days=1)
IDLE, INACTIVE = timedelta(hours=12), 30 * DAY


async def user(api: Installation, name: str, idle: timedelta | None = None) -> UUID:
    """Make a user who logged in so long ago; None: never, being made 31 days ago."""
    await new_user(api, name)
    await api.sql(
        "UPDATE users SET created_at = now() - interval '31 d', last_login_at = :at"
        " WHERE name = :name",
        at=None if idle is None else now() - idle,
        name=name,
    )
    (row,) = await api.sql("SELECT id FROM users WHERE name = :name", name=name)
    found: UUID = row.id
    return found


async def login(
    api: Installation, of: UUID, *, ends: timedelta = DAY, seen: timedelta = timedelta()
) -> None:
    """Store a login of a user that ends so far from now and was used so long ago."""
    await api.sql(
        "INSERT INTO sessions (id, user_id, digest, seen_at, expires_at)"
        " VALUES (gen_random_uuid(), :of, sha256(gen_random_uuid()::text::bytea), :seen, :ends)",
        of=of,
        seen=now() - seen,
        ends=now() + ends,
    )


async def owners(api: Installation) -> list[str]:
    """Return the names of those who are logged in."""
    rows = await api.sql(
        "SELECT name FROM sessions JOIN users ON users.id = sessions.user_id ORDER BY name"
    )
    return [row.name for row in rows]


async def clean(api: Installation) -> Any:
    """Run the job; return its result."""
    handle = await api.runtime.queue.enqueue(jobs.clean_sessions())
    assert handle is not None
    await api.work("maintenance")
    view = await inspect(api.runtime.queue, handle.job_id)
    assert view is not None
    return view.result


@pytest.mark.asyncio
async def test_the_stated_five(api: Installation) -> None:
    """N001: 2 expired, 1 valid, 1 of a user idle 31 d, 1 of one idle 29 d: 3 gone, 2 left."""
    ann = await user(api, "ann", timedelta())
    await login(api, ann, ends=-DAY)
    await login(api, ann, ends=-timedelta(seconds=1))
    await login(api, ann)
    await login(api, await user(api, "idle31", 31 * DAY))
    await login(api, await user(api, "idle29", 29 * DAY))
    keys = await api.sql("SELECT * FROM api_keys ORDER BY id")
    assert await clean(api) == {"expired": 2, "idle": 0, "of_inactive_users": 1}
    assert await owners(api) == ["ann", "idle29"]
    assert await clean(api) == {"expired": 0, "idle": 0, "of_inactive_users": 0}
    assert await api.sql("SELECT * FROM api_keys ORDER BY id") == keys


@pytest.mark.asyncio
async def test_who_never_logged_in_counts_from_the_start(api: Installation) -> None:
    """N001: as inactive is defined; and what is unused for too long ends for anybody."""
    await login(api, await user(api, "never", None))
    ann = await user(api, "ann", timedelta())
    await login(api, ann, seen=IDLE + timedelta(seconds=1))
    await login(api, ann, seen=IDLE - timedelta(minutes=1))
    assert await clean(api) == {"expired": 0, "idle": 1, "of_inactive_users": 1}
    assert await owners(api) == ["ann"]


@pytest.mark.asyncio
async def test_a_key_of_an_inactive_user_goes_on_working(api: Installation) -> None:
    """N001: only logins are ended, so a user who works by a key alone loses nothing."""
    await user(api, "robot", None)
    key = await api.new_key(Scope.POSTS_READ, user="robot")
    await clean(api)
    assert (await api.get("/v1/posts", key=key)).status_code == 200


@pytest.mark.asyncio
async def test_a_login_makes_a_user_active(api: Installation) -> None:
    """N001: the instant is written when a session begins; one that is refused writes nothing."""
    await user(api, "ann", 31 * DAY)
    browser = Browser(api.http)
    before = now()
    assert (await browser.log_in("ann", "wrong password")).status_code == 401
    (row,) = await api.sql("SELECT last_login_at FROM users WHERE name = 'ann'")
    assert row.last_login_at < before
    assert (await browser.log_in("ann")).status_code == 201
    (row,) = await api.sql("SELECT last_login_at FROM users WHERE name = 'ann'")
    assert before <= row.last_login_at <= now()
    assert await clean(api) == {"expired": 0, "idle": 0, "of_inactive_users": 0}
    assert (await api.http.get("/v1/session")).status_code == 200


@pytest.mark.asyncio
@pytest.mark.parametrize(("days", "ended"), [(28, 2), (30, 1), (32, 0)])
async def test_the_setting_decides(
    api: Installation, monkeypatch: pytest.MonkeyPatch, days: int, ended: int
) -> None:
    """N001: ALMANAC_INACTIVE_AFTER."""
    for idle in (31, 29):
        await login(api, await user(api, f"idle{idle}", idle * DAY))
    monkeypatch.setenv("ALMANAC_INACTIVE_AFTER", f"P{days}D")
    inactive = Settings(_env_file=None).inactive_after
    async with api.runtime.unit_of_work() as uow:
        counts = await session_actions.clean(uow.session, IDLE, inactive)
    assert counts["of_inactive_users"] == ended


def test_when() -> None:
    """N001: daily at 02:00, with three retries, on the maintenance queue."""
    (rule,) = periodic.adjusted(schedules.RULES, Settings(_env_file=None))
    assert (rule.name, rule.line) == ("access.clean_sessions", "0 2 * * *")
    noon = datetime(2031, 5, 1, 12, tzinfo=UTC)
    assert next_tick(Timing(rule.line, "UTC"), noon) == datetime(2031, 5, 2, 2, tzinfo=UTC)
    job = declared()["access.clean_sessions"]
    assert (job.queue, job.retry.tries) == ("maintenance", 4)
