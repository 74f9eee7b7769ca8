"""Runs of workflows as pages show them: a graph, a list of steps, and what it means in words."""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from service.dashboard.formats import NONE
from service.dashboard.workflows import graph
from service.workflows.models import StepState
from service.workflows.schemas import StepOut, WorkflowDetail

LONGEST_NAME = 22
"""Characters of a name that a box has room for."""
SIGNS: Mapping[str, str] = {
    "succeeded": "✓",
    "undone": "✓",
    "running": "▶",
    "undoing": "▶",
    "queued": "◔",
    "retrying": "◑",
    "failed": "✕",
    "cancelled": NONE,
}
NO_SIGN = "○"
TIMES = "\N{MULTIPLICATION SIGN}"
WORST_FIRST = (
    *("failed", "running", "retrying", "queued", "cancelled", "waiting", "skipped"),
    "undoing",
)
"""What of several steps is said of all of them; before all, in the end, have succeeded."""
COUNTED = (
    *("failed", "succeeded", "running", "retrying", "queued", "waiting", "cancelled", "skipped"),
    *("undoing", "undone"),
)
"""The order in which they are told."""
UNDO_STATES: Mapping[str, str] = {
    "running": "undoing",
    "succeeded": "undone",
    "failed": "failed",
    "cancelled": "failed",
}


@dataclass(frozen=True, slots=True)
class Node:
    """One step, or several that are alike, as the graph and the list show it."""

    key: str
    """Of its first step."""
    name: str
    steps: Sequence[StepOut]
    state: str
    text: str
    progress: int

    @property
    def is_group(self) -> bool:
        """Whether it stands for several steps."""
        return len(self.steps) > 1

    @property
    def sign(self) -> str:
        """Of its state."""
        return SIGNS.get(self.state, NO_SIGN)

    @property
    def short(self) -> str:
        """Its name as far as a box has room for it."""
        long = len(self.name) > LONGEST_NAME
        return f"{self.name[: LONGEST_NAME - 1]}…" if long else self.name


@dataclass(frozen=True, slots=True)
class Step:
    """A step for `graph`."""

    key: str
    kind: Hashable
    after: Sequence[str]


@dataclass(frozen=True, slots=True)
class Shown:
    """A run with its steps folded."""

    run: WorkflowDetail
    nodes: Mapping[str, Node]
    """By the key of their first step, in an order in which they can run."""
    drawing: graph.Drawing | None

    @property
    def failed(self) -> Sequence[StepOut]:
        """The steps that failed."""
        return [step for step in self.run.steps if step.state == StepState.FAILED]

    @property
    def undo(self) -> Sequence[StepOut]:
        """The steps whose undo was begun."""
        return [step for step in self.run.steps if step.undo and step.undo.state]

    def group(self, key: str) -> Node | None:
        """Return the group that a step stands for."""
        node = self.nodes.get(key)
        return node if node and node.is_group else None


def shown(run: WorkflowDetail) -> Shown:
    """Return a run as it is shown."""
    steps = [Step(step.key, (step.job, step.queue), step.after) for step in run.steps]
    by_key = {step.key: step for step in run.steps}
    groups = graph.fold(steps)
    nodes = {first: _node([by_key[key] for key in members]) for first, members in groups.items()}
    return Shown(run, nodes, graph.draw(steps, groups))


def state_of(step: StepOut) -> str:
    """Return the state of a step, or of its undo once that was begun."""
    if step.undo is None or step.undo.state is None:
        return step.state
    return UNDO_STATES[step.undo.state]


def _node(steps: Sequence[StepOut]) -> Node:
    states = Counter(map(state_of, steps))
    progress = sum(step.progress for step in steps) // len(steps)
    first = steps[0]
    if len(steps) == 1:
        (state,) = states
        text = state
        if state == "running" and first.progress:
            text = f"{state}, {first.progress} %"
        elif state == "failed" and first.state != StepState.FAILED:
            text = "undo failed"
        return Node(first.key, first.key, steps, state, text, progress)
    common = _beginning([step.key for step in steps]).rstrip("0123456789-_.")
    name = f"{common or first.job or 'workflow'} {TIMES} {len(steps):,}"
    state = next((state for state in WORST_FIRST if state in states), next(iter(states)))
    return Node(first.key, name, steps, state, counted(states), progress)


def _beginning(keys: Sequence[str]) -> str:
    """Return what all keys begin with."""
    first, last = min(keys), max(keys)
    alike = takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return "".join(one for one, _ in alike)


def counted(states: Mapping[str, int]) -> str:
    """Say how many there are of each: `2 failed, 990 done, 8 running`."""
    words = {"succeeded": "done"}
    found = [state for state in COUNTED if states.get(state)]
    return ", ".join(f"{states[state]:,} {words.get(state, state)}" for state in found)


def summary(run: WorkflowDetail) -> str:
    """Say how many steps are where."""
    states = Counter(map(state_of, run.steps))
    return f"{len(run.steps):,} steps: {counted(states)}" if len(run.steps) > 1 else "One step"
