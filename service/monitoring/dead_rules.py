"""Which dead jobs died of the same: a pure rule over the class and the text of their errors."""

import re
from functools import lru_cache
from hashlib import sha256

LONGEST = 200
"""Characters of a text that are compared."""
_ID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b0x[0-9a-f]+\b", re.IGNORECASE)
_HEX = re.compile(r"\b(?=[0-9a-f]*[0-9])(?=[0-9a-f]*[a-f])[0-9a-f]{12,64}\b", re.IGNORECASE)
_NUMBER = re.compile(r"(?<!\bv)\d+(?:[.,:]\d+)*")
_STATUS = re.compile(r"[1-5]\d\d(?=:|\Z| [A-Z])")
"""As which replies of HTTP and SMTP begin: it is what matters most of them."""
_SPACE = re.compile(r"\s+")


@lru_cache(4096)
def pattern(message: str) -> str:
    """Return what the texts of like errors have in common: the first line, ids and numbers aside.

    The pattern of a pattern is the same pattern.
    """
    lines = message[: 4 * LONGEST].strip().splitlines()
    line = lines[0] if lines else ""
    status = _STATUS.match(line)
    head, line = (status[0], line[3:]) if status else ("", line)
    line = _NUMBER.sub("#", _HEX.sub("…", _ID.sub("…", line)))
    return _SPACE.sub(" ", head + line).strip()[:LONGEST].rstrip()


def short_class(kind: str) -> str:
    """Return the name of an error's class without its module, as rows have it."""
    return kind.rpartition(".")[2]


def group_key(kind: str, text: str) -> str:
    """Return a short name of a group, by its class and pattern."""
    return sha256(f"{kind}\n{text}".encode()).hexdigest()[:16]
