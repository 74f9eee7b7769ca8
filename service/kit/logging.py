"""Structured logs through the standard library, so that every library's records look alike."""

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict

from service.kit.context import LOG_FIELDS


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


def configure_logging(level: str, *, json: bool, stream: TextIO | None = None) -> None:
    """Send all logs to one stream, as JSON lines or, for a terminal, as readable text."""
    stream = stream or sys.stderr
    renderer = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _drop_color_message,
                *([TRACEBACKS] if json else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # arq logs every job's arguments at INFO, httpx every URL with its tokens, alembic its steps.
    for noisy in ("alembic", "arq.worker", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
