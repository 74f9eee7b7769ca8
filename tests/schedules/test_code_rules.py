"""The code's rules: mounted for arq, mirrored as rows, adjusted by settings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import text

from schedules import monitoring as monitoring_rules
from service.config import Settings, explain
from service.errors import ConfigurationError, InvalidInput
from service.queue import Rule
from service.runtime import Runtime
from service.schedules import actions, ticking
from service.schedules.rules import Timing, next_tick
from workers import engine, maintenance, periodic, publishing

MINUTELY = Rule("posts.sweep")


def settings(**values: Any) -> Settings:
    """Return settings, nothing of the environment."""
    return Settings(_env_file=None, **values)


def test_every_rule_of_the_code() -> None:
    """N036, N044, G035, G036: each documented line, all of them in production."""
    lines = {rule.name: rule.line for rule in periodic.adjusted(periodic.RULES, settings())}
    assert lines["posts.sweep"] == "* * * * *"
    assert lines["monitoring.clean"] == "0 2 * * *"
    assert lines.keys() == {rule.name for rule in periodic.RULES}
    assert not settings(environment="production").reduces_schedules
    midday = datetime(2031, 5, 1, 12, tzinfo=UTC)
    tomorrow = next_tick(Timing(lines["monitoring.clean"], "UTC"), midday)
    assert tomorrow == datetime(2031, 5, 2, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "reduced"),
    [
        ({}, False),
        ({"environment": "development"}, True),
        ({"environment": "development", "periodic": "all"}, False),
        ({"environment": "production", "periodic": "reduced"}, True),
    ],
)
def test_when_periodic_jobs_are_reduced(values: dict[str, Any], *, reduced: bool) -> None:
    """N041, N044: where development is asked for; an installation without settings runs all."""
    assert settings(**values).reduces_schedules is reduced


def test_arq_fires_what_it_can_say() -> None:
    """Rule 17: every rule in UTC, at whole seconds, under the id that our tick has."""
    mounted = {cron.name: cron for cron in maintenance.WorkerSettings.cron_jobs}
    assert mounted.keys() == {f"cron:{rule.name}" for rule in periodic.RULES}
    assert {cron.name for cron in publishing.WorkerSettings.cron_jobs} == {"cron:posts.sweep"}
    for rule in periodic.RULES:
        cron = mounted[f"cron:{rule.name}"]
        moment = datetime(2031, 5, 1, 12, 0, 30, tzinfo=UTC)
        for _ in range(3):
            cron.calculate_next(moment)
            assert cron.next_run == next_tick(Timing(rule.line, "UTC"), moment)
            moment = cron.next_run


@pytest.mark.parametrize(
    "rule",
    [
        Rule("monitoring.clean", minute=0, hour=2, zone="Europe/Paris"),
        Rule("monitoring.clean", cron="0 2 1 * mon"),
        Rule("monitoring.clean", cron="0 2 L * *"),
        Rule("monitoring.clean", cron="0 2 * * mon#1"),
        Rule("monitoring.clean", jitter=5),
        Rule("monitoring.clean", arguments={"a": 1}),
    ],
)
def test_what_arq_cannot_say_is_ours_alone(rule: Rule) -> None:
    """Rule 17: another zone or other words would fire each tick twice."""
    assert engine.cron_jobs([rule], maintenance.WorkerSettings.functions) == []


def test_a_weekday_means_the_same_to_arq() -> None:
    rule = Rule("monitoring.clean", cron="30 2 * * sun,mon")
    (cron,) = engine.cron_jobs([rule], maintenance.WorkerSettings.functions)
    moment = datetime(2031, 5, 1, tzinfo=UTC)
    for _ in range(4):
        cron.calculate_next(moment)
        assert cron.next_run == next_tick(Timing(rule.line, "UTC"), moment)
        moment = cron.next_run


def test_a_line_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """K035: another hour changes the next run; a bad value is a clear error."""
    monkeypatch.setenv("ALMANAC_SCHEDULES", '{"monitoring.clean": "30 4 * * *"}')
    rule, _ = periodic.adjusted(monitoring_rules.RULES, settings())
    moment = datetime(2031, 5, 1, 12, tzinfo=UTC)
    assert next_tick(Timing(rule.line, "UTC"), moment) == datetime(2031, 5, 2, 4, 30, tzinfo=UTC)
    monkeypatch.setenv("ALMANAC_SCHEDULES", '{"monitoring.clean": "0 24 * * *"}')
    with pytest.raises(
        ConfigurationError, match=r"ALMANAC_SCHEDULES: cron line '0 24.*hour is not"
    ):
        periodic.adjusted(monitoring_rules.RULES, settings())
    monkeypatch.setenv("ALMANAC_SCHEDULES", '{"monitoring.cleen": "0 2 * * *"}')
    with pytest.raises(ConfigurationError, match="there is no rule 'monitoring"):
        periodic.adjusted(monitoring_rules.RULES, settings())


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALMANAC_TIMEZONE", "Mars/Olympus"), ("ALMANAC_TIMEZONE", "Europe"),
     ("ALMANAC_SCHEDULES", "not JSON"), ("ALMANAC_PERIODIC", "sometimes")],
)  # fmt: skip
def test_bad_settings(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="1 validation error") as refused:
        settings()
    assert name in explain(refused.value)  # type: ignore[arg-type] # it is pydantic's


@pytest.mark.asyncio
async def test_rules_become_rows(runtime: Runtime) -> None:
    """G008, K013: each with its line, its zone and its next run; again changes nothing."""
    riyadh = settings(timezone="Asia/Riyadh", schedules={"monitoring.clean": "0 2 * * *"})
    await periodic.mirror(runtime, riyadh)
    first = await rows(runtime)
    assert {row.name for row in first} == {rule.name for rule in periodic.RULES}
    (clean,) = [row for row in first if row.name == "monitoring.clean"]
    assert (clean.line, clean.zone, clean.stride) == ("0 2 * * *", "Asia/Riyadh", 1)
    assert (clean.next_tick_at.hour, clean.next_tick_at.minute) == (23, 0)
    await runtime.database.execute(text("UPDATE schedules SET next_tick_at = '2020-01-01Z'"))
    await periodic.mirror(runtime, riyadh)
    again = await rows(runtime)
    assert {row.next_tick_at for row in again} == {datetime(2020, 1, 1, tzinfo=UTC)}, "missed, kept"
    assert {row.version for row in again} == {1}


@pytest.mark.asyncio
async def test_a_changed_rule_changes_its_row(runtime: Runtime) -> None:
    """N036: its next run is computed anew, its pause stays."""
    await periodic.mirror(runtime, settings())
    await runtime.database.execute(text("UPDATE schedules SET paused = true"))
    before = {row.name: row for row in await rows(runtime)}
    async with runtime.unit_of_work() as uow:
        changed = Rule("monitoring.clean", hour=5, minute=0, queue="backups")
        await actions.mirror(uow.session, [changed, MINUTELY], "UTC", 1)
    after = {row.name: row for row in await rows(runtime)}
    assert after["posts.sweep"] == before["posts.sweep"]
    clean = after["monitoring.clean"]
    assert (clean.id, clean.version, clean.paused) == (before["monitoring.clean"].id, 2, True)
    assert (clean.line, clean.next_tick_at.hour, clean.queue) == ("0 5 * * *", 5, "backups")


@pytest.mark.asyncio
async def test_a_rule_that_only_other_code_has(runtime: Runtime) -> None:
    """During a release an old worker that starts neither fires nor deletes a new rule.

    One that no code has any more fires nowhere, and its row goes.
    """
    await periodic.mirror(runtime, settings())
    before = {row.name for row in await rows(runtime)}
    await runtime.database.execute(text("UPDATE schedules SET next_tick_at = now()"))
    old = [MINUTELY]
    async with runtime.unit_of_work() as uow:
        await actions.mirror(uow.session, old, "UTC", 1)
    assert {row.name for row in await rows(runtime)} == before
    await ticking.look(runtime, "old", [rule.name for rule in old])
    fired = await runtime.database.execute(text("SELECT DISTINCT name FROM durable_jobs"))
    assert [row[0] for row in fired] == ["posts.sweep"]
    await runtime.database.execute(
        text("UPDATE schedules SET next_tick_at = now() - interval '25 hours'")
    )
    async with runtime.unit_of_work() as uow:
        await actions.mirror(uow.session, old, "UTC", 1)
    assert {row.name for row in await rows(runtime)} == {"posts.sweep"}


@pytest.mark.asyncio
async def test_reduced_in_development(runtime: Runtime) -> None:
    """N041: strictly less often; people's own schedules are not touched."""
    await periodic.mirror(runtime, settings(environment="development"))
    assert {row.stride for row in await rows(runtime)} == {periodic.REDUCED}
    (sweep,) = [row for row in await rows(runtime) if row.name == "posts.sweep"]
    start = sweep.next_tick_at
    fired = 0
    for minute in range(15):
        fired += await ticking.fire_due(runtime, start + timedelta(minutes=minute), periodic.NAMES)
        await runtime.database.execute(text("UPDATE durable_jobs SET state = 'succeeded'"))
    sweeps = await runtime.database.execute(
        text("SELECT tick FROM schedule_runs JOIN schedules ON id = schedule_id"
             " WHERE name = 'posts.sweep' AND state = 'fired' ORDER BY tick")
    )  # fmt: skip
    assert [row[0] for row in sweeps] == [start + timedelta(minutes=5 * n) for n in range(3)]


@pytest.mark.asyncio
async def test_a_rule_whose_job_does_not_take_its_arguments(runtime: Runtime) -> None:
    """It stops the start and leaves no row."""
    with pytest.raises(InvalidInput, match="zeal: is unknown"):
        async with runtime.unit_of_work() as uow:
            bad = Rule("monitoring.clean", arguments={"zeal": 1})
            await actions.mirror(uow.session, [MINUTELY, bad], "UTC", 1)
    assert await rows(runtime) == []


@pytest.mark.asyncio
async def test_the_clock_of_the_code_does_not_matter(runtime: Runtime) -> None:
    """Time is PostgreSQL's: a worker whose clock is years ahead fires nothing early."""
    await periodic.mirror(runtime, settings())
    with time_machine.travel(datetime(2040, 1, 1, tzinfo=UTC), tick=True):
        await ticking.look(runtime, "ahead", periodic.NAMES)
    (counted,) = await runtime.database.execute(
        text("SELECT count(*) FROM schedule_runs WHERE tick > now()")
    )
    assert counted[0] == 0


async def rows(runtime: Runtime) -> list[Any]:
    """Return the rows of all schedules, by name."""
    return list(await runtime.database.execute(text("SELECT * FROM schedules ORDER BY name")))


@pytest.mark.parametrize("mode", ["report", "archive", "delete"])
def test_what_becomes_of_old_posts_is_a_setting(mode: str) -> None:
    """N006: nothing goes unless somebody has said so; only counting is the job's own default."""
    (rule,) = (
        rule
        for rule in periodic.adjusted(periodic.RULES, settings(feed_cleanup=mode))
        if rule.name == "community.clean_posts"
    )
    wanted = {} if mode == "report" else {"dry_run": False, "mode": mode}
    assert dict(rule.arguments) == wanted
