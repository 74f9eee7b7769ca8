"""Use cases of schedules. None commits, none awaits the network."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from service.access.caller import Caller
from service.db.session import UnitOfWork
from service.errors import Conflict, InvalidInput, NotFound, Problem
from service.kit.crontab import crontab, find_zone
from service.kit.ids import uuid7
from service.queue import JobCall, Rule, declared, job_call
from service.schedules import queries, rules
from service.schedules.models import Firing, Schedule
from service.schedules.schemas import ScheduleChange, ScheduleIn

LARGEST_ARGUMENTS = 64_000
"""Bytes."""


async def mirror(session: AsyncSession, code: Collection[Rule], zone: str, stride: int) -> None:
    """Make the rows of the code's rules say what the code says.

    A row that says so already keeps its next tick, also one that was missed.

    Args:
        session: writes them.
        code: all rules of the code; rows of others go when nobody ticks them.
        zone: of rules that name none.
        stride: only every so many times of a line is a tick.

    Raises:
        InvalidInput: a rule's job is unknown, or does not take its arguments.
    """
    moment = await queries.now(session)
    for rule in sorted(code, key=lambda rule: rule.name):  # the order in which all lock them
        call = job_call(rule.job, rule.arguments)
        definition = {
            "job": rule.job,
            "arguments": dict(rule.arguments),
            "queue": rule.queue or call.queue,
            "line": rule.line,
            "zone": rule.zone or zone,
            "stride": stride,
            "misfire": rule.misfire,
            "grace": rule.grace,
            "overlap": rule.overlap,
            "jitter": rule.jitter,
        }
        timing = rules.Timing(rule.line, rule.zone or zone, stride)
        tick = rules.next_tick(timing, moment)
        await queries.mirror(session, {**definition, "name": rule.name, "next_tick_at": tick})
    await queries.delete_removed(session, [rule.name for rule in code])


async def create(session: AsyncSession, caller: Caller, body: ScheduleIn, zone: str) -> Schedule:
    """Store a schedule of the caller's.

    Args:
        session: of the request.
        caller: who will own it.
        body: the schedule.
        zone: of schedules that name none.

    Raises:
        InvalidInput: with every problem; nothing is stored.
    """
    schedule = Schedule(
        id=uuid7(),
        owner_id=caller.user_id,
        line=body.cron,
        stride=1,
        version=1,
        last_tick_at=None,
        last_job_id=None,
        **body.model_dump(exclude={"cron", "zone"}),
        zone=body.zone or zone,
    )
    await _check(session, schedule, renamed=True)
    session.add(schedule)
    await session.flush()
    await session.refresh(schedule)
    return schedule


async def change(
    session: AsyncSession, caller: Caller, schedule_id: UUID, body: ScheduleChange
) -> Schedule:
    """Change a schedule; its next tick is the first after now.

    Raises:
        NotFound: there is no such schedule for the caller.
        Conflict: it is part of the code.
        InvalidInput: with every problem; nothing is changed.
    """
    schedule = await _own(session, caller, schedule_id)
    values = body.model_dump(exclude_none=True)
    renamed = "name" in values and values["name"] != schedule.name
    if "cron" in values:
        values["line"] = values.pop("cron")
    for name, value in values.items():
        setattr(schedule, name, value)
    schedule.version += 1
    await _check(session, schedule, renamed=renamed)
    await session.flush()
    return schedule


async def delete(session: AsyncSession, caller: Caller, schedule_id: UUID) -> None:
    """Delete a schedule; jobs that it has sent stay.

    Raises:
        NotFound: there is no such schedule for the caller.
        Conflict: it is part of the code.
    """
    await queries.remove(session, await _own(session, caller, schedule_id))


async def pause(session: AsyncSession, caller: Caller, schedule_id: UUID) -> Schedule:
    """Let no tick of a schedule fire until it is resumed; raises NotFound."""
    schedule = await _visible(session, caller, schedule_id)
    schedule.paused = True
    await session.flush()
    return schedule


async def resume(session: AsyncSession, caller: Caller, schedule_id: UUID) -> Schedule:
    """Let a schedule tick again, from now on; raises NotFound."""
    schedule = await _visible(session, caller, schedule_id)
    if schedule.paused:
        schedule.paused = False
        moment = await queries.now(session)
        schedule.next_tick_at = max(
            schedule.next_tick_at, rules.next_tick(timing_of(schedule), moment)
        )
    await session.flush()
    return schedule


async def run_now(uow: UnitOfWork, caller: Caller, schedule_id: UUID) -> str:
    """Run a schedule's job now, whatever the time and also when it is paused; return its id.

    Raises:
        NotFound: there is no such schedule for the caller.
        Conflict: the schedule wants no overlap, and its last job has not ended.
        InvalidInput: the job no longer takes its arguments.
    """
    schedule = await _visible(uow.session, caller, schedule_id)
    busy = await queries.is_busy(uow.session, schedule.last_job_id)
    if busy and schedule.overlap == "skip":
        raise Conflict(f"The job of the last run has not ended: {schedule.last_job_id}")
    job_id = f"cron:{schedule.id}:by-hand:{uuid7().hex}"
    uow.enqueue(call_of(schedule).deferred(job_id=job_id))
    schedule.last_job_id = job_id
    schedule.run_count += 1
    run = {"tick": await queries.now(uow.session), "state": Firing.FIRED, "reason": "by hand"}
    await queries.add_runs(uow.session, [{"schedule_id": schedule.id, "job_id": job_id, **run}])
    await uow.session.flush()
    return job_id


def timing_of(schedule: Schedule) -> rules.Timing:
    """Return when a schedule ticks."""
    return rules.Timing(
        schedule.line,
        schedule.zone,
        schedule.stride,
        schedule.misfire,
        schedule.grace,
        schedule.overlap,
    )


def call_of(schedule: Schedule) -> JobCall:
    """Return the call that a schedule's ticks send.

    Raises:
        InvalidInput: the job is unknown or does not take the arguments.
    """
    call = job_call(schedule.job, schedule.arguments)
    headers = {**call.headers, "actor": f"schedule:{schedule.name}"}
    return msgspec.structs.replace(call, queue=schedule.queue, headers=headers)


async def _visible(session: AsyncSession, caller: Caller, schedule_id: UUID) -> Schedule:
    schedule = await queries.schedule(session, caller, schedule_id, lock=True)
    if schedule is None:
        raise NotFound("There is no such schedule")
    return schedule


async def _own(session: AsyncSession, caller: Caller, schedule_id: UUID) -> Schedule:
    schedule = await _visible(session, caller, schedule_id)
    if schedule.owner_id is None:
        raise Conflict(
            f"'{schedule.name}' is part of the code: it can be paused, resumed and run; "
            "ALMANAC_SCHEDULES changes when it runs"
        )
    return schedule


async def _check(session: AsyncSession, schedule: Schedule, *, renamed: bool) -> None:
    """Complete a schedule that a person wrote, or raise InvalidInput with every problem."""
    problems = [*_job_problems(schedule.job, schedule.arguments), *_time_problems(schedule)]
    owner = schedule.owner_id
    if renamed and owner is not None and await queries.name_is_taken(session, owner, schedule.name):
        problems.append(Problem("name", "is that of another of your schedules"))
    if problems:
        raise InvalidInput(problems)
    schedule.queue = declared()[schedule.job].queue
    moment = await queries.now(session)
    schedule.next_tick_at = rules.next_tick(timing_of(schedule), moment)


def _time_problems(schedule: Schedule) -> list[Problem]:
    problems = []
    try:
        find_zone(schedule.zone)
    except ValueError as error:
        problems.append(Problem("zone", str(error)))
    try:
        crontab(schedule.line, "UTC")
    except ValueError as error:
        problems.append(Problem("cron", str(error)))
    return problems


def _job_problems(name: str, arguments: dict[str, Any]) -> list[Problem]:
    try:
        written = msgspec.json.encode(arguments)
        job_call(name, arguments)
    except InvalidInput as error:
        fields = {"name": "job", "arguments": "arguments"}
        return [
            Problem(fields.get(p.field, f"arguments.{p.field}"), p.message) for p in error.problems
        ]
    except UnicodeEncodeError:
        return [Problem("arguments", "contain half of a surrogate pair")]
    job = declared()[name]
    if job.owner is not None or job.sensitive:
        why = "its arguments are secret" if job.sensitive else "it belongs to rows of its own"
        return [Problem("job", f"'{name}' cannot be scheduled: {why}")]
    if len(written) > LARGEST_ARGUMENTS or b"\\u0000" in written:
        return [Problem("arguments", f"take at most {LARGEST_ARGUMENTS} bytes, and no NUL")]
    return []
