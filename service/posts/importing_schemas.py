"""Replies of imports."""

from typing import Literal

from service.schema import Reply

Late = Literal["refuse", "skip", "now"]


class ImportProblem(Reply):
    """One thing wrong with one line."""

    line: int
    field: str
    message: str


class ImportOut(Reply):
    """What became of a file of posts."""

    dry_run: bool
    """Whether nothing was stored, only looked at."""
    lines: int
    posts: int
    """New ones."""
    deliveries: int
    present: int
    """Imported before."""
    late: int
    """Left out because their time has passed."""
    ended: int
    """Left out because the file says that they are out already."""
    bad: int
    """Left out because of problems."""
    problems: list[ImportProblem]
    """The first 200."""
