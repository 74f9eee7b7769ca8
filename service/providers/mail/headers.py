"""Header lines of mails: which are allowed, and that none smuggles in another."""

import re
from collections.abc import Iterator, Mapping

MAX_VALUE = 2_000
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_BREAKS = re.compile(r"[\r\n\0\x0b\x0c\x1c-\x1e\x85\u2028\u2029\ud800-\udfff]")
"""What ends a line for any reader; and half characters, which no charset has."""
OURS = frozenset(
    (
        *("from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "reply-to"),
        *("mime-version", "content-type", "content-transfer-encoding", "content-disposition"),
        *("return-path", "received", "dkim-signature"),
    )
)
"""Written by whoever sends, never by who writes a mail."""


def header_problem(value: str) -> str | None:
    """Say what is wrong with a header's value, to be read after its name; None when it is fine."""
    if _BREAKS.search(value):
        return "must be one line, without line breaks and NUL"
    if len(value) > MAX_VALUE:
        return f"is longer than {MAX_VALUE:,} characters"
    return None


def headers_problems(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield name and problem of every header that may not be set."""
    for name, value in headers.items():
        shown = name if _NAME.fullmatch(name) else ascii(name)[:80]
        if not _NAME.fullmatch(name):
            yield shown, "is no name of a header: letters, digits and hyphens"
        elif name.lower() in OURS:
            yield shown, "is set by whoever sends the mail"
        elif problem := header_problem(value):
            yield shown, problem
