"""The ticker: fires what is due. Any number of processes may do so at once."""

import asyncio
import logging
import random
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from service.db.session import UnitOfWork
from service.errors import InvalidInput
from service.queue import JobCall, declared
from service.runtime import Runtime
from service.schedules import queries, rules
from service.schedules.actions import call_of, timing_of
from service.schedules.models import Firing, Schedule

LOOK = 5.0
"""Most seconds between two looks: so long until a new schedule is noticed."""
PAUSE = 1.0
"""Seconds until the next look after a failure."""

TOGETHER = 100
"""Schedules whose ticks are claimed in one transaction and sent in one round trip."""
_COLUMNS = ("tick", "state", "job_id", "reason")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the ticks of a schedule that have come."""

    schedule: Schedule
    values: dict[str, Any]
    """What its row says afterwards."""
    runs: list[dict[str, Any]]
    calls: list[JobCall]


async def run(runtime: Runtime, name: str, code: Collection[str]) -> None:
    """Tick until cancelled, through every failure.

    Args:
        runtime: whose schedules.
        name: of this process, for its heartbeat.
        code: names of the rules of the code that it knows; it leaves others alone.
    """
    while True:
        try:
            pause = await look(runtime, name, code)
        except (SQLAlchemyError, RedisError, OSError) as error:
            log.warning("the ticker waits: %s: %s", type(error).__name__, error)
            pause = PAUSE
        await asyncio.sleep(pause)


async def look(runtime: Runtime, name: str, code: Collection[str]) -> float:
    """Fire what is due by PostgreSQL's clock; return the seconds until the next look."""
    async with runtime.unit_of_work() as uow:
        await queries.beat(uow.session, name)
        moment = await queries.now(uow.session)
    await fire_due(runtime, moment, code)
    async with runtime.unit_of_work() as uow:
        coming = await queries.next_tick(uow.session, moment, code, declared())
        moment = await queries.now(uow.session)
    return LOOK if coming is None else min(LOOK, max(0.0, (coming - moment).total_seconds()))


async def fire_due(runtime: Runtime, moment: datetime, code: Collection[str]) -> int:
    """Decide about every tick that has come by then; return how many this call fired."""
    async with runtime.unit_of_work() as uow:
        due = await queries.due(uow.session, moment, code, declared())
    decisions = []
    for schedule, busy in due:
        try:
            decisions.append(_decide(schedule, moment, busy=busy))
        except ValueError:  # such as a zone that this machine does not know
            log.exception("schedule %s cannot tick", schedule.name)
    fired, kept_since = 0, moment - runtime.settings.history_retention
    for first in range(0, len(decisions), TOGETHER):
        async with runtime.unit_of_work() as uow:
            for decision in decisions[first : first + TOGETHER]:
                fired += await _carry_out(uow, decision, kept_since)
    return fired


async def _carry_out(uow: UnitOfWork, decision: Decision, kept_since: datetime) -> int:
    """Claim the ticks of a schedule, and send their jobs with the commit; return how many."""
    if not await queries.claim(uow.session, decision.schedule, decision.values):
        return 0
    await queries.add_runs(uow.session, decision.runs)
    await queries.forget_runs(uow.session, decision.schedule.id, kept_since)
    uow.enqueue(*decision.calls)
    for run in decision.runs:
        if run["reason"] is not None:
            log.info("schedule %s: %s, %s", decision.schedule.name, run["state"], run["reason"])
    return len(decision.calls)


def _decide(schedule: Schedule, moment: datetime, *, busy: bool) -> Decision:
    """Decide about the ticks of a schedule; raises ValueError for a bad line or zone."""
    first, timing = schedule.next_tick_at, timing_of(schedule)
    plan = rules.plan(timing, first, moment, busy=busy, paused=schedule.paused)
    plan, calls = _with_calls(schedule, plan)
    runs: list[tuple[datetime, Firing, str | None, str | None]] = [
        (tick, Firing.FIRED, call.job_id, None) for tick, call in zip(plan.fire, calls, strict=True)
    ]
    if plan.unfired is not None:
        runs.append((plan.unfired, plan.state, None, plan.reason))
    rows = [{"schedule_id": schedule.id, **dict(zip(_COLUMNS, run, strict=True))} for run in runs]
    values: dict[str, Any] = {"next_tick_at": plan.next_tick}
    if calls:
        values |= {
            "last_tick_at": plan.fire[-1],
            "last_job_id": calls[-1].job_id,
            "run_count": Schedule.run_count + len(calls),
        }
    return Decision(schedule, values, rows, calls)


def _with_calls(schedule: Schedule, plan: rules.Plan) -> tuple[rules.Plan, list[JobCall]]:
    """Return a plan with the calls of the ticks that fire: none if the job would not take them."""
    if not plan.fire:
        return plan, []
    try:
        call = call_of(schedule)
    except InvalidInput as error:
        unfired, state = plan.fire[-1], Firing.REFUSED
        return replace(plan, fire=(), unfired=unfired, state=state, reason=error.message), []
    static = schedule.owner_id is None
    return plan, [
        call.deferred(
            tick + timedelta(seconds=random.uniform(0, schedule.jitter))  # noqa: S311 - no secret
            if schedule.jitter
            else None,
            rules.job_id(schedule.name, schedule.id, static=static, tick=tick),
        )
        for tick in plan.fire
    ]
