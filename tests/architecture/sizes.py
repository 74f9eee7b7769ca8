"""Files and functions that fit into a head."""

from collections.abc import Iterator, Mapping

from .project import Project, Violation

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
GENERATED = "service/db/migrations/versions/"
"""Written by alembic, read once, never changed."""
RATCHET: dict[str, int] = {}
"""What is longer, with its present length: `path` or `path:function` → lines. It only shrinks."""


def check(project: Project, ratchet: Mapping[str, int] = RATCHET) -> Iterator[Violation]:
    """Yield what is too long, and entries of the ratchet that are no longer true."""
    too_long = {key: lines for key, lines, limit in _measure(project) if lines > limit}
    for key, lines in too_long.items():
        if lines != ratchet.get(key):
            path, _, function = key.partition(":")
            what = f"{function or 'the file'} has {lines} lines"
            limit = ratchet.get(key, LONGEST_FUNCTION if function else LONGEST_FILE)
            if lines > limit:
                yield Violation(path, 1, what, f"at most {limit}: split it by what changes it")
            else:
                yield Violation(path, 1, what, "it shrank: lower its number in the ratchet")
    for key in ratchet.keys() - too_long.keys():
        yield Violation(key, 1, "it fits", "remove it from the ratchet")


def _measure(project: Project) -> Iterator[tuple[str, int, int]]:
    for path, module in project.modules.items():
        if path.startswith(GENERATED):
            continue
        yield path, module.source.count("\n"), LONGEST_FILE
        for function in module.functions():
            assert function.end_lineno is not None, "parsed from a file"
            lines = function.end_lineno - function.lineno + 1
            yield f"{path}:{function.name}", lines, LONGEST_FUNCTION
