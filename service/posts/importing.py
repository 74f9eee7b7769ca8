"""Importing posts, of a file or of another system: each record once, whoever repeats it.

Records pass through in batches, in one transaction: everything of a source is imported, or
nothing. What is imported is checked as any request is.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from service.accounts import queries as accounts
from service.errors import InvalidInput, Problem
from service.kit.clock import now
from service.kit.records import Record, refused
from service.platforms.registry import ALIASES
from service.posts import actions, importing_queries, moving, rules
from service.posts.desk import Desk
from service.posts.importing_rules import COLUMNS, Line, line_of, unknown_columns
from service.posts.models import Post
from service.posts.schemas import PostIn

BATCH = 500
"""Records that are stored at once."""
MOST_PROBLEMS = 200
"""Problems that are told in full."""
WOKEN = 1000
"""Deliveries that are queued at once; the sweep finds what else is due soon."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a source is to be taken."""

    zone: str | None = None
    """Of times without an offset."""
    late: Literal["refuse", "skip", "now"] = "refuse"
    """What becomes of records whose time has passed: a problem, left out, or published now."""
    skip_bad: bool = False
    """Whether records with problems are left out, instead of refusing everything."""
    dry_run: bool = False
    source: str = ""
    """Begins the keys."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What the source calls an account or a platform → handle or id of an account."""
    lenient: bool = False
    """Whether columns that mean nothing here are passed over."""


@dataclass(frozen=True, slots=True)
class LineProblem:
    """One thing wrong with one record."""

    line: int
    field: str
    message: str


@dataclass(slots=True)
class Report:
    """What became of a source."""

    dry_run: bool
    lines: int = 0
    posts: int = 0
    deliveries: int = 0
    present: int = 0
    """Imported before."""
    late: int = 0
    """Left out because their time has passed."""
    ended: int = 0
    """Left out because the source says that they are out, or never will be."""
    bad: int = 0
    problems: list[LineProblem] = field(default_factory=list)
    """The first of them."""

    def add(self, line: int, problems: Sequence[tuple[str, str]]) -> None:
        """Note a bad record."""
        self.bad += 1
        room = MOST_PROBLEMS - len(self.problems)
        self.problems += [LineProblem(line, name, text) for name, text in problems[:room]]


class Import:
    """Takes records, a batch at a time.

    Args:
        desk: of whoever the posts are to belong to, with all accounts that may be named.
        options: how.
    """

    def __init__(self, desk: Desk, options: Options) -> None:
        self._desk, self._options = desk, options
        self.report = Report(options.dry_run)
        self._moment = now()
        self._lines: dict[str, int] = {}
        self._woken = 0
        self._names: dict[str, list[UUID]] = {}
        for account in desk.known or ():
            for name in (str(account.id), account.handle, f"{account.platform}:{account.handle}"):
                self._names.setdefault(name.lower(), []).append(account.id)

    @classmethod
    async def begin(cls, desk: Desk, options: Options) -> Self:
        """Begin an import; another one of the same owner waits for the end of this one."""
        await importing_queries.wait_for_others(desk.session, desk.caller.user_id)
        known = await accounts.all_usable_accounts(desk.session, desk.caller)
        return cls(dataclasses.replace(desk, known=known), options)

    async def take(self, records: Sequence[Record]) -> None:
        """Check records, and store those that are new."""
        options, session = self._options, self._desk.session
        if not (self.report.lines or options.lenient):
            _refuse_unknown(records)
        lines = [
            line_of(record, options.source, options.zone, lenient=options.lenient)
            for record in records
        ]
        owner_id = self._desk.caller.user_id
        keys = [line.key for line in lines if not line.problems]
        known = await importing_queries.known_keys(session, owner_id, keys)
        posts: list[tuple[Line, Post]] = []
        for line in lines:
            self.report.lines += 1
            post = await self._drawn_up(line, known)
            if post is not None:
                posts.append((line, post))
        if options.dry_run or (self.report.bad and not options.skip_bad):
            return
        session.add_all(post for _, post in posts)
        await session.flush()
        rows = [
            {"owner_id": owner_id, "import_key": line.key, "post_id": post.id}
            for line, post in posts
        ]
        await importing_queries.remember(session, rows)
        self._wake([post for _, post in posts])
        session.expunge_all()  # a long source would fill the memory

    def end(self) -> Report:
        """Return what became of the source.

        Raises:
            InvalidInput: records are bad, and those are not to be left out; nothing is imported.
        """
        if self.report.bad and not (self._options.skip_bad or self._options.dry_run):
            raise InvalidInput(
                [
                    Problem(f"line {problem.line}: {problem.field}", problem.message)
                    for problem in self.report.problems
                ]
            )
        return self.report

    async def _drawn_up(self, line: Line, known: set[str]) -> Post | None:
        """Return the post of a record that is to be stored; count what becomes of others."""
        if line.problems:
            self.report.add(line.line, line.problems)
            return None
        if not line.open:
            self.report.ended += 1
            return None
        if line.key in known:
            self.report.present += 1
            return None
        if (earlier := self._lines.setdefault(line.key, line.line)) != line.line:
            same = f"is the same as on line {earlier}: give each an id of its own"
            self.report.add(line.line, [("id", same)])
            return None
        try:
            body = self._body(line)
            if body is None:
                self.report.late += 1
                return None
            post = await actions.draw_up(self._desk, body, self._moment)
        except InvalidInput as error:
            self.report.add(line.line, [(p.field, p.message) for p in error.problems])
            return None
        self.report.posts += 1
        self.report.deliveries += len(post.deliveries)
        return post

    def _body(self, line: Line) -> PostIn | None:
        """Return the request of a record; None for one whose time has passed."""
        problems: list[Problem] = []
        ids = self._accounts(line, problems)
        platforms = [name for name in line.platforms if not self._mapped(name)]
        fields = {**line.fields, "accounts": ids, "platforms": platforms}
        try:
            body = PostIn.model_validate(fields)
        except ValidationError as error:
            found = [(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()]
            raise InvalidInput([*problems, *(Problem(*each) for each in found)]) from None
        if problems:
            raise InvalidInput(problems)
        if self._options.late == "refuse" or not self._has_passed(body):
            return body
        if self._options.late == "skip" and not body.draft:
            return None
        return body.model_copy(update={"publish_at": None})

    def _has_passed(self, body: PostIn) -> bool:
        zone = rules.parse_zone(body.zone) if body.zone else None
        if body.publish_at is None or isinstance(zone, Problem):
            return False
        at: datetime | Problem = rules.locate(body.publish_at, zone)
        return not isinstance(at, Problem) and at < self._moment - rules.PAST_GRACE

    def _accounts(self, line: Line, problems: list[Problem]) -> list[UUID]:
        """Return the accounts that a record names, by whatever names."""
        wanted = [self._mapped(name) or name for name in line.accounts]
        wanted += [mapped for name in line.platforms if (mapped := self._mapped(name))]
        found: list[UUID] = []
        for name in wanted:
            ids = self._names.get(name.lower().removeprefix("@"), [])
            if len(ids) == 1:
                found += ids
            elif ids:
                text = f"'{name[:80]}' are {len(ids)} accounts: write platform:handle"
                problems.append(Problem("accounts", text))
            else:
                problems.append(Problem("accounts", f"'{name[:80]}' is none of your accounts"))
        return list(dict.fromkeys(found))

    def _mapped(self, name: str) -> str | None:
        names = self._options.names
        return names.get(name) or names.get(ALIASES.get(name, name))

    def _wake(self, posts: Sequence[Post]) -> None:
        room = max(WOKEN - self._woken, 0)
        deliveries = [delivery for post in posts for delivery in post.deliveries][:room]
        self._woken += len(deliveries)
        moving.wake(self._desk, deliveries)


def _refuse_unknown(records: Sequence[Record]) -> None:
    """Refuse a source as a whole, whose first record has columns that mean nothing here."""
    names = next((list(record.values) for record in records), [])
    if unknown := unknown_columns(names):
        known = ", ".join(COLUMNS)
        raise refused(f"has the unknown column '{unknown[0][:80]}'; known: {known}")


def zone_problem(name: str | None) -> Problem | None:
    """Return what is wrong with the zone of an import."""
    zone: ZoneInfo | Problem | None = rules.parse_zone(name) if name else None
    return zone if isinstance(zone, Problem) else None


def shown(report: Any) -> dict[str, Any]:
    """Return a report, or another dataclass, as JSON."""
    return dataclasses.asdict(report)
