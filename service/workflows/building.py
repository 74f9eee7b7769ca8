"""Workflows as Python: calls of declared jobs, put in order.

    chain(fetch(url=given("url")), group(small(path=previous()), large(path=previous())))

    chord(group(*(count(page=n) for n in range(10))), total(counts=results()))

    workflow("video")
        .step("download", download(url=given("url")), undo=delete(path=output("download", "path")))
        .step("words", transcribe(path=output("download", "path")), after=["download"])
        .step("mood", sentiment(path=output("download", "path")), after=["download"])
        .build(input={"url": "…"})

Arguments take references in place of values: `given` (a part of the input), `output` (what another
step returned), `results` (what all the steps just before returned), `previous` (the first of them).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias, TypedDict, Unpack

import msgspec

from service.queue import JobCall, RetryPolicy, declared
from service.queue.values import encode
from service.workflows.reference_rules import INPUT, OUTPUT, RESULTS
from service.workflows.schemas import CallIn, RetryIn, StepIn, WorkflowIn


def output(key: str, *path: str | int) -> Any:
    """Return a reference to what a step returned, or to the part at this path of it."""
    return {OUTPUT: [key, *path]}


def given(*path: str | int) -> Any:
    """Return a reference to the workflow's input, or to the part at this path of it."""
    return {INPUT: list(path)}


def results(*path: str | int) -> Any:
    """Return a reference to the list of what the steps returned that this one comes after."""
    return {RESULTS: list(path)}


def previous(*path: str | int) -> Any:
    """Return a reference to what the step before returned, or the first one of several."""
    return results(0, *path)


class Options(TypedDict, total=False):
    """What a workflow says of a step, beside its call."""

    undo: JobCall
    """The job that undoes it."""
    queue: str
    """Name of the queue where it runs instead of the declared one."""
    timeout: float
    """Seconds that a run may take."""
    retry: RetryPolicy
    """What happens after an error; which errors are transient stays as declared."""


@dataclass(frozen=True, slots=True)
class Step:
    """A call with what a workflow says of it; `step` makes one."""

    call: JobCall | WorkflowIn
    key: str | None = None
    options: Options = field(default_factory=Options)

    def written(self, key: str, after: Sequence[str]) -> StepIn:
        """Return the step as a definition has it."""
        undo, retry = self.options.get("undo"), self.options.get("retry")
        what = {"workflow": self.call} if isinstance(self.call, WorkflowIn) else _job(self.call)
        return StepIn(
            key=key,
            **what,
            after=list(after),
            undo=None if undo is None else CallIn(**_call(undo)),
            queue=self.options.get("queue"),
            timeout=self.options.get("timeout"),
            retry=None if retry is None else _retry(retry),
        )


Part: TypeAlias = "JobCall | WorkflowIn | Step | Flow"


def step(key: str, call: JobCall | WorkflowIn, **options: Unpack[Options]) -> Step:
    """Name a step, so that `output` can refer to it, and say how it differs from its declaration.

    Args:
        key: unique within the workflow.
        call: a declared job with its arguments, or a workflow.
        options: see `Options`.
    """
    return Step(call, key, options)


@dataclass(slots=True)
class Flow:
    """Steps, and for each the numbers of those that it comes after."""

    steps: list[Step] = field(default_factory=list)
    after: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, part: Part, after: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Add a part behind some steps; return the numbers of its last steps."""
        flow = part if isinstance(part, Flow) else Flow([_step(part)], [()])
        first = len(self.steps)
        followed = {number for numbers in flow.after for number in numbers}
        self.steps += flow.steps
        for numbers in flow.after:
            self.after.append(tuple(first + number for number in numbers) or after)
        return tuple(first + n for n in range(len(flow.steps)) if n not in followed)

    def named(
        self,
        name: str,
        input: Any = None,  # noqa: A002 - the word of the API
        *,
        output: Any = None,
        undo_on_failure: bool = False,
    ) -> WorkflowIn:
        """Return the flow as a workflow; steps without a key are called `<verb>-<number>`."""
        keys = [
            found.key or f"{_verb(found.call)}-{number}"
            for number, found in enumerate(self.steps, 1)
        ]
        written = [
            found.written(key, [keys[number] for number in numbers])
            for found, key, numbers in zip(self.steps, keys, self.after, strict=True)
        ]
        return WorkflowIn(
            name=name,
            steps=written,
            input=_plain(input),
            output=_plain(output),
            undo_on_failure=undo_on_failure,
        )


def chain(*parts: Part) -> Flow:
    """Run parts one after the other, each when all of the one before has succeeded."""
    flow = Flow()
    last: tuple[int, ...] = ()
    for part in parts:
        last = flow.add(part, last) or last  # an empty group is passed by
    return flow


def group(*parts: Part) -> Flow:
    """Run parts beside each other."""
    flow = Flow()
    for part in parts:
        flow.add(part)
    return flow


def chord(members: Flow, callback: Part) -> Flow:
    """Run a group, and a last part once, when all of the group has succeeded."""
    return chain(members, callback)


class Draft:
    """A workflow of named steps in the making; `workflow` begins one."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._steps: list[StepIn] = []

    def step(
        self,
        key: str,
        call: JobCall | WorkflowIn,
        *,
        after: Sequence[str] = (),
        **options: Unpack[Options],
    ) -> Self:
        """Add a step.

        Args:
            key: unique within the workflow.
            call: a declared job with its arguments, or a workflow.
            after: keys of the steps that must succeed first.
            options: see `Options`.
        """
        self._steps.append(Step(call, key, options).written(key, after))
        return self

    def build(
        self,
        input: Any = None,  # noqa: A002 - the word of the API
        *,
        output: Any = None,
        undo_on_failure: bool = False,
    ) -> WorkflowIn:
        """Return the workflow, with its input."""
        return WorkflowIn(
            name=self._name,
            steps=self._steps,
            input=_plain(input),
            output=_plain(output),
            undo_on_failure=undo_on_failure,
        )


def workflow(name: str) -> Draft:
    """Begin a workflow of named steps in any order without a circle."""
    return Draft(name)


def _step(part: JobCall | WorkflowIn | Step) -> Step:
    return part if isinstance(part, Step) else Step(part)


def _verb(call: JobCall | WorkflowIn) -> str:
    return call.name.rpartition(".")[2] if isinstance(call, JobCall) else "workflow"


def _job(call: JobCall) -> dict[str, Any]:
    """Return a call as a step has it, with its lane if that is not the declared one."""
    job = declared().get(call.name)
    lane = None if job is None or job.lane == call.lane else call.lane
    return {**_call(call), "lane": lane}


def _call(call: JobCall) -> dict[str, Any]:
    """Return a call as JSON; raise ValueError for what a step cannot keep."""
    timed = call.run_at is not None or call.unique_for is not None or call.debounce is not None
    if timed or call.job_id is not None or call.args:
        raise ValueError(
            f"job {call.name}: as a step it starts when its predecessors have ended, under an id "
            "of its own, with named arguments"
        )
    return {"job": call.name, "arguments": _plain(dict(call.kwargs))}


def _retry(policy: RetryPolicy) -> RetryIn:
    names = ("tries", "delay", "factor", "cap", "jitter")
    return RetryIn(**{name: getattr(policy, name) for name in names})


def _plain(value: Any) -> Any:
    return msgspec.json.decode(encode(value))
