"""A collector of traces: OTLP over HTTP, decoded with OpenTelemetry's own messages."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.servers.threaded import ThreadedServer


@dataclass(frozen=True, slots=True)
class Seen:
    """A span that came in; times are nanoseconds."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    begin: int
    end: int
    attributes: Mapping[str, Any]
    failed: str | None
    service: str


class Collector(ThreadedServer):
    """Takes spans at /v1/traces."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        super().__init__(Starlette(routes=[Route("/v1/traces", self._take, methods=["POST"])]))

    def of(self, kind: str) -> list[Seen]:
        """Return the spans of a kind by their begin."""
        return sorted((s for s in self.spans if s.kind == kind), key=lambda s: s.begin)

    def below(self, parent: Seen) -> list[Seen]:
        """Return the children of a span by their begin."""
        return sorted((s for s in self.spans if s.parent == parent.id), key=lambda s: s.begin)

    async def _take(self, request: Request) -> Response:
        message = ExportTraceServiceRequest.FromString(await request.body())
        for group in message.resource_spans:
            service = _values(group.resource.attributes)["service.name"]
            for scope in group.scope_spans:
                self.spans += [_seen(span, service) for span in scope.spans]
        answer = ExportTraceServiceResponse().SerializeToString()
        return Response(answer, media_type="application/x-protobuf")


def _seen(span: Span, service: str) -> Seen:
    return Seen(
        name=span.name,
        kind=Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_").lower(),
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begin=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        failed=span.status.message if span.status.code == Status.STATUS_CODE_ERROR else None,
        service=service,
    )


def _values(found: Any) -> dict[str, Any]:
    pairs: list[KeyValue] = list(found)
    return {pair.key: getattr(pair.value, str(pair.value.WhichOneof("value"))) for pair in pairs}
