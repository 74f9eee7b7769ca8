"""`almanac conf`: what is in force."""

import json

import pytest
from typer.testing import CliRunner

from service.cli import app


def test_settings_and_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """V074, T042, T043, G064: JSON, UTC, how long results are kept; no secret is shown."""
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@example.org/0")
    monkeypatch.setenv("PUBLISHING_CONCURRENCY", "3")
    shown = CliRunner().invoke(app, ["conf", "--json"])
    assert shown.exit_code == 0
    found = json.loads(shown.stdout)
    assert found["settings"]["PUBLISHING_CONCURRENCY"] == 3
    assert found["settings"]["REDIS_URL"] == "**********"
    assert "hunter2" not in shown.stdout
    assert found["jobs"]["timezone"] == "UTC"
    assert found["jobs"]["payload format"] == "JSON; pickle is never read"
    assert found["jobs"]["seconds a result is kept"]["posts.publish_batch"] == 3600
    assert found["jobs"]["tries"]["posts.publish"] == 5


def test_for_people() -> None:
    """As tables."""
    shown = CliRunner().invoke(app, ["conf"])
    assert shown.exit_code == 0
    assert "posts.publish: 30" in shown.stdout
