"""What was read long ago is deleted: when, how much, and not what nobody has read."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from schedules import notifications as schedules
from service.config import Settings
from service.notifications import jobs, notifying
from service.notifications.actions import News
from service.queue import declared, inspect
from service.schedules.rules import Timing, next_tick
from tests.support import Installation
from workers import periodic

from .helpers import tell, told, user

SATURDAY = datetime(2031, 5, 3, 12, tzinfo=UTC)


async def seed(api: Installation) -> Any:
    """Tell a user three things: read 31 and 29 days ago, and one 31 days old that is unread."""
    ann = await user(api, "ann")
    await tell(api, ann, News("31 d read"), News("31 d unread"), News("29 d read"))
    for title, ago in (("31 d read", 31), ("29 d read", 29)):
        await api.sql(
            "UPDATE user_notifications SET created_at = now() - interval '40 d',"
            " read_at = now() - :ago * interval '1 d' WHERE title = :title",
            ago=ago,
            title=title,
        )
    await api.sql("UPDATE user_notifications SET created_at = now() - interval '31 d'")
    return ann


@pytest.mark.asyncio
async def test_only_what_was_read_long_ago_goes(api: Installation) -> None:
    """T005, K032: by the worker of the queue; it says how many; again there are none."""
    ann = await seed(api)
    for gone, left in ((1, ["31 d unread", "29 d read"]), (0, ["31 d unread", "29 d read"])):
        handle = await api.runtime.queue.enqueue(jobs.cleanup())
        assert handle is not None
        await api.work("notifications")
        view = await inspect(api.runtime.queue, handle.job_id)
        assert view is not None
        assert view.result == gone
        assert [title for title, _ in await told(api, ann)] == left


@pytest.mark.asyncio
@pytest.mark.parametrize(("days", "gone"), [(28, 2), (30, 1), (32, 0)])
async def test_the_setting_decides(
    api: Installation, monkeypatch: pytest.MonkeyPatch, days: int, gone: int
) -> None:
    """K033: ALMANAC_NOTIFICATIONS_RETENTION."""
    monkeypatch.setenv("ALMANAC_NOTIFICATIONS_RETENTION", f"P{days}D")
    await seed(api)
    retention = Settings(_env_file=None).notifications_retention
    assert retention == timedelta(days=days)
    assert await notifying.cleanup(api.runtime, retention) == gone


@pytest.mark.asyncio
async def test_many_go_in_pieces(api: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """K032: no statement holds more than a piece of them."""
    monkeypatch.setattr(notifying, "OLD", 10)
    ann = await user(api, "ann")
    await tell(api, ann, *[News(f"n{number}") for number in range(25)])
    await api.sql("UPDATE user_notifications SET read_at = now() - interval '31 d'")
    pieces: list[int] = []
    engine = api.runtime.database._sessions.sync_engine

    def ran(*arguments: Any) -> None:
        if arguments[2].startswith("DELETE FROM user_notifications"):
            pieces.append(arguments[1].rowcount)

    event.listen(engine, "after_cursor_execute", ran)
    try:
        assert await notifying.cleanup(api.runtime, timedelta(days=30)) == 25
    finally:
        event.remove(engine, "after_cursor_execute", ran)
    assert pieces == [10, 10, 5]


def rule(**values: Any) -> Timing:
    """Return when the cleanup is, by these settings."""
    adjusted = periodic.adjusted(schedules.RULES, Settings(_env_file=None, **values))
    (found,) = [each for each in adjusted if each.name == "notifications.cleanup"]
    return Timing(found.line, found.zone or "UTC")


def test_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """K032: Monday 02:00 where the site is, which in Riyadh is Sunday 23:00 UTC."""
    assert next_tick(rule(), SATURDAY) == datetime(2031, 5, 5, 2, tzinfo=UTC)
    monkeypatch.setenv("SITE_TIMEZONE", "Asia/Riyadh")
    assert next_tick(rule(), SATURDAY) == datetime(2031, 5, 4, 23, tzinfo=UTC)


def test_another_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """K032, K033: ALMANAC_SCHEDULES has another line for it."""
    monkeypatch.setenv("ALMANAC_SCHEDULES", '{"notifications.cleanup": "30 4 * * wed"}')
    assert next_tick(rule(), SATURDAY) == datetime(2031, 5, 7, 4, 30, tzinfo=UTC)


def test_what_is_declared() -> None:
    """K032: two retries, each after 600 s."""
    policy = declared()["notifications.cleanup"].retry
    waits = [policy.delay_before(run, OSError(), 0.9) for run in (1, 2, 3)]
    assert waits == [600, 600, None]
