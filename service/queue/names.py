"""The queues of this installation and their keys in Redis."""

import re
from enum import StrEnum
from functools import lru_cache

_QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


class Queue(StrEnum):
    """Almanac's own queues; each has one WorkerSettings."""

    PUBLISHING = "publishing"
    MEDIA = "media"
    VIDEO = "video"
    AI = "ai"
    EMAILS = "emails"
    USERS = "users"
    ANALYTICS = "analytics"
    NOTIFICATIONS = "notifications"
    ROSTERS = "rosters"
    BACKUPS = "backups"
    REPORTS = "reports"
    WEBHOOKS = "webhooks"
    MAINTENANCE = "maintenance"
    DEFAULT = "default"


@lru_cache
def queue_key(queue: str) -> str:
    """Return the key of the sorted set that holds a queue's job ids.

    Raises ValueError when the name is not lowercase letters, digits, '-' and '_'.
    """
    if not _QUEUE_NAME.fullmatch(queue):
        raise ValueError(
            f"queue name {queue!r}: it starts with a lowercase letter, followed by lowercase "
            "letters, digits, '-' or '_'"
        )
    return f"almanac:{queue}"


def unique_key(function: str, key: str) -> str:
    """Return the key of the lock of unique or debounced jobs."""
    return f"almanac:unique:{function}:{key}"
