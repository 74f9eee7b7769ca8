"""Where log lines go, and how they look."""

import json
import logging
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.config import Settings
from service.errors import ConfigurationError
from service.kit.redaction import redact
from service.logs import start_logging

pytestmark = pytest.mark.usefixtures("restored", "nothing_known")


def settings_of(**given: object) -> Settings:
    """Return settings of nothing but these."""
    return Settings(_env_file=None, **given)  # type: ignore[arg-type] # as the environment does


def test_a_file_gets_every_line_and_may_be_moved_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """G086: beside stderr; after logrotate's move the lines go to a new file of the old name."""
    path = tmp_path / "almanac.log"
    start_logging(settings_of(log_file=path, log_format="json"))
    logging.getLogger("test").info("first")
    path.rename(tmp_path / "almanac.log.1")
    logging.getLogger("test").info("second")
    logged = [json.loads(p.read_text())["event"] for p in (tmp_path / "almanac.log.1", path)]
    assert logged == ["first", "second"]
    shown = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert shown == ["first", "second"]


def test_a_file_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    before = logging.getLogger().handlers[:]
    with pytest.raises(
        ConfigurationError, match=r"ALMANAC_LOG_FILE: .* cannot be written: No such"
    ):
        start_logging(settings_of(log_file=tmp_path / "absent" / "log"))
    assert logging.getLogger().handlers == before


@pytest.mark.parametrize(
    ("given", "is_json"),
    [
        ({}, False),
        ({"log_format": "json"}, True),
        ({"environment": "production"}, True),
        ({"environment": "production", "log_format": "text"}, False),
    ],
)
def test_production_logs_json(given: dict[str, str], is_json: bool) -> None:
    """N068: unless told otherwise."""
    assert settings_of(**given).json_logs is is_json


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_the_settings_secrets_are_masked(
    log_format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """V083: in both formats, messages, fields and tracebacks alike."""
    settings = settings_of(
        log_format=log_format,
        secret_key=SecretStr("a master key of ours"),
        secret_key_old=SecretStr("an-older-one even-older-one"),
        database_url=SecretStr("postgresql://almanac:database-password@db/almanac"),
    )
    start_logging(settings)
    logging.getLogger("test").error(
        "even-older-one at %s",
        "database-password",
        extra={"why": ["an-older-one"]},
        exc_info=ValueError("a master key of ours"),
    )
    logged = capsys.readouterr().err
    assert "*** at ***" in logged
    assert "ValueError" in logged
    for secret in ("a master key of ours", "an-older-one", "even-older-one", "database-password"):
        assert secret not in logged
        assert redact(f"a problem with {secret}.") == "a problem with ***."


def test_debug_lines_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """T070: ALMANAC_LOG_LEVEL."""
    start_logging(settings_of(log_level="DEBUG"))
    logging.getLogger("test").debug("in detail")
    logging.getLogger("httpx").info("GET https://x.test/?token=abc")
    assert "in detail" in (shown := capsys.readouterr().err)
    assert "GET" not in shown
