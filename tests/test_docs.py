"""The written documentation says what the code says."""

from pathlib import Path

from service.cli import app
from workers.reference import reference

DOCS = Path(__file__).parents[1] / "docs"


def test_the_job_reference_is_current() -> None:
    """G079, T008: every job with arguments, queue, limits, schedule; `make docs` writes it."""
    assert (DOCS / "jobs.md").read_text() == reference()


def test_the_readme_names_every_command() -> None:
    """Nobody must read the source to find a command."""
    readme = (DOCS.parent / "README.md").read_text()
    names = [command.name or "" for command in app.registered_commands]
    assert [name for name in names if name and f"almanac {name}" not in readme] == []
