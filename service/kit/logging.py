"""Structured logs through the standard library, so that every library's records look alike."""

import logging
import sys
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import TextIO

import structlog
from structlog.typing import EventDict

from service.errors import ConfigurationError
from service.kit.context import LOG_FIELDS
from service.kit.redaction import redact_fields


def _add_fields(_: object, __: str, event: EventDict) -> EventDict:
    """Say which work a line belongs to."""
    return {**LOG_FIELDS.get(), **event}


SHARED = (
    structlog.contextvars.merge_contextvars,
    _add_fields,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

# Local variables hold credentials: never in a log.
TRACEBACKS = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
)


def _drop_color_message(_: object, __: str, event: EventDict) -> EventDict:
    """Drop uvicorn's second copy of its message."""
    event.pop("color_message", None)
    return event


def _redact(_: object, __: str, event: EventDict) -> EventDict:
    return dict(redact_fields(event))


def configure_logging(
    level: str, *, json: bool, stream: TextIO | None = None, file: Path | None = None
) -> None:
    """Send all logs to one stream, as JSON lines or, for a terminal, as readable text.

    Args:
        level: of the least important lines.
        json: whether lines are JSON.
        stream: by default standard error.
        file: gets every line too. It may be moved away at any time, as logrotate does.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    stream = stream or sys.stderr
    handlers: list[logging.Handler] = [logging.StreamHandler(stream)]
    handlers[0].setFormatter(_formatter(json=json, colors=stream.isatty()))
    if file is not None:
        handlers.append(_opened(file))
        handlers[1].setFormatter(_formatter(json=json, colors=False))
    root = logging.getLogger()
    root.handlers[:] = handlers
    root.setLevel(level)
    # arq logs every job's arguments at INFO, httpx every URL with its tokens, alembic its steps.
    for noisy in ("alembic", "arq.worker", "httpx", "httpcore", "urllib3"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _formatter(*, json: bool, colors: bool) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _drop_color_message,
            TRACEBACKS if json else structlog.processors.format_exc_info,
            _redact,
            structlog.processors.JSONRenderer()
            if json
            else structlog.dev.ConsoleRenderer(colors=colors),
        ],
    )


def _opened(file: Path) -> logging.Handler:
    try:
        return WatchedFileHandler(file, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"ALMANAC_LOG_FILE: {file} cannot be written: {error.strerror}"
        ) from error
