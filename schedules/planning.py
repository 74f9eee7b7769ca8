"""When recurring posts are looked after."""

from service.queue import Rule

RULES = (
    # Every minute: schedule the next post of what comes again and again.
    Rule("planning.recur"),
)
"""Periodic rules of planning."""
