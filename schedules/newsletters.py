"""When newsletters are looked after."""

from service.queue import Rule

RULES = (
    # Every 15 minutes: begin the issues that are due; after an outage once.
    Rule("newsletters.check_due", minute={0, 15, 30, 45}, misfire="once"),
    # Every minute: issues that should be on their way and that no job sends.
    Rule("newsletters.sweep"),
)
