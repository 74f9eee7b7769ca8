"""When incidents are mailed together."""

from service.queue import Rule

RULES = (
    # Every day at 07:00; a mail only where the digest is wanted.
    Rule("notifications.digest", hour=7, minute=0),
)
