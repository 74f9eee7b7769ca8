"""What a template that a person wrote may do: fill in, choose, repeat.

The sandbox keeps a template from Python's inside, not from filling the memory or running for ever.
So everything that can grow is refused or counted: the templates of mails need none of it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sized
from typing import Any

from jinja2 import Environment, StrictUndefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_NODES = 8_000
MAX_LOOPS = 20_000
"""Turns of all loops together."""
MAX_VALUE = 500_000
"""Characters, or members, of one value."""
MAX_SECONDS = 1.0
TICK, BOUND = "_tick", "_bounded"
"""Called in every turn of a loop, and for every value that is given a name."""
METHODS = frozenset(("get", "items", "keys", "values"))
_FILTERS = (
    *("abs", "capitalize", "d", "default", "e", "escape", "first", "float", "int", "last"),
    *("length", "lower", "reverse", "round", "sort", "striptags", "title", "trim", "truncate"),
    *("upper", "urlencode", "wordcount"),
)
_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign),
    *(nodes.Name, nodes.NSRef, nodes.Const, nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair),
    *(nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not),
    *(nodes.Neg, nodes.Pos, nodes.Add, nodes.Sub, nodes.Concat, nodes.Getattr, nodes.Getitem),
    *(nodes.Slice, nodes.Filter, nodes.Test, nodes.Call, nodes.Keyword),
)


class Misused(Exception):
    """A template does what it may not.

    Args:
        message: what.
        line: of the template, where it is known.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def sandbox(finalize: Callable[[Any], Any]) -> Environment:
    """Return an environment for the templates of others."""
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, autoescape=True, finalize=finalize, cache_size=0
    )
    environment.globals.clear()
    environment.filters = {name: FILTERS[name] for name in _FILTERS} | {"join": _join}
    return environment


def check(tree: nodes.Template) -> None:
    """Refuse what a template may not do, and have the rest counted.

    Args:
        tree: of the template; loops and assignments are changed so that they count.

    Raises:
        Misused: with the line.
    """
    for count, node in enumerate(_all(tree)):
        if count >= MAX_NODES:
            raise Misused(f"it has more than {MAX_NODES:,} parts", node.lineno)
        if type(node) not in _NODES:
            raise Misused(f"{_name(node)} is not known to templates of mails", node.lineno)
        _check_one(node)
    for loop in list(tree.find_all(nodes.For)):
        loop.body.insert(0, nodes.Output([_call(TICK, [], loop.lineno)], lineno=loop.lineno))
    for assignment in list(tree.find_all(nodes.Assign)):
        assert isinstance(assignment.node, nodes.Expr), "blocks are refused"
        assignment.node = _call(BOUND, [assignment.node], assignment.lineno)


def _check_one(node: nodes.Node) -> None:
    if isinstance(node, nodes.For) and node.recursive:
        raise Misused("loops are not recursive", node.lineno)
    if isinstance(node, nodes.Name) and node.name in {TICK, BOUND}:
        raise Misused(f"the name {node.name} is taken", node.lineno)
    if isinstance(node, nodes.Call):
        called = node.node
        if not (isinstance(called, nodes.Getattr) and called.attr in METHODS):
            raise Misused(f"only {', '.join(sorted(METHODS))} can be called", node.lineno)


def _all(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield a node and all within it, without recursion."""
    waiting: list[nodes.Node] = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(node.iter_child_nodes())


def _name(node: nodes.Node) -> str:
    return f"'{type(node).__name__.lower()}'"


def _call(name: str, arguments: list[nodes.Expr], line: int) -> nodes.Call:
    return nodes.Call(nodes.Name(name, "load"), arguments, [], None, None, lineno=line)


def counters() -> Mapping[str, Callable[..., Any]]:
    """Return what the checked template calls; of one rendering."""
    turns, deadline = 0, time.monotonic() + MAX_SECONDS

    def tick() -> str:
        nonlocal turns
        turns += 1
        if turns > MAX_LOOPS or time.monotonic() > deadline:
            raise SecurityError(f"its loops take more than {MAX_LOOPS:,} turns, or too long")
        return ""

    return {TICK: tick, BOUND: bounded}


def bounded(value: Any) -> Any:
    """Return a value that is not too large. Raises SecurityError."""
    if isinstance(value, Sized) and len(value) > MAX_VALUE:
        raise SecurityError(f"a value is larger than {MAX_VALUE:,}")
    return value


def _join(values: Any, between: str = "") -> str:
    """Join texts, as Jinja's own filter, within bounds."""
    parts = [str(value) for value in values]
    if sum(map(len, parts)) + len(between) * len(parts) > MAX_VALUE:
        raise SecurityError(f"a joined text is longer than {MAX_VALUE:,} characters")
    return str(between).join(parts)
