"""What a definition must keep to; every problem is found at once, before anything is written."""

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from service.errors import Problem
from service.workflows.reference_rules import (
    INPUT,
    OUTPUT,
    RESULTS,
    Reference,
    Unresolvable,
    part_of,
    reference_in,
    references,
)
from service.workflows.schemas import CallIn, StepIn, WorkflowIn

MAX_STEPS = 2000
"""Those of nested workflows included."""
MAX_DEPTH = 4
ALL = -1
"""Every bit: all steps have ended."""
MAX_EDGES = 20_000
"""Pairs of a step and one that it comes after."""
MAX_BYTES = 262_144
"""Of the arguments of one step, and of an input."""


class Declared(Protocol):
    """What is asked of a job's declaration."""

    @property
    def signature(self) -> inspect.Signature:
        """Its parameters."""
        ...

    @property
    def parameters(self) -> Mapping[str, msgspec.json.Decoder[Any]]:
        """A decoder of each."""
        ...

    @property
    def queue(self) -> str:
        """Where it runs."""
        ...

    @property
    def sensitive(self) -> bool:
        """Whether its values are encrypted."""
        ...

    @property
    def owner(self) -> str | None:
        """Whose row it belongs to."""
        ...


Jobs = Mapping[str, Declared]


def problems(definition: WorkflowIn, jobs: Jobs) -> list[Problem]:
    """Return everything that is wrong with a definition.

    Args:
        definition: as it was sent.
        jobs: every declared job by name.
    """
    if _depth(definition) > MAX_DEPTH:
        return [Problem("steps", f"workflows are nested more than {MAX_DEPTH} deep", "too_deep")]
    steps, edges = _count(definition)
    for found, most, what in ((steps, MAX_STEPS, "steps"), (edges, MAX_EDGES, "pairs in 'after'")):
        if found > most:
            message = f"{found:,} {what}; at most {most:,} are allowed"
            return [Problem("steps", message, "too_many")]
    return list(_Check(definition, jobs).problems())


def _depth(definition: WorkflowIn) -> int:
    """Return how many workflows stand inside each other, at most one more than allowed."""
    levels, inside = 0, [definition]
    while inside and levels <= MAX_DEPTH:
        levels += 1
        inside = [s.workflow for w in inside for s in w.steps if s.workflow is not None]
    return levels


def _count(definition: WorkflowIn) -> tuple[int, int]:
    """Return how many steps there are, and how often one comes after another."""
    steps, edges = len(definition.steps), sum(len(step.after) for step in definition.steps)
    for step in definition.steps:
        if step.workflow is not None:
            inner = _count(step.workflow)
            steps, edges = steps + inner[0], edges + inner[1]
    return steps, edges


def size_problem(field: str, value: Any) -> Problem | None:
    """Say what keeps a value from being stored."""
    try:
        size = len(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
    except (TypeError, ValueError, RecursionError) as error:
        return Problem(field, f"is no JSON that can be stored: {error}")
    if size > MAX_BYTES:
        message = f"has {size:,} bytes, at most {MAX_BYTES:,} are allowed; pass an id or a URL"
        return Problem(field, message, "too_large")
    return None


def argument_problem(job: Declared, arguments: Mapping[str, Any], *, final: bool) -> str | None:
    """Say which argument does not fit the declaration.

    Args:
        job: the declaration.
        arguments: by name.
        final: whether references are resolved; else an argument that holds any is not looked at.
    """
    try:
        job.signature.bind(**arguments)
    except TypeError as error:
        return str(error)
    for name, value in arguments.items():
        try:
            if final or not any(references(value)):
                job.parameters[name].decode(json.dumps(value).encode())
        except (msgspec.ValidationError, msgspec.DecodeError, ValueError) as error:
            return f"argument {name}: {error}"
    return None


class _Check:
    """One definition under examination; nested ones get a check of their own."""

    def __init__(self, definition: WorkflowIn, jobs: Jobs, *, outermost: bool = True) -> None:
        self._definition = definition
        self._jobs = jobs
        self._outermost = outermost
        self._steps = {step.key: step for step in definition.steps}
        self._bits = {key: 1 << number for number, key in enumerate(self._steps)}
        self._before: dict[str, int] = {}
        """The steps that have ended before each one starts, as bits."""

    def problems(self) -> Iterator[Problem]:
        """Yield all problems."""
        definition = self._definition
        if not definition.steps:
            yield Problem("steps", "a workflow has at least one step", "missing")
        if self._outermost and (found := size_problem("input", definition.input)):
            yield found
            return
        yield from self._graph()
        for index, step in enumerate(definition.steps):
            yield from self._step(f"steps[{index}]", step)
        yield from self._references("output", definition.output, ALL, None)

    def _graph(self) -> Iterator[Problem]:
        seen: set[str] = set()
        for index, step in enumerate(self._definition.steps):
            field = f"steps[{index}]"
            if step.key in seen:
                yield Problem(f"{field}.key", f"'{step.key}' is the key of an earlier step")
            seen.add(step.key)
            for key in step.after:
                if key not in self._steps:
                    yield Problem(f"{field}.after", f"there is no step '{key}'")
            if len(set(step.after)) < len(step.after):
                yield Problem(f"{field}.after", "names a step twice")
        order, circle = sort({s.key: s.after for s in self._definition.steps})
        if circle:
            path = " → ".join([*circle, circle[0]])
            yield Problem("steps", f"these wait for each other: {path}", "cycle")
        for key in order:
            self._before[key] = 0
            for before in self._steps[key].after:
                self._before[key] |= self._bits.get(before, 0) | self._before.get(before, 0)

    def _step(self, field: str, step: StepIn) -> Iterator[Problem]:
        before = self._before.get(step.key)
        if (step.job is None) == (step.workflow is None):
            yield Problem(field, "is either a job or a workflow")
        elif step.job is not None:
            call = CallIn(job=step.job, arguments=step.arguments)
            yield from self._call(field, call, before, step)
        elif step.workflow is not None:
            yield from self._nested(field, step, step.workflow, before)
        if step.undo is not None:
            if step.workflow is not None:
                yield Problem(f"{field}.undo", "the steps of a nested workflow have their own")
            known = None if before is None else before | self._bits[step.key]
            yield from self._call(f"{field}.undo", step.undo, known, step)
        if step.queue is not None and step.queue not in {job.queue for job in self._jobs.values()}:
            yield Problem(f"{field}.queue", f"no job is declared for a queue '{step.queue}'")

    def _nested(
        self, field: str, step: StepIn, inner: WorkflowIn, before: int | None
    ) -> Iterator[Problem]:
        if step.arguments or step.queue or step.lane or step.timeout or step.retry:
            yield Problem(field, "a workflow takes 'input'; the rest is said of its own steps")
        yield from self._references(f"{field}.workflow.input", inner.input, before, step)
        for found in _Check(inner, self._jobs, outermost=False).problems():
            yield Problem(f"{field}.workflow.{found.field}", found.message, found.code)

    def _call(
        self, field: str, call: CallIn, before: int | None, step: StepIn
    ) -> Iterator[Problem]:
        job = self._jobs.get(call.job)
        if job is None:
            yield Problem(f"{field}.job", f"there is no job '{call.job}'", "unknown_job")
            return
        if job.sensitive:
            yield Problem(f"{field}.job", f"{call.job} is sensitive: its values would be readable")
        if job.owner is not None:
            yield Problem(f"{field}.job", f"{call.job} belongs to a row of its own, not to a step")
        bad_references = list(self._references(f"{field}.arguments", call.arguments, before, step))
        yield from bad_references
        if not bad_references and (message := argument_problem(job, call.arguments, final=False)):
            yield Problem(f"{field}.arguments", message)

    def _references(
        self, field: str, value: Any, before: int | None, step: StepIn | None
    ) -> Iterator[Problem]:
        """Yield what is wrong with a value's size and references; `before` None is unknown."""
        if found := size_problem(field, value):
            yield found
            return
        try:
            every = list(references(value))
        except Unresolvable as error:
            yield Problem(field, str(error), "reference")
            return
        for reference in every:
            if message := self._wrong(reference, before, step):
                yield Problem(field, message, "reference")

    def _wrong(self, reference: Reference, before: int | None, step: StepIn | None) -> str | None:
        if reference.kind == OUTPUT:
            key = str(reference.path[0])
            if key not in self._steps:
                return f"{reference}: there is no step '{key}'"
            if before is not None and not before & self._bits[key]:
                return f"{reference}: '{key}' need not have ended then; add it to 'after'"
        if reference.kind == RESULTS:
            after = step.after if step else ()
            first = reference.path[0] if reference.path else 0
            if not isinstance(first, int) or first >= len(after):
                return f"{reference}: it comes after {len(after)} steps"
        if reference.kind == INPUT and not _leads_somewhere(self._definition.input, reference.path):
            return f"{reference}: the input has no such part"
        return None


def _leads_somewhere(value: Any, path: Sequence[str | int]) -> bool:
    for part in path:
        try:
            if reference_in(value) is not None:
                return True  # known only when it is resolved
            value = part_of(value, part)
        except (LookupError, Unresolvable):
            return False
    return True


def sort(after: Mapping[str, Sequence[str]]) -> tuple[list[str], list[str]]:
    """Return keys in an order that they can run in, and, if there is one, a circle of the others.

    Args:
        after: what each waits for; what is no key is not waited for.
    """
    waits = {key: {k for k in keys if k in after} for key, keys in after.items()}
    followers: dict[str, list[str]] = {key: [] for key in after}
    for key, keys in waits.items():
        for before in keys:
            followers[before].append(key)
    order = [key for key, keys in waits.items() if not keys]
    for key in order:
        for follower in followers[key]:
            waits[follower].discard(key)
            if not waits[follower]:
                order.append(follower)
    stuck = {key for key, keys in waits.items() if keys}
    if not stuck:
        return order, []
    path = [min(stuck)]
    while (before := min(waits[path[-1]] & stuck)) not in path:
        path.append(before)
    return order, path[path.index(before) :][::-1]


_JOB_ID = re.compile(r"(step|undo):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([0-9]{1,9})")


def job_id(kind: str, step_id: UUID, attempt: int) -> str:
    """Return the id of the job of a step's attempt; `kind` is `step` or `undo`."""
    return f"{kind}:{step_id}:{attempt}"


def parse_job_id(job_id: str) -> tuple[str, UUID, int] | None:
    """Return kind, step and attempt of such an id, None for any other."""
    match = _JOB_ID.fullmatch(job_id)
    return (match[1], UUID(match[2]), int(match[3])) if match else None
