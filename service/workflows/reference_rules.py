"""References in arguments: to what other steps returned, and to the workflow's input.

{"$output": ["download", "path"]}    what a step returned, or the part at this path of it
{"$input": ["url"]}                  a part of the workflow's input
{"$results": [0, "path"]}            of the list of what the steps it comes after returned
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

OUTPUT, INPUT, RESULTS = KINDS = ("$output", "$input", "$results")
Path = Sequence[str | int]


class Unresolvable(ValueError):
    """A reference leads nowhere."""


@dataclass(frozen=True, slots=True)
class Reference:
    """One reference: its kind, and the path that follows it."""

    kind: str
    path: Path

    def __str__(self) -> str:
        return json.dumps({self.kind: self.path})


@dataclass(frozen=True, slots=True)
class Scope:
    """What references of one step may mean."""

    input: Any
    outputs: Mapping[str, Any] = field(default_factory=dict)
    """By step."""
    after: Sequence[str] = ()

    def value(self, reference: Reference) -> Any:
        """Return what a reference means; raise Unresolvable."""
        if reference.kind == INPUT:
            return _follow(self.input, reference.path, reference)
        if reference.kind == OUTPUT:
            return _follow(self.outputs, reference.path, reference)
        return _follow([self.outputs.get(key) for key in self.after], reference.path, reference)


def part_of(value: Any, part: str | int) -> Any:
    """Return a part of a value by its name or position; raise LookupError."""
    if isinstance(value, dict):
        return value[part]
    if isinstance(value, list) and isinstance(part, int):
        return value[part]
    raise LookupError(part)


def _follow(value: Any, path: Path, whole: Reference) -> Any:
    for part in path:
        try:
            value = part_of(value, part)
        except LookupError:
            raise Unresolvable(f"{whole} leads nowhere: there is no {part!r}") from None
    return value


def reference_in(value: Any) -> Reference | None:
    """Return the reference that a value is, if it is one; raise Unresolvable for a broken one."""
    if not isinstance(value, dict) or not (kinds := [kind for kind in KINDS if kind in value]):
        return None
    path = value[kinds[0]]
    if len(value) > 1:
        raise Unresolvable(f"beside {kinds[0]} nothing else may stand")
    if not isinstance(path, list) or not all(_is_part(part) for part in path):
        raise Unresolvable(f"{kinds[0]} needs a list of names and positions")
    if kinds[0] == OUTPUT and not (path and isinstance(path[0], str)):
        raise Unresolvable(f"{OUTPUT} begins with the key of a step")
    return Reference(kinds[0], path)


def _is_part(part: object) -> bool:
    return isinstance(part, str) or (type(part) is int and part >= 0)


def references(value: Any) -> Iterator[Reference]:
    """Yield every reference inside a value; raise Unresolvable for a broken one."""
    reference = reference_in(value)
    if reference is not None:
        yield reference
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from references(part)


def resolve(value: Any, meaning: Callable[[Reference], Any]) -> Any:
    """Return a value with every reference replaced by what it means."""
    reference = reference_in(value)
    if reference is not None:
        return meaning(reference)
    if isinstance(value, dict):
        return {key: resolve(part, meaning) for key, part in value.items()}
    if isinstance(value, list):
        return [resolve(part, meaning) for part in value]
    return value


def needed(value: Any, after: Sequence[str]) -> set[str]:
    """Return the steps whose outputs a value refers to."""
    keys: set[str] = set()
    for reference in references(value):
        if reference.kind == OUTPUT:
            keys.add(str(reference.path[0]))
        elif reference.kind == RESULTS:
            keys.update(after)
    return keys
