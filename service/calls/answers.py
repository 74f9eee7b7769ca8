"""What is kept of an answer: whatever a server says, the queue takes it."""

import json
from collections.abc import Mapping
from typing import Any

from service.queue.values import encode, refuse_inexact

MAX_RESULT = 700_000
"""Bytes of a body as JSON: encrypted, and beside its arguments, the queue takes it."""
SHOWN_HEADERS = (
    *("content-type", "date", "etag", "last-modified", "link", "location", "retry-after"),
    *("x-request-id",),
)
"""Headers of an answer that are kept. Cookies are not."""


def result(status: int, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return what is kept of an answer: its body as JSON or text, unless that is too long."""
    kept = {name: headers[name] for name in SHOWN_HEADERS if name in headers}
    decoded = _decoded(headers, body)
    omitted = len(encode(decoded)) > MAX_RESULT
    shown = None if omitted else decoded
    return {"status": status, "headers": kept, "body": shown, "omitted": omitted}


def _decoded(headers: Mapping[str, str], body: bytes) -> Any:
    if not body:
        return None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            value = json.loads(body)
            refuse_inexact(value)
            encode(value)
        except (ValueError, TypeError, RecursionError):  # it says JSON, and we could not store it
            pass
        else:
            return value
    return body.decode("utf-8", "replace")
