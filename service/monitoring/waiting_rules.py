"""Why a job is not running, in words: a pure rule over what is known of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Line:
    """A limit whose line the job stands in."""

    limit: int
    key: str | None
    """Argument whose values are limited each on its own."""
    per: float | None
    """Seconds in which so many may start; None: so many may run at a time."""
    before: int
    holders: Sequence[str] = ()
    """Ids of jobs that hold a place, of those that exist for who asks."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds the job."""

    worker: str | None
    """None: a worker that tells nothing of itself, or a process without a queue."""
    lease_ends: datetime | None = None
    seen_at: datetime | None = None
    """When an offline worker was seen last; None for one that lives, or tells nothing."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a job that has not ended, and of its queue."""

    name: str
    queue: str
    moment: datetime
    due_at: datetime | None = None
    tries: int = 0
    """Runs so far."""
    last_error: str | None = None
    """Class of the error of the last run."""
    answers: bool = True
    """Whether Redis told of the queue; of what follows nothing is known otherwise."""
    queued: bool = True
    """Whether the queue has it; a durable job may be a row alone."""
    look_at: datetime | None = None
    """When the queue is asked for a durable job next."""
    swept: bool = False
    """Whether a sweep over what it belongs to sends it, when the queue does not have it."""
    readable: bool = True
    """Whether its arguments fit this release."""
    declared: bool = True
    """Whether this release has a job of this name."""
    paused: bool = False
    workers: int = 0
    """Living workers of the queue, and of these those that:"""
    quiet: int = 0
    able: int = 0
    places: int = 0
    """Jobs that they may run at a time, and how many they run:"""
    busy: int = 0
    before: int = 0
    """Due jobs that a worker takes before it."""
    crashes: int = 0
    alone: bool = False
    """Whether it has crashed so often that it runs alone in its process."""
    holder: Holder | None = None
    lines: Sequence[Line] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that keeps a job from running."""

    kind: str
    """For programs and styles: `paused`, `no_worker`, `due`, `limit`…"""
    text: str
    at: datetime | None = None
    """The instant that the text ends with."""
    jobs: Sequence[str] = field(default=())
    """Ids of the jobs that the text ends with."""


def reasons(facts: Facts) -> list[Reason]:
    """Return why a job does not run, what decides most first; of one that is held, by whom."""
    if facts.holder is not None:
        return [_held(facts.holder)]
    if not facts.answers:
        return [Reason("redis", "Redis does not answer, so nobody can take it from its queue.")]
    found = [*_of_queue(facts), *_of_time(facts)]
    later = facts.due_at is not None and facts.due_at > facts.moment
    if not later:
        found += _of_place(facts)
    return found or [Reason("soon", "Nothing holds it: a worker takes it within a moment.")]


def _held(holder: Holder) -> Reason:
    worker = holder.worker or "A process that tells nothing of itself"
    if holder.seen_at is not None and holder.lease_ends is not None:
        text = f"{worker} runs it, but does not answer any more. Another worker takes it over"
        return Reason("lost", text, holder.lease_ends)
    if holder.lease_ends is None:
        return Reason("held", f"{worker} runs it.")
    text = f"{worker} runs it. Unless it is renewed, its lease ends"
    return Reason("held", text, holder.lease_ends)


def _of_queue(facts: Facts) -> Iterator[Reason]:
    if not facts.declared:
        yield Reason("unknown", f"This release has no job '{facts.name}', so no worker can run it.")
    elif not facts.readable:
        text = "Its arguments do not fit this release: the worker that takes it ends it as dead."
        yield Reason("unreadable", text)
    if facts.paused:
        yield Reason("paused", f"The queue '{facts.queue}' is paused. Resume it to let jobs start.")
    if not facts.workers:
        text = f"No living worker serves the queue '{facts.queue}'. Start one."
        yield Reason("no_worker", text)
    elif facts.quiet >= facts.workers:
        all_ = "The only worker" if facts.workers == 1 else f"Each of the {facts.workers} workers"
        yield Reason("quiet", f"{all_} of '{facts.queue}' is quiet: it starts nothing new.")
    elif not facts.able and facts.declared:
        none = "The only worker of '{}' cannot" if facts.workers == 1 else "No worker of '{}' can"
        yield Reason("unable", f"{none.format(facts.queue)} run '{facts.name}'.")


def _of_time(facts: Facts) -> Iterator[Reason]:
    yield from map(_of_line, facts.lines)
    if facts.due_at is None or facts.due_at <= facts.moment:
        return
    if facts.lines:
        yield Reason("again", "If nobody frees a place before, it asks again", facts.due_at)
    elif facts.tries and facts.last_error:
        text = f"Try {facts.tries} failed with {facts.last_error}. It is tried again"
        yield Reason("retry", text, facts.due_at)
    elif facts.tries:
        yield Reason("retry", f"It has run {_times(facts.tries)} and goes on", facts.due_at)
    else:
        yield Reason("due", "Its time has not come. It may start", facts.due_at)


def _of_line(line: Line) -> Reason:
    scope = f"with the same {line.key} " if line.key else ""
    if line.per is not None:
        text = f"Of jobs like it {scope}only {line.limit} may start in {line.per:g} s"
    else:
        text = f"Of jobs like it {scope}only {line.limit} may run at a time"
    if line.before:
        text += f"; {_count(line.before)} before it in the line"
    if line.holders:
        return Reason("limit", f"{text}. The limit is held by", jobs=tuple(line.holders))
    return Reason("limit", f"{text}.")


def _of_place(facts: Facts) -> Iterator[Reason]:
    if not facts.queued:
        text = "The queue does not have it"
        if facts.swept:
            yield Reason("absent", f"{text} yet. The next sweep sends it.")
        elif facts.look_at is None:
            yield Reason("absent", f"{text}, and nobody will send it again.")
        else:
            yield Reason("absent", f"{text}. The next look for what is missing is", facts.look_at)
        return
    if facts.alone:
        times = _times(facts.crashes)
        text = f"Its worker died {times} while it ran, so it runs alone, once a process is empty."
        yield Reason("alone", text)
    if facts.workers and facts.busy >= facts.places > 0:
        number = "The only place is" if facts.places == 1 else f"All {facts.places} places are"
        yield Reason("busy", f"{number} taken by running jobs.")
    if facts.before:
        yield Reason("behind", f"{_count(facts.before)} before it in the queue.")


def _count(jobs: int) -> str:
    return "1 job is" if jobs == 1 else f"{jobs:,} jobs are"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
