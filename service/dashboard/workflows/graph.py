"""How a graph of steps is drawn: alike ones folded, in layers from left to right, few crossings.

Pure rules: from keys and what they come after, to boxes and lines in pixels. The layer of a step is
the length of the longest way to it.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from service.dashboard.workflows import layers

FOLD_FROM = 6
"""So many steps that are alike become one box."""
LOOKS = 3
"""How far neighbours are looked at to tell whether steps are alike."""
MOST_BOXES = 200
MOST_LINES = 600
MOST_POINTS = 3000

Lines: TypeAlias = Mapping[str, Sequence[str]]
"""What each key comes after."""


class Step(Protocol):
    """What is asked of a step."""

    @property
    def key(self) -> str:
        """Its name."""
        ...

    @property
    def kind(self) -> Hashable:
        """Equal for steps that may be folded."""
        ...

    @property
    def after(self) -> Sequence[str]:
        """What it comes after."""
        ...


@dataclass(frozen=True, slots=True)
class Box:
    """One step, or several that are alike, and where it is drawn."""

    key: str
    """Of its first step."""
    members: tuple[str, ...]
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """From one box to another, as the `d` of a path."""

    before: str
    after: str
    path: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph with its size."""

    boxes: Sequence[Box]
    lines: Sequence[Line]
    width: int
    height: int


def ranks(after: Lines) -> dict[str, int]:
    """Return the length of the longest way to each key; a key that is in a circle has none."""
    waits = {key: {k for k in keys if k in after} for key, keys in after.items()}
    followers = _turned(waits)
    found = {key: 0 for key, keys in waits.items() if not keys}
    order = list(found)
    for key in order:
        for follower in followers[key]:
            waits[follower].discard(key)
            if not waits[follower]:
                found[follower] = found[key] + 1
                order.append(follower)
    return found


def _turned(after: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    followers: dict[str, list[str]] = {key: [] for key in after}
    for key, keys in after.items():
        for before in keys:
            followers[before].append(key)
    return followers


def fold(steps: Sequence[Step]) -> dict[str, tuple[str, ...]]:
    """Return groups of steps by the key of their first one, in an order in which they can run.

    Alike are steps of one kind and layer whose neighbours are alike too. Fewer than `FOLD_FROM` of
    them stay apart.
    """
    known = {step.key for step in steps}
    after = {step.key: [key for key in step.after if key in known] for step in steps}
    layer, followers = ranks(after), _turned(after)
    behind = ranks(followers)
    kind = _numbered({s.key: (s.kind, layer.get(s.key), behind.get(s.key)) for s in steps})
    for _ in range(LOOKS):
        kind = _numbered(
            {
                key: (
                    kind[key],
                    frozenset(kind[k] for k in after[key]),
                    frozenset(kind[k] for k in followers[key]),
                )
                for key in kind
            }
        )
    groups: dict[int, list[str]] = {}
    for step in steps:
        groups.setdefault(kind[step.key], []).append(step.key)
    found: dict[str, tuple[str, ...]] = {}
    for members in groups.values():
        if len(members) >= FOLD_FROM:
            found[members[0]] = tuple(members)
        else:
            found |= {key: (key,) for key in members}
    return dict(sorted(found.items(), key=lambda group: layer.get(group[0], 0)))


def _numbered(values: Mapping[str, Hashable]) -> dict[str, int]:
    """Return a number for each key, the same for equal values."""
    numbers: dict[Hashable, int] = {}
    return {key: numbers.setdefault(value, len(numbers)) for key, value in values.items()}


def draw(steps: Sequence[Step], groups: Mapping[str, tuple[str, ...]]) -> Drawing | None:
    """Return steps as a drawing; None if there are too many that differ.

    Args:
        steps: all of them.
        groups: as `fold` returns them.
    """
    group_of = {key: first for first, members in groups.items() for key in members}
    after: dict[str, list[str]] = {first: [] for first in groups}
    for step in steps:
        line = after[group_of[step.key]]
        for before in (group_of[key] for key in step.after if key in group_of):
            if before not in line and before != group_of[step.key]:
                line.append(before)
    layer = ranks(after)
    if len(layer) < len(after) or len(layer) > MOST_BOXES:
        return None
    lines = [(before, key) for key, keys in after.items() for before in keys]
    points = sum(layer[key] - layer[before] for before, key in lines)
    if len(lines) > MOST_LINES or points > MOST_POINTS:
        return None
    placed = layers.place(layer, lines)
    return Drawing(
        [Box(key, groups[key], placed.x[key], placed.y[key]) for key in groups],
        [Line(*ends, path) for ends, path in placed.paths.items()],
        placed.width,
        placed.height,
    )
