"""Importing members: a file of any length in little memory, each member once.

Every batch is a transaction of its own, and members that are there are left as they are: an import
that was interrupted is simply run again.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any
from uuid import UUID

from service.access.audit import note
from service.community import import_rules, member_queries
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.kit.ids import uuid7
from service.kit.records import Record
from service.runtime import Runtime

BATCH = 1000
"""Members that are stored at once."""
MOST_PROBLEMS = 200
"""Problems that are told in full."""


@dataclass(slots=True)
class Report:
    """What became of a file."""

    lines: int = 0
    members: int = 0
    """Added."""
    present: int = 0
    """There before, by their mail address; nothing of them was changed."""
    bad: int = 0
    problems: list[dict[str, Any]] = field(default_factory=list)
    """`{line, field, message}` of the first of them."""

    def add(self, line: int, problems: Sequence[Problem]) -> None:
        """Note a line that is left out."""
        self.bad += 1
        told = [{"line": line, "field": each.field, "message": each.message} for each in problems]
        self.problems += told[: MOST_PROBLEMS - len(self.problems)]


async def import_members(
    runtime: Runtime, owner_id: UUID, actor: str, batches: AsyncIterator[Sequence[Record]]
) -> Report:
    """Add the members of a file whom there are not; nobody is mailed a welcome.

    Args:
        runtime: the open resources.
        owner_id: whose rows they become.
        actor: who is noted to have imported them.
        batches: lines, `BATCH` at a time.

    Raises:
        InvalidInput: its columns are not those of members; nothing is stored.
    """
    report = Report()
    async for batch in batches:
        if not report.lines:
            _check_columns(batch)
        await _take(runtime, owner_id, batch, report)
    async with runtime.unit_of_work() as uow:
        counts = {"members": report.members, "present": report.present, "bad": report.bad}
        await note(uow.session, actor, "members.import", "members", **counts)
    return report


def _check_columns(batch: Sequence[Record]) -> None:
    names = next((record.values for record in batch if record.problem is None), None)
    problem = import_rules.columns_problem(names) if names is not None else None
    if problem is not None:
        raise InvalidInput([problem])


async def _take(runtime: Runtime, owner_id: UUID, batch: Sequence[Record], report: Report) -> None:
    rows: dict[UUID, tuple[int, dict[str, Any]]] = {}
    moment = now()
    for record in batch:
        report.lines += 1
        values, problems = import_rules.member_of(record.values, moment)
        if record.problem is not None:
            report.add(record.line, [Problem("line", record.problem)])
        elif values is None:
            report.add(record.line, problems)
        else:
            made = {"id": uuid7(), "owner_id": owner_id, "created_at": moment, **values}
            # They joined elsewhere, and have been welcomed there.
            rows[made["id"]] = (record.line, {**made, "welcomed_at": moment})
    async with runtime.unit_of_work() as uow:
        # In one order: of two imports of the same members, one waits for the other.
        new = sorted((row for _, row in rows.values()), key=itemgetter("email"))
        added = await member_queries.add_members(uow.session, new)
        others = {found: row for found, row in rows.items() if found not in added}
        emails = await member_queries.known_emails(
            uow.session, [row["email"] for _, row in others.values()]
        )
    report.members += len(added)
    for number, row in others.values():
        if row["email"] in emails:
            report.present += 1
        else:
            report.add(number, [Problem("username", "is another member's username")])
