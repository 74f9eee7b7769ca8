"""What may be called where: commits, imports at run time, platforms."""

import ast
from collections.abc import Iterator

from .project import Function, Project, Violation, within

COMMITTERS = ("service.db.session", "workers.engine")
PLATFORMS = frozenset({"platform", "platforms", "adapter", "adapters", "provider", "providers"})
VERBS = frozenset(
    {"connect", "prepare", "check", "commit", "reconcile", "delete", "metrics", "refresh"}
)
OPENERS = frozenset({"unit_of_work", "session", "begin"})
HOLDERS = frozenset({"UnitOfWork", "Uow", "AsyncSession", "AsyncConnection", "Desk", "WritingDesk"})
"""Types of parameters that hold a database connection."""
LOADER = "service.runtime"
FINDERS = {
    # It asks where the servers' packages lie: importing them as root would create a user.
    "service.embedded.binaries": ("importlib.util",),
}
HARMLESS = ("importlib.metadata", "importlib.resources")
"""They read files and run no module."""
LAZY = ("service.cli",)


def check_commits(project: Project) -> Iterator[Violation]:
    """Yield commits outside the unit of work."""
    why = "one request or job is one transaction, committed at its edge"
    for module in project.product:
        for method in _methods_called(module.tree):
            # A platform's irreversible call has the same name.
            is_database = method.attr == "commit" and _subject(method.value) not in PLATFORMS
            if is_database and not within(module.name, *COMMITTERS):
                yield module.violation(method.lineno, f"{ast.unparse(method)}()", why)


def check_local_imports(project: Project) -> Iterator[Violation]:
    """Yield imports inside a function."""
    why = "an import inside a function hides a cycle; only cli.py may defer heavy modules"
    for module in project.product:
        if module.name in LAZY:
            continue
        inside = (node for function in module.functions() for node in ast.walk(function))
        for node in dict.fromkeys(inside):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield module.violation(node.lineno, ast.unparse(node), why)


def check_importlib(project: Project) -> Iterator[Violation]:
    """Yield imports by name."""
    why = "only service/runtime.py loads by dotted path, so that every other edge can be seen"
    for module in project.product:
        if module.name == LOADER:
            continue
        allowed = (*HARMLESS, *FINDERS.get(module.name, ()))
        for found in module.imports:
            if within(found.name, "importlib") and not within(found.name, *allowed):
                yield module.violation(found.line, f"imports {found.name}", why)
        for node in ast.walk(module.tree):
            name = getattr(node, "attr", getattr(node, "id", ""))
            if name in {"import_module", "__import__"}:
                yield module.violation(getattr(node, "lineno", 1), name, why)


def check_platforms(project: Project) -> Iterator[Violation]:
    """Yield platform calls while a database connection is held."""
    why = "no database connection is held while the network is awaited"
    for module in project.product:
        blocks = (block for function in module.functions() for block in _with_database(function))
        methods = (method for block in blocks for method in _methods_called(block))
        for method in dict.fromkeys(methods):
            subject = _subject(method.value)
            if subject == "outbound" or (subject in PLATFORMS and method.attr in VERBS):
                yield module.violation(method.lineno, f"{ast.unparse(method)}()", why)


def _with_database(function: Function) -> Iterator[ast.AST]:
    """Yield what runs while a connection is held: the whole function, or blocks of it."""
    if _takes_connection(function):
        yield function
    for node in ast.walk(function):
        if isinstance(node, ast.AsyncWith) and any(_opens(item) for item in node.items):
            yield node


def _takes_connection(function: Function) -> bool:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    annotations = [parameter.annotation for parameter in every if parameter.annotation]
    names = (
        getattr(node, "attr", getattr(node, "id", ""))
        for annotation in annotations
        for node in ast.walk(annotation)
    )
    return not HOLDERS.isdisjoint(names)


def _opens(item: ast.withitem) -> bool:
    return any(method.attr in OPENERS for method in _methods_called(item.context_expr))


def _methods_called(tree: ast.AST) -> Iterator[ast.Attribute]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            yield node.func


def _subject(expression: ast.expr) -> str:
    """Return the last name of what a method is called on: `platforms` of `runtime.platforms[x]`."""
    match expression:
        case ast.Subscript(value=inner) | ast.Call(func=inner) | ast.Await(value=inner):
            return _subject(inner)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name.lstrip("_")
    return ""
