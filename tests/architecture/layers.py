"""Which parts of the product may import which, as data."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from .project import PRODUCT, Project, Violation, within

LEAVES = ("service.errors", "service.kit", "service.config")
SERVERS = ("service.db", "service.queue", "service.platforms", "service.providers")


@dataclass(frozen=True, slots=True)
class Layer:
    """A part of the product, the parts it may import, and the libraries it may not."""

    part: str
    may_import: tuple[str, ...]
    why: str
    no_library: tuple[str, ...] = ()

    def forbids(self, name: str) -> bool:
        """Whether this part may not import that name."""
        inward = within(name, *PRODUCT) and not within(name, *self.may_import)
        return inward or within(name, *self.no_library)


LAYERS = (
    Layer(
        "schedules",
        ("service.queue",),
        "a periodic rule is data that one can read aloud",
    ),
    Layer(
        "workers",
        ("workers", "service", "schedules"),
        "imports point one way: schedules → service.queue, workers → service and schedules",
    ),
    Layer(
        "workers.engine",
        ("workers.engine", "service.queue", "service.errors", "service.kit"),
        "the engine runs any job and can be used without Almanac: no settings, no domain",
        no_library=(
            *("sqlalchemy", "asyncpg", "fastapi", "pydantic", "pydantic_settings", "httpx"),
            "opentelemetry",
        ),
    ),
    Layer("service", ("service",), "the API must not need the workers: it runs without them"),
    Layer("service.errors", (), "a leaf: anything may import it"),
    Layer("service.config", ("service.kit",), "a leaf: nearly anything may import it"),
    Layer("service.schema", (), "a leaf: the base of bodies knows none of them"),
    Layer("service.body_limit", (), "a leaf: it knows HTTP and nothing else"),
    Layer(
        "service.kit",
        ("service.kit", "service.errors"),
        "a leaf: the kit knows no settings and no domain",
    ),
    Layer(
        "service.queue",
        ("service.queue", "service.errors", "service.kit"),
        "the contract with workers can be used without Almanac: no settings, no domain",
        no_library=(
            *("sqlalchemy", "asyncpg", "fastapi", "pydantic", "pydantic_settings", "httpx"),
            "opentelemetry",
        ),
    ),
    Layer("service.db", ("service.db", *LEAVES), "it carries any domain's rows and knows none"),
    Layer(
        "service.embedded",
        ("service.embedded", "service.errors", "service.kit"),
        "servers for anything: no settings, no domain",
    ),
    *(
        Layer(
            part,
            (part, "service.errors", "service.kit"),
            "an adapter knows its protocol: no database, no queue, no settings, no domain",
            no_library=("sqlalchemy", "asyncpg", "redis", "arq", "fastapi"),
        )
        for part in ("service.platforms", "service.providers")
    ),
    Layer(
        "service.dashboard",
        ("service",),
        "pages stand on the domains: they show what routes, actions and queries give them",
        no_library=("asyncpg", "arq", "httpx"),
    ),
    Layer(
        "service.telemetry",
        ("service.telemetry", "service.kit"),
        "it records spans of anything, and is loaded only where spans are wanted",
    ),
    Layer(
        "service.durable",
        (*LEAVES, "service.db", "service.queue"),
        "it turns calls into rows and rows into jobs, of any domain",
    ),
    Layer(
        "service.runtime",
        (*LEAVES, *SERVERS, "service.durable", "service.embedded"),
        "it opens what a process needs, before any domain comes into play",
    ),
    Layer(
        "service.web",
        (
            *(*LEAVES, "service.db", "service.queue"),
            *("service.runtime", "service.schema", "service.access"),
        ),
        "what all routes share knows no domain but who the caller is",
    ),
)
EXEMPT = {
    # Alembic compares all tables with the database.
    "service.db.migrations.env",
}


def check(project: Project) -> Iterator[Violation]:
    """Yield every import against the arrows."""
    for module in project.product:
        for layer in LAYERS:
            if within(module.name, layer.part) and module.name not in EXEMPT:
                for found in module.imports:
                    if layer.forbids(found.name):
                        what = f"{layer.part} imports {found.name}"
                        yield module.violation(found.line, what, layer.why)


def check_schedules(project: Project) -> Iterator[Violation]:
    """Yield libraries that periodic rules import."""
    known = {*PRODUCT, *sys.stdlib_module_names}
    for module in project.product:
        for found in module.imports:
            if within(module.name, "schedules") and found.name.partition(".")[0] not in known:
                what = f"schedules imports {found.name}"
                yield module.violation(found.line, what, "a periodic rule is data")
