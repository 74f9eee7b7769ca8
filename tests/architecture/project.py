"""The repository's Python files as syntax trees, and what a check says about them."""

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("service", "workers", "schedules")
FOLDERS = (*PRODUCT, "tests", "benchmarks")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Violation:
    """A place that breaks a rule, and why there is such a rule."""

    path: str
    line: int
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}: {self.why}"


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `from a import b` is `a.b`, known here as `b`."""

    name: str
    alias: str
    line: int


@dataclass(frozen=True)
class Module:
    """One file."""

    path: str
    source: str = field(repr=False)

    @cached_property
    def name(self) -> str:
        """The dotted name; of a package, the package's own."""
        parts = PurePosixPath(self.path).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.source, self.path)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import, wherever in the file it stands."""
        return tuple(found for node in ast.walk(self.tree) for found in self._imported(node))

    def _imported(self, node: ast.AST) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(name.name, name.asname or name.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            origin = self._origin(node)
            for name in node.names:
                yield Import(f"{origin}.{name.name}", name.asname or name.name, node.lineno)

    def _origin(self, node: ast.ImportFrom) -> str:
        """Return the dotted name of the module that is imported from."""
        if node.level == 0:
            return node.module or ""
        package = PurePosixPath(self.path).parent.parts
        base = package[: len(package) - node.level + 1]
        return ".".join((*base, node.module) if node.module else base)

    def resolve(self, expression: ast.expr) -> str:
        """Return the dotted name that an expression means here: `jobs.publish` in full."""
        head, _, rest = ast.unparse(expression).partition(".")
        known = {found.alias: found.name for found in self.imports}
        full = known.get(head, f"{self.name}.{head}")
        return f"{full}.{rest}" if rest else full

    def functions(self) -> Iterator[Function]:
        """Yield every function, nested ones and methods included."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def violation(self, line: int, what: str, why: str) -> Violation:
        """Say that a rule is broken in this file."""
        return Violation(self.path, line, what, why)


@dataclass(frozen=True)
class Project:
    """Some files, by path."""

    modules: Mapping[str, Module] = field(repr=False)

    @cached_property
    def product(self) -> tuple[Module, ...]:
        """What is shipped: no tests, no benchmarks."""
        return tuple(m for m in self.modules.values() if within(m.name, *PRODUCT))

    @cached_property
    def domains(self) -> frozenset[str]:
        """The packages of service that have tables or routes, such as `posts`."""
        parts = [PurePosixPath(path).parts for path in self.modules]
        return frozenset(
            p[1] for p in parts if p[0] == "service" and p[2:] in {("models.py",), ("routes.py",)}
        )

    def domain_of(self, name: str) -> str | None:
        """Return the domain that a dotted name belongs to."""
        parts = name.split(".")
        known = len(parts) > 1 and parts[0] == "service" and parts[1] in self.domains
        return parts[1] if known else None


Check = Callable[[Project], Iterator[Violation]]


def within(name: str, *places: str) -> bool:
    """Whether a dotted name is one of these, or lies below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def repository() -> Project:
    """Read the repository."""
    files = [path for folder in FOLDERS for path in sorted((REPOSITORY / folder).rglob("*.py"))]
    return project(
        {file.relative_to(REPOSITORY).as_posix(): file.read_text("utf-8") for file in files}
    )


def project(sources: Mapping[str, str]) -> Project:
    """Make a project of sources by path."""
    return Project({path: Module(path, source) for path, source in sources.items()})
