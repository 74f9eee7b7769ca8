"""The log of a test, as it would be written."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from service.kit import redaction
from service.kit.logging import configure_logging


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    def of(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines with these values, in order."""
        lines = [json.loads(line) for line in self.text.splitlines()]
        return [line for line in lines if fields.items() <= line.items()]


@pytest.fixture
def restored() -> Iterator[None]:
    """Put the root logger back as pytest has it."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    yield
    for handler in set(root.handlers).difference(before[0]):
        handler.close()
    root.handlers[:], root.level = before


@pytest.fixture
def lines(restored: None) -> Lines:
    """JSON lines from level INFO on."""
    found = Lines()
    configure_logging("INFO", json=True, stream=found.stream)
    return found


@pytest.fixture
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets that other tests have made known are not known here, nor this test's elsewhere."""
    monkeypatch.setattr(redaction._Process, "known", ())
