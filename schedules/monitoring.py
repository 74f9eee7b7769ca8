"""When records are cleaned up."""

from service.queue import Rule

RULES = (
    # Every day at 02:00.
    Rule("monitoring.clean", hour=2, minute=0, misfire="once"),
)
