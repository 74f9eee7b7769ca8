"""What a worker signs its claims with, and what people call it."""

import itertools
import os
import secrets
import socket

_BASE = os.environ.get("ALMANAC_INCARNATION") or secrets.token_hex(8)
_starts = itertools.count(1)


def incarnation() -> str:
    """Return a name that no other start of any worker has.

    Its first part, up to the dot, is the process's; a supervisor may have chosen it, to release by
    it whatever the process held.
    """
    return f"{_BASE}.{next(_starts)}"


def process_name() -> str:
    """Return this process's name for people: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"
