"""When sessions that nobody uses are ended."""

from service.queue import Rule

RULES = (
    # Every day at 02:00.
    Rule("access.clean_sessions", hour=2, minute=0, misfire="once"),
)
