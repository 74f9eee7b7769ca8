"""Which trace work belongs to and, where that is on, spans of its parts.

A trace is 32 hexadecimal digits. They travel from a request through its jobs and theirs, whether or
not spans are recorded; `service.telemetry` records them when the settings say where to.
"""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from secrets import token_hex
from typing import Literal, NamedTuple, Protocol

Kind = Literal["server", "producer", "consumer", "client"]
Attributes = Mapping[str, str | int | float | bool]

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16}-[0-9a-f]{2})(?:-.*)?"
)
_PLAIN = re.compile(r"[a-z]{1,24}|v\d{1,2}")
"""Parts of a path that name no thing and hold no secret."""


class Place(NamedTuple):
    """Where a span hangs.

    Attributes:
        trace: the trace.
        span: id of the span and its flags, as in a traceparent; empty for a trace without one.
    """

    trace: str
    span: str = ""


class Span(Protocol):
    """A span under way."""

    @property
    def place(self) -> Place:
        """Where its children hang."""

    def note(self, attributes: Attributes) -> None:
        """Say more of it."""

    def rename(self, name: str) -> None:
        """Give it a better name than it began with."""

    def fail(self, kind: str, text: str = "") -> None:
        """Say that what it stands for failed; an error that leaves the block says so by itself."""


class Tracer(Protocol):
    """Records spans: `service.telemetry.Recorder`."""

    def span(
        self, kind: Kind, name: str, attributes: Attributes, parent: Place | None
    ) -> AbstractContextManager[Span | None]:
        """See `span`."""

    def place(self) -> Place | None:
        """See `here`."""

    def leave(self) -> None:
        """See `leave`."""


class _Process:
    """What records the spans of this process."""

    tracer: Tracer | None = None


_NO_SPAN: AbstractContextManager[None] = nullcontext()


def use_tracer(tracer: Tracer | None) -> None:
    """Record the spans of this process with it; None: record none."""
    _Process.tracer = tracer


def on() -> bool:
    """Whether spans are recorded."""
    return _Process.tracer is not None


def span(
    kind: Kind, name: str, attributes: Attributes, parent: Place | None = None
) -> AbstractContextManager[Span | None]:
    """Record what the block does as a span; None where none is recorded.

    Without a parent it hangs below the span of this context; a `client` span is recorded only
    where there is one.
    """
    tracer = _Process.tracer
    return _NO_SPAN if tracer is None else tracer.span(kind, name, attributes, parent)


def here() -> Place | None:
    """Return the span of this context, if there is one."""
    tracer = _Process.tracer
    return None if tracer is None else tracer.place()


def leave() -> None:
    """Let what follows in this context belong to no span."""
    if _Process.tracer is not None:
        _Process.tracer.leave()


def outgoing(
    method: str, host: str, port: int | None, path: str
) -> AbstractContextManager[Span | None]:
    """Record a call to a server over HTTP, without what its path and query name."""
    if _Process.tracer is None:
        return _NO_SPAN
    parts = (part if _PLAIN.fullmatch(part) else "{}" for part in path.split("/")[1:])
    attributes: dict[str, str | int] = {
        "http.request.method": method,
        "server.address": host,
        "url.template": f"/{'/'.join(parts)}",
    }
    if port is not None:
        attributes["server.port"] = port
    return span("client", f"{method} {host}", attributes)


def place_of(traceparent: str | None) -> Place:
    """Return where a caller's span is, by W3C's header; a new trace when it names none."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    return Place(found[1], found[2]) if found else Place(token_hex(16))
