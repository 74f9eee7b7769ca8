"""Inside a domain, and between two: the same file names with the same duties everywhere."""

from collections.abc import Iterator

from .layers import LEAVES, SERVERS
from .project import Import, Module, Project, Violation, within

BENEATH = (
    *(*LEAVES, *SERVERS),
    *("service.durable", "service.runtime", "service.web", "service.schema"),
)
"""What a domain stands on; app, cli and the like stand on domains."""
SHARED = ("service.access.caller", "service.access.audit", "service.access.checks")
"""Who asks, what they may do and what is noted of it: part of nearly every use case."""
OPEN = ("actions", "queries")
"""What a domain shows to others."""
NETWORKED = (
    "service.accounts.refreshing",
    "service.media.variants",
    "service.monitoring.task_status",
    "service.posts.publishing",
    "service.posts.recording",
)
"""Use cases that domains share and that await the network, which no action does."""
SQL = tuple(f"sqlalchemy.{word}" for word in ("select", "insert", "update", "delete", "text"))
DIALECT = ("sqlalchemy.dialects.postgresql.insert", "sqlalchemy.sql")
SESSIONS = ("sqlalchemy.ext.asyncio",)
NETWORK = ("httpx", "aiohttp", "requests", "redis", "arq", "socket")
IMPURE = (
    *("sqlalchemy", "asyncio", "fastapi", *NETWORK),
    *("service.runtime", "service.web", "service.db", "service.queue", "service.config"),
    "service.kit.outbound",
)
ACTIONS_WITH_A_REASON: dict[str, dict[str, str]] = {}
"""Modules of actions → an import that they may not have → why this one has it."""


def check_borders(project: Project) -> Iterator[Violation]:
    """Yield imports of another domain's inside, and of what stands above the domains."""
    for module in project.product:
        domain = project.domain_of(module.name)
        if domain is None:
            continue
        for found in module.imports:
            other = project.domain_of(found.name)
            if other is None and within(found.name, "service"):
                if not within(found.name, *BENEATH):
                    what = f"domain {domain} imports {found.name}"
                    yield module.violation(found.line, what, "that stands above the domains")
            elif other not in {None, domain} and not _open(module, found):
                why = "a domain is used through its actions and queries; SQL may join its models"
                what = f"domain {domain} imports {found.name}"
                yield module.violation(found.line, what, why)


def _open(module: Module, found: Import) -> bool:
    parts = found.name.split(".")
    part = parts[2] if len(parts) > 2 else ""
    joins = part == "models" and _holds_statements(module)
    return part in OPEN or joins or within(found.name, *SHARED, *NETWORKED)


def _file(module: Module) -> str:
    return module.name.rpartition(".")[2]


def _holds_statements(module: Module) -> bool:
    return _file(module).endswith("queries")


def check_sql(project: Project) -> Iterator[Violation]:
    """Yield SQL outside queries, models (constraints, indexes) and service/db."""
    why = "every SQL statement is in queries, where its plan and its locks are looked at together"
    for module in project.product:
        allowed = _holds_statements(module) or _file(module) == "models"
        if allowed or within(module.name, "service.db"):
            continue
        for found in module.imports:
            if found.name == "sqlalchemy" or within(found.name, *SQL, *DIALECT):
                yield module.violation(found.line, f"imports {found.name}", why)


def check_rules(project: Project) -> Iterator[Violation]:
    """Yield what makes rules impure."""
    why = "rules are pure, so that properties of them can be tested without any server"
    for module in _files(project, "rules"):
        for found in module.imports:
            if within(found.name, *IMPURE):
                yield module.violation(found.line, f"rules import {found.name}", why)
        for function in module.functions():
            if type(function).__name__ == "AsyncFunctionDef":
                yield module.violation(function.lineno, f"async {function.name} in rules", why)


def check_actions(project: Project) -> Iterator[Violation]:
    """Yield the network, and what opens it, in actions."""
    why = "an action runs inside a transaction: it never awaits the network"
    banned = (*NETWORK, "service.web", "service.runtime", "service.kit.outbound", "fastapi")
    for module in _files(project, "actions"):
        excused = ACTIONS_WITH_A_REASON.get(module.name, {})
        for found in module.imports:
            if within(found.name, *banned) and not within(found.name, *excused):
                yield module.violation(found.line, f"actions import {found.name}", why)


def check_routes(project: Project) -> Iterator[Violation]:
    """Yield SQLAlchemy in routes."""
    why = "routes parse, call one action, shape the reply"
    for module in _files(project, "routes"):
        for found in module.imports:
            if within(found.name, "sqlalchemy") and not within(found.name, *SESSIONS):
                yield module.violation(found.line, f"routes import {found.name}", why)


def _files(project: Project, name: str) -> Iterator[Module]:
    for module in project.product:
        if project.domain_of(module.name) is not None and _file(module).endswith(name):
            yield module
