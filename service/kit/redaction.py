"""Keeps secrets out of texts that are shown, logged or stored: by their value and by their form.

The secrets of the settings are known at start and masked wherever they stand. Any other secret is
known by what stands before it (`password=`, `"token": `, `Authorization:`, `Bearer`), or by its own
form (user and password in a URL, our API keys, signing secrets, web tokens, private keys).
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

MASK = "***"
SHORTEST = 8
"""Characters of a known secret at least; a shorter one could be a word of any text."""
DEEPEST = 12
"""Levels of a value that are looked through."""
_OURS = frozenset({"level", "logger", "timestamp", "job", "queue", "try", "trace"})
"""Fields of most lines whose values nobody outside chooses."""

_KEYS = ("api", "access", "private", "signing", "encryption")
_NAMES = "|".join(
    (
        *("passwd", "password", "passphrase", "secret", "token(?!s|iz)", "credential"),
        *(f"{kind}[_-]?key" for kind in _KEYS),
    )
)
_NAME = rf"(?i:{_NAMES})[\w-]{{0,40}}"
_IS = r"""\\*["']?\s{0,8}[:=]\s{0,8}"""
_CLOSED_OR_CUT = (
    r"""(?:"(?:[^"\\]|\\.)*(?:"|\Z)|'(?:[^'\\]|\\.)*(?:'|\Z)|\\+["'].*?(?:\\+["']|$))"""
)
_BARE = r"""[^\s,;&"'<>)\]}]+"""
# Prose goes on after "Invalid token: expired"; only what is no plain word is taken for a value.
_ODD = r"""(?=\S*[^a-z\s.,;:!?()'"-])"""
_QUERY = "(?:key|sig|signature|code|auth|state)="
_FORMS = re.compile(
    "|".join(
        (
            rf"""((?i:authorization|cookie){_IS}b?)(?:{_CLOSED_OR_CUT}|[^\r\n"'\\]+)""",
            rf"({_NAME}{_IS}b?){_CLOSED_OR_CUT}",
            rf"""({_NAME}["']?\s{{0,8}}=\s{{0,8}}){_BARE}""",
            rf"""({_NAME}["']?:\s{{0,8}}){_ODD}{_BARE}""",
            rf"""([?&](?i:{_QUERY}))[^&\s"'<>#]+""",
            rf"((?<![\w-])(?i:bearer)\s{{1,4}}){_ODD}[\w.~+/=-]{{8,}}",
            r"((?<![\w-])(?i:basic)\s{1,4})[\w+/=]{16,}",
            r"""(://)[^\s/?#"'<>]+(?=@)""",
            r"almanac_[\w-]{20,}",
            r"whsec_[\w+/=-]{16,}",
            r"(?<![\w-])eyJ[\w-]{10,}\.[\w-]{10,1000}\.[\w-]*",
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}KEY-----)?",
        )
    )
)
_HINTS = re.compile(
    "|".join(
        (
            rf"(?:{_NAMES}|authorization|cookie)[\w-]{{0,40}}{_IS}",
            *(rf"\?{_QUERY}", rf"&{_QUERY}", r"bearer\s", r"basic\s", r"""://[^\s/?#"'<>]+@"""),
            *(r"almanac_[\w-]{20}", "whsec_", r"eyj[\w-]{10}", "-----begin "),
        )
    )
)
"""Where a form may begin, in lower case: several times as fast as looking for the forms."""
_WORDS = (
    *("passw", "passphrase", "secret", "token", "credential", "key", "auth", "cookie", "bearer"),
    *("basic", "://", "sig=", "signature=", "code=", "state=", "almanac_", "whsec_", "eyj"),
)
"""Every hint has one of them: several times as fast again, and most lines have none."""
_TELLING = re.compile(rf"{_NAME}|(?i:authorization|cookie)")


class _Process:
    """What this process masks by its value, the longest first."""

    known: tuple[str, ...] = ()


def protect(*secrets: str) -> None:
    """Mask these from now on, wherever they stand; of a URL its password.

    Those with fewer than `SHORTEST` characters are known by their form only.
    """
    values = {part for secret in secrets for part in _parts(secret)}
    written = {form for value in values if len(value) >= SHORTEST for form in _written(value)}
    _Process.known = tuple(sorted({*_Process.known, *written}, key=lambda s: (-len(s), s)))


def _parts(secret: str) -> Iterable[str]:
    if "://" not in secret:
        return [secret]
    try:
        url = urlsplit(secret)
    except ValueError:
        return [secret]
    password = url.password or ""
    return [password, unquote(password), *parse_qs(url.query).get("password", ())]


def _written(value: str) -> set[str]:
    """Return how a text may spell a value: itself, in a URL, in JSON, in Python."""
    return {value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1]}


def redact(text: str) -> str:
    """Return a text without the secrets that are known, or that look like some."""
    for secret in _Process.known:
        if secret in text:
            text = text.replace(secret, MASK)
    lower = text.lower()
    if not _may_hold_some(lower) or (hint := _HINTS.search(lower)) is None:
        return text
    # A few letters have a longer lower case.
    begin = hint.start() if len(lower) == len(text) else 0
    return text[:begin] + _FORMS.sub(_masked, text[begin:])


def _may_hold_some(lower: str) -> bool:
    for word in _WORDS:  # noqa: SIM110 - any() takes twice as long
        if word in lower:
            return True
    return False


def _masked(found: re.Match[str]) -> str:
    return f"{found[found.lastindex]}{MASK}" if found.lastindex else MASK


def redact_fields(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the named values of a log line without secrets, whatever is inside of them.

    One whose name tells that it is secret is masked; objects become texts.
    """
    words: list[str] = []
    for name, value in fields.items():
        if isinstance(value, str):
            if name not in _OURS:
                words += (name, value)
        elif value is not None and not isinstance(value, int | float):
            break
    else:  # most lines: all of it is looked at together
        text = "=".join(words)
        if redact(text) is text:
            return fields
    return _inside(fields, 0)


def _redacted(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact(value)
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return _inside(value, depth + 1)
    if isinstance(value, list | tuple | set | frozenset):
        return [_redacted(part, depth + 1) for part in value]
    return redact(repr(value))


def _inside(fields: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
    return {
        name: MASK if value and _TELLING.search(str(name)) else _redacted(value, depth)
        for name, value in fields.items()
    }
