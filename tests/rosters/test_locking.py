"""The lock: of days that are over, by hand, against whoever changes something meanwhile."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.access.caller import Scope
from service.config import Settings, explain
from service.errors import Conflict
from service.kit.clock import now
from service.rosters import actions, item_actions, jobs, locking_actions
from service.rosters.schemas import ItemChange, ItemIn, KeptItemIn
from service.runtime import Runtime
from tests.rosters.helpers import Desk, people
from tests.support import Installation
from workers import periodic, rosters

pytestmark = pytest.mark.asyncio
DAY = timedelta(days=1)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


async def lock_past(api: Installation) -> int:
    """Do what the job does, by the clock of the test."""
    return await rosters.lock({"runtime": api.runtime})


async def states(desk: Desk) -> Mapping[str, str]:
    """Return the status of every roster by its day."""
    items = (await desk.api.get("/v1/rosters")).json()["items"]
    return {item["day"]: item["status"] for item in items}


async def test_the_job_locks_days_that_are_over(desk: Desk) -> None:
    """K022, K034: open ones of today, 1 and 5 days ago: two are locked; a second run locks 0."""
    today = now().date()
    made = [await desk.make(today - days * DAY, "Desk", "Ali") for days in (0, 1, 5)]
    for locked in (2, 0):
        async with desk.api.runtime.unit_of_work() as uow:
            (job_id,) = uow.enqueue(jobs.lock())
        await desk.api.work("rosters")
        job = (await desk.api.get(f"/v1/jobs/{job_id}")).json()
        assert (job["state"], job["result"]) == ("succeeded", locked), job
    assert await states(desk) == {
        made[0]["day"]: "open",
        made[1]["day"]: "locked",
        made[2]["day"]: "locked",
    }
    assert len(await desk.noted("rosters.lock")) == 2


async def test_each_lock_is_in_the_audit_log(desk: Desk) -> None:
    """K037: who (the system), when, which roster; in the transaction that locks it."""
    with time_machine.travel(NOON, tick=True):
        made = [await desk.make(date(2026, 11, day)) for day in (3, 4)]
        await lock_past(desk.api)
    noted = await desk.noted("rosters.lock")
    assert [(entry.actor, entry.subject, entry.detail) for entry in noted] == [
        (
            "schedule:rosters.lock",
            f"roster:{roster['id']}",
            {"who": "system", "day": roster["day"], "project": "Desk"},
        )
        for roster in made
    ]
    assert all(NOON <= entry.at < NOON + timedelta(minutes=1) for entry in noted)
    found = await desk.read(made[0])
    assert NOON <= datetime.fromisoformat(found["locked_at"]) < NOON + timedelta(minutes=1)
    assert found["locked_by"] == "schedule:rosters.lock"


async def test_no_lock_without_its_entry(desk: Desk, runtime: Runtime) -> None:
    """K037: where the log refuses the entry, the roster stays open."""
    await desk.make("2026-11-01")
    await desk.api.sql(
        "CREATE FUNCTION is_full() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$"
    )
    await desk.api.sql(
        "CREATE TRIGGER is_full BEFORE INSERT ON audit_log FOR EACH ROW EXECUTE FUNCTION is_full()"
    )
    with pytest.raises(DBAPIError, match="the log is full"):
        async with runtime.unit_of_work() as uow:
            assert await locking_actions.lock_past(uow.session, date(2026, 11, 22)) == 1
    assert await states(desk) == {"2026-11-01": "open"}


@pytest.mark.parametrize(
    ("zone", "moment", "today"),
    [
        ("Asia/Riyadh", datetime(2026, 11, 22, 20, 59, tzinfo=UTC), date(2026, 11, 22)),
        ("Asia/Riyadh", datetime(2026, 11, 22, 21, 0, tzinfo=UTC), date(2026, 11, 23)),
        ("America/New_York", datetime(2026, 11, 22, 4, 59, tzinfo=UTC), date(2026, 11, 21)),
        ("America/New_York", datetime(2026, 11, 22, 5, 0, tzinfo=UTC), date(2026, 11, 22)),
        # Havana jumps from 23:59:59 to 01:00 on 8 March 2026.
        ("America/Havana", datetime(2026, 3, 8, 4, 59, tzinfo=UTC), date(2026, 3, 7)),
        ("America/Havana", datetime(2026, 3, 8, 5, 0, tzinfo=UTC), date(2026, 3, 8)),
    ],
)
async def test_yesterday_is_the_sites(desk: Desk, zone: str, moment: datetime, today: date) -> None:
    """K013: days are over where the site is, on either side of its midnight, whatever UTC says."""
    settings = desk.api.runtime.settings.model_copy(update={"site_timezone": zone})
    object.__setattr__(desk.api.runtime, "settings", settings)
    with time_machine.travel(moment, tick=True):
        for days in (-1, 0, 1, 2):
            await desk.make(today - days * DAY)
        assert await lock_past(desk.api) == 2
    assert {day for day, status in (await states(desk)).items() if status == "open"} == {
        str(today),
        str(today + DAY),
    }


async def test_the_hour_is_a_setting(runtime: Runtime, settings: Settings) -> None:
    """K035, K013: SCHEDULE_AUTO_LOCK_HOUR is of the site's clock and moves the next run."""
    changes: tuple[tuple[dict[str, object], str], ...] = (
        ({}, "01:00 +0300"),
        ({"auto_lock_hour": 2}, "02:00 +0300"),
        ({"auto_lock_hour": 23}, "23:00 +0300"),
        ({"auto_lock_hour": 2, "site_timezone": None}, "02:00 +0000"),
    )
    riyadh = settings.model_copy(
        update={"site_timezone": "Asia/Riyadh", "environment": "production"}
    )
    for change, local in changes:
        await periodic.mirror(runtime, riyadh.model_copy(update=change))
        (row,) = await runtime.database.execute(
            text("SELECT zone, next_tick_at FROM schedules WHERE name = 'rosters.lock'")
        )
        offset = timedelta(hours=3) if row.zone == "Asia/Riyadh" else timedelta()
        assert (row.next_tick_at + offset).strftime("%H:%M") == local[:5]
        assert now() < row.next_tick_at <= now() + DAY


@pytest.mark.parametrize("hour", ["25", "-1", "abc", "1.5"])
async def test_a_bad_hour_is_named(monkeypatch: pytest.MonkeyPatch, hour: str) -> None:
    """K035: the process does not start, and says which variable is wrong and how."""
    monkeypatch.setenv("SCHEDULE_AUTO_LOCK_HOUR", hour)
    with pytest.raises(ValidationError) as refused:
        Settings(_env_file=None)
    assert "SCHEDULE_AUTO_LOCK_HOUR" in explain(refused.value)


async def test_nothing_changes_after_the_lock(desk: Desk) -> None:
    """K036: every change by the API is 409 that says since when and by whom; nothing happens."""
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    locked = await desk.lock(roster)
    assert (locked["status"], locked["locked_by"]) == ("locked", "admin")
    path = f"/v1/rosters/{roster['id']}"
    item = f"{path}/items/{roster['items'][0]['id']}"
    since = f"{datetime.fromisoformat(locked['locked_at']):%Y-%m-%d %H:%M}"
    for method, where, body in (
        ("PATCH", path, {"notes": "Late"}),
        ("DELETE", path, None),
        ("POST", f"{path}/items", {"person": "Sara"}),
        ("PUT", f"{path}/items", {"items": []}),
        ("PATCH", item, {"status": "present"}),
        ("DELETE", item, None),
    ):
        reply = await desk.api.request(method, where, json=body)
        assert (reply.status_code, reply.json()["detail"]) == (
            409,
            f"This roster is locked since {since} UTC by admin; unlock it first",
        ), (method, where)
    assert await desk.read(roster) == locked
    assert await desk.lock(roster) == locked, "a second lock changes nothing"
    assert len(await desk.noted("rosters.lock")) == 1
    assert await desk.noted("rosters.change") == []


async def test_a_direct_call_is_refused(desk: Desk, runtime: Runtime) -> None:
    """K036: so are the functions that the API calls, also for an admin."""
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    locked, caller = await desk.lock(roster), await desk.admin()
    roster_id, item_id = UUID(roster["id"]), UUID(roster["items"][0]["id"])
    for call in (
        lambda session: actions.change(session, caller, roster_id, "Late"),
        lambda session: actions.delete(session, caller, roster_id),
        lambda session: item_actions.add_item(session, caller, roster_id, ItemIn(person="Sara")),
        lambda session: item_actions.delete_item(session, caller, roster_id, item_id),
        lambda session: item_actions.put_items(
            session, caller, roster_id, [KeptItemIn(person="Sara")]
        ),
        lambda session: item_actions.change_item(
            session, caller, roster_id, item_id, ItemChange(person="Sara")
        ),
    ):
        with pytest.raises(Conflict, match="This roster is locked since"):
            async with runtime.unit_of_work() as uow:
                await call(uow.session)
    assert await desk.read(roster) == locked


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rosters SET notes = 'Late'",
        "UPDATE rosters SET status = 'open', locked_at = NULL, locked_by = NULL, notes = 'Late'",
        "UPDATE rosters SET locked_by = 'nobody' WHERE status = 'locked'",
        "UPDATE rosters SET day = day + 1",
        "DELETE FROM rosters",
        "UPDATE roster_items SET status = 'present'",
        "UPDATE roster_items SET roster_id = (SELECT id FROM rosters WHERE project = 'Gate')",
        "DELETE FROM roster_items",
        "INSERT INTO roster_items SELECT gen_random_uuid(), now(), roster_id, 1, 'Sara', '', NULL,"
        " NULL, 'planned', NULL, '', 'psql', now() FROM roster_items",
    ],
)
async def test_the_database_refuses_too(desk: Desk, statement: str) -> None:
    """K036: whatever way a change comes, also past every function of ours."""
    roster = await desk.make("2026-11-23", "Desk", "Ali")
    await desk.make("2026-11-23", "Gate")
    locked = await desk.lock(roster)
    with pytest.raises(DBAPIError, match=f"roster {roster['id']} is locked since"):
        await desk.api.sql(statement)
    assert await desk.read(roster) == locked
    assert await desk.api.count("roster_items") == 1


async def test_an_edit_and_a_lock_at_once(desk: Desk, runtime: Runtime) -> None:
    """K036: one waits for the other, and no edit comes after the lock; many times over."""
    caller = await desk.admin()
    won = set()
    for turn in range(6):
        roster = await desk.make(date(2026, 1, 1) + turn * DAY, "Desk", "Ali")
        roster_id, item_id = UUID(roster["id"]), UUID(roster["items"][0]["id"])

        async def edit(roster_id: UUID = roster_id, item_id: UUID = item_id) -> datetime | None:
            try:
                async with runtime.unit_of_work() as uow:
                    item = await item_actions.change_item(
                        uow.session, caller, roster_id, item_id, ItemChange(note="edited")
                    )
                    return item.updated_at
            except Conflict:
                return None

        async def lock() -> int:
            async with runtime.unit_of_work() as uow:
                return await locking_actions.lock_past(uow.session, date(2026, 11, 22))

        both = (edit(), lock()) if turn % 2 else (lock(), edit())
        found = await asyncio.gather(*both)
        edited, count = (found[0], found[1]) if turn % 2 else (found[1], found[0])
        assert count == 1
        after = await desk.read(roster)
        assert after["status"] == "locked"
        assert after["items"][0]["note"] == ("edited" if edited else "")
        won.add(edited is not None)
    assert won


@pytest.mark.parametrize("first", ["edit", "lock"])
async def test_who_holds_the_roster_is_waited_for(desk: Desk, runtime: Runtime, first: str) -> None:
    """K036: the lock waits for an edit in hand; an edit waits for a lock, and is refused."""
    roster = await desk.make("2026-11-01", "Desk", "Ali")
    caller, roster_id = await desk.admin(), UUID(roster["id"])
    item_id = UUID(roster["items"][0]["id"])

    async def edit(session: Any) -> object:
        body = ItemChange(note="edited")
        return await item_actions.change_item(session, caller, roster_id, item_id, body)

    async def lock(session: Any) -> object:
        return await locking_actions.lock_past(session, date(2026, 11, 22))

    async def other() -> object:
        async with runtime.unit_of_work() as uow:
            return await (lock if first == "edit" else edit)(uow.session)

    async with runtime.unit_of_work() as uow:
        await (edit if first == "edit" else lock)(uow.session)
        waiting = asyncio.create_task(other())
        while not await desk.api.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not waiting.done()
    if first == "edit":
        assert await waiting == 1
    else:
        with pytest.raises(Conflict, match=r"by schedule:rosters\.lock"):
            await waiting
    after = await desk.read(roster)
    assert (after["status"], after["items"][0]["note"]) == (
        "locked",
        "edited" if first == "edit" else "",
    )


async def test_raw_sql_waits_for_the_lock(desk: Desk, runtime: Runtime) -> None:
    """K036: an UPDATE that began before the lock was committed is refused after it."""
    await desk.make("2026-11-01", "Desk", "Ali")
    async with runtime.unit_of_work() as uow:
        await locking_actions.lock_past(uow.session, date(2026, 11, 22))
        late = asyncio.create_task(desk.api.sql("UPDATE roster_items SET note = 'late'"))
        while not await desk.api.sql("SELECT 1 FROM pg_locks WHERE NOT granted"):
            assert not late.done()
    with pytest.raises(DBAPIError, match="is locked since"):
        await late
    (row,) = await desk.api.sql("SELECT note FROM roster_items")
    assert row.note == ""


async def test_two_runs_at_once(desk: Desk, runtime: Runtime) -> None:
    """K034: a job may run twice: each roster is locked once and noted once."""
    for day in range(1, 21):
        await desk.make(date(2026, 10, day))

    async def lock() -> int:
        async with runtime.unit_of_work() as uow:
            return await locking_actions.lock_past(uow.session, date(2026, 11, 22))

    counts = await asyncio.gather(*(lock() for _ in range(4)))
    assert sum(counts) == 20
    subjects = [entry.subject for entry in await desk.noted("rosters.lock")]
    assert len(subjects) == len(set(subjects)) == 20


async def test_an_unlock_needs_a_reason_and_a_right(desk: Desk, api: Installation) -> None:
    """K036, K037: by settings:write or admin, with a reason; then changes are taken again."""
    mine = (Scope.CONTENT_READ, Scope.CONTENT_WRITE)
    writer = await api.new_key(*mine, user="bob")
    made = await api.post(
        "/v1/rosters",
        {"day": "2026-11-01", "project": "Desk", "items": [{"person": "Ali"}]},
        key=writer,
    )
    roster = made.json()
    assert (await desk.unlock(roster, "No need")).json()["detail"] == "This roster is not locked"
    await desk.lock(roster)
    refused = await desk.unlock(roster, "Typed wrong", key=writer)
    assert refused.status_code == 403
    assert "settings:write" in refused.json()["detail"]
    for reason in ("", "  a ", "x" * 501):
        assert (await desk.unlock(roster, reason)).status_code == 422
    assert (await desk.read(roster))["status"] == "locked"
    assert await desk.noted("rosters.unlock") == []
    settings = await api.new_key(*mine, Scope.SETTINGS_WRITE, user="bob")
    opened = await desk.unlock(roster, " Ali was there ", key=settings)
    assert (opened.status_code, opened.json()["status"]) == (200, "open")
    assert (opened.json()["locked_at"], opened.json()["locked_by"]) == (None, None)
    (noted,) = await desk.noted("rosters.unlock")
    assert (noted.actor, noted.detail["reason"]) == ("bob", "Ali was there")
    item = f"/v1/rosters/{roster['id']}/items/{roster['items'][0]['id']}"
    changed = await api.request("PATCH", item, json={"status": "present"}, key=writer)
    assert changed.status_code == 200
    with time_machine.travel(NOON, tick=True):
        assert await lock_past(api) == 1, "a day that is over is locked again"
    assert people(await desk.read(roster)) == [("Ali", "present")]
