"""When records are cleaned up."""

from service.queue import Rule

RULES = (
    # Every day at 03:20.
    Rule("monitoring.clean", hour=3, minute=20),
)
