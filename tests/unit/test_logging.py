"""What a log line says, and what it must not say."""

import io
import json
import logging
from collections.abc import Iterator

import pytest

from service.kit.logging import configure_logging

SECRET = "a-password-in-a-local-variable"


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the root logger back as pytest has it."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    root.handlers[:], root.level = before


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.usefixtures("restored")
def test_a_traceback_shows_no_local_variables(as_json: bool) -> None:
    """G075: the stack trace is there, the credentials in its frames are not."""
    stream = io.StringIO()
    configure_logging("INFO", json=as_json, stream=stream)

    def connect(password: str) -> None:
        raise ValueError("refused")

    try:
        connect(SECRET)
    except ValueError:
        logging.getLogger("test").exception("no connection")
    logged = stream.getvalue()
    assert "no connection" in logged
    assert "ValueError" in logged
    assert "in connect" in logged or '"connect"' in logged
    assert SECRET not in logged
    if as_json:
        assert json.loads(logged)["level"] == "error"
