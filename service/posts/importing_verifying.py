"""Comparing a source with what was imported of it: is everything there, and as it was?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from service.errors import Problem
from service.kit.clock import now
from service.kit.records import Record
from service.platforms.registry import ALIASES
from service.posts import importing_queries, rules
from service.posts.desk import Desk
from service.posts.importing import MOST_PROBLEMS, LineProblem, Options
from service.posts.importing_rules import Line, line_of


@dataclass(slots=True)
class Comparison:
    """How a source and what was imported of it compare."""

    open: int = 0
    """Records that are still to go out."""
    ended: int = 0
    """Records that are out already, or never will be; nothing is expected of them."""
    matched: int = 0
    late: int = 0
    """Not imported because their time had passed."""
    missing: int = 0
    differing: int = 0
    problems: list[LineProblem] = field(default_factory=list)
    """What is missing and what differs; the first of them."""

    @property
    def equal(self) -> bool:
        """Whether everything is there, as it was."""
        return not (self.missing or self.differing)

    def add(self, line: int, name: str, text: str) -> None:
        """Note something that is not as it should be."""
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(LineProblem(line, name, text))


class Comparing:
    """Takes records as an import does, and changes nothing.

    Args:
        desk: of the owner of what was imported.
        options: those of the import.
    """

    def __init__(self, desk: Desk, options: Options) -> None:
        self._desk, self._options = desk, options
        self._moment = now()
        self.result = Comparison()

    async def take(self, records: Sequence[Record]) -> None:
        """Compare records with what was imported of them."""
        options = self._options
        lines = [
            line_of(record, options.source, options.zone, lenient=options.lenient)
            for record in records
        ]
        wanted = [line for line in lines if line.open or line.problems]
        self.result.ended += len(lines) - len(wanted)
        found = await importing_queries.imported(
            self._desk.session, self._desk.caller.user_id, [line.key for line in wanted]
        )
        for line in wanted:
            self.result.open += 1
            self._compare(line, found.get(line.key))

    def _compare(self, line: Line, post: Any) -> None:
        at = time_of(line)
        late = at is not None and at < self._moment
        if post is None and late:
            self.result.late += 1
        elif post is None:
            self.result.missing += 1
            self.result.add(line.line, "id", f"{line.key} was not imported")
        elif differing := self._differing(line, post, at, late=late):
            self.result.differing += 1
            for name, text in differing:
                self.result.add(line.line, name, text)
        else:
            self.result.matched += 1

    def _differing(
        self, line: Line, post: Any, at: datetime | None, *, late: bool
    ) -> list[tuple[str, str]]:
        found = []
        if post.text != rules.with_hashtags(line.fields["text"], line.fields["hashtags"]):
            found.append(("text", "is another one here"))
        if post.publish_at != at and not (late and post.publish_at is None):
            found.append(("publish_at", f"is {post.publish_at} here, there {at}"))
        wanted = {ALIASES.get(name, name) for name in line.platforms}
        if not line.accounts and wanted and wanted != set(post.platforms or ()):
            here = ", ".join(sorted(post.platforms or ())) or "none"
            found.append(("platforms", f"are {here} here, there {', '.join(sorted(wanted))}"))
        return found


def time_of(line: Line) -> datetime | None:
    """Return when a record is to go out; None for none that can be meant."""
    value, name = line.fields.get("publish_at"), line.fields.get("zone")
    zone = rules.parse_zone(name) if name else None
    if value is None or isinstance(zone, Problem):
        return None
    at = rules.locate(value, zone)
    return None if isinstance(at, Problem) else at
