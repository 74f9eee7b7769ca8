"""Records spans with OpenTelemetry and sends them by OTLP; needs the extra `otel`."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from sqlalchemy import event
from sqlalchemy.engine import Engine

from service.kit.context import set_to
from service.kit.redaction import redact
from service.kit.tracing import Attributes, Kind, Place, on, use_tracer

PATH = "/v1/traces"
PATIENCE = 3.0
"""Seconds that a batch of spans may take, with its repeats: a stop waits for the last one."""
LONGEST_STATEMENT = 2000
"""Characters that are kept of an SQL statement."""
_KINDS = {
    "server": SpanKind.SERVER,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
    "client": SpanKind.CLIENT,
}
_TRACE: ContextVar[int | None] = ContextVar("trace", default=None)
"""The trace that a span without parent is to begin."""


class _Ids(RandomIdGenerator):
    """Random ids, except for traces that have one already."""

    def generate_trace_id(self) -> int:
        return _TRACE.get() or super().generate_trace_id()


class _Span:
    """See `service.kit.tracing.Span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def place(self) -> Place:
        return _place(self._span.get_span_context())

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(_clean(attributes))

    def fail(self, kind: str, text: str = "") -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(StatusCode.ERROR, redact(text) or None)


class Recorder:
    """See `service.kit.tracing.Tracer`.

    Args:
        provider: makes the spans.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("almanac")

    @contextmanager
    def span(
        self, kind: Kind, name: str, attributes: Attributes, parent: Place | None
    ) -> Iterator[_Span | None]:
        """Record the block as a span."""
        if kind == "client" and parent is None and self.place() is None:
            yield None
            return
        root = int(parent.trace, 16) if parent is not None and not parent.span else None
        with (
            set_to(_TRACE, root),
            self._tracer.start_as_current_span(
                name,
                _below(parent),
                _KINDS[kind],
                _clean(attributes),
                record_exception=False,
                set_status_on_exception=False,
            ) as started,
        ):
            span = _Span(started)
            try:
                yield span
            except BaseException as error:  # raised again: its span says so
                span.fail(type(error).__name__, str(error))
                raise

    def place(self) -> Place | None:
        """Return the span of this context."""
        found = trace.get_current_span().get_span_context()
        return _place(found) if found.is_valid else None

    def leave(self) -> None:
        """Let this context belong to no span."""
        contexts.attach(contexts.Context())

    def begin_statement(self, *about: Any) -> None:
        """Begin the span of an SQL statement, where there is one around it."""
        connection, _, statement, _, execution, _ = about
        if self.place() is None:
            return
        operation = statement.split(None, 1)[0].upper() if statement.strip() else "SQL"
        execution.almanac_span = self._tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": connection.dialect.name,
                "db.operation.name": operation,
                "db.query.text": redact(statement[:LONGEST_STATEMENT]),
            },
        )

    @staticmethod
    def end_statement(*about: Any) -> None:
        """End the span of an SQL statement."""
        if span := getattr(about[4], "almanac_span", None):
            span.end()

    @staticmethod
    def fail_statement(failure: Any) -> None:
        """End the span of an SQL statement that failed."""
        if span := getattr(failure.execution_context, "almanac_span", None):
            _Span(span).fail(type(failure.original_exception).__name__)
            span.end()


@asynccontextmanager
async def recording(endpoint: str, process: str) -> AsyncIterator[None]:
    """Record the spans of this process; what is left is sent at the end.

    Where they are recorded already, by another runtime of the process, this does nothing.

    Args:
        endpoint: URL of a collector for OTLP over HTTP, with or without its path for traces.
        process: what the process is, such as `api`.
    """
    if on():
        yield
        return
    url = endpoint.rstrip("/")
    exporter = OTLPSpanExporter(url if url.endswith(PATH) else url + PATH, timeout=PATIENCE)
    provider = TracerProvider(
        resource=Resource.create(
            {"service.namespace": "almanac", "service.name": f"almanac-{process}"}
        ),
        id_generator=_Ids(),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    recorder = Recorder(provider)
    listeners = {
        "before_cursor_execute": recorder.begin_statement,
        "after_cursor_execute": recorder.end_statement,
        "handle_error": recorder.fail_statement,
    }
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    use_tracer(recorder)
    try:
        yield
    finally:
        use_tracer(None)
        for name, listener in listeners.items():
            event.remove(Engine, name, listener)
        await asyncio.to_thread(provider.shutdown)


def _below(parent: Place | None) -> contexts.Context | None:
    """Return the context of a span's parent; None for that of the caller."""
    if parent is None:
        return None
    if not parent.span:
        return contexts.Context()
    span, _, flags = parent.span.partition("-")
    place = SpanContext(
        int(parent.trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
    )
    return trace.set_span_in_context(NonRecordingSpan(place), contexts.Context())


def _place(found: SpanContext) -> Place:
    return Place(f"{found.trace_id:032x}", f"{found.span_id:016x}-{found.trace_flags:02x}")


def _clean(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {
        name: redact(value) if isinstance(value, str) else value
        for name, value in attributes.items()
    }
