"""When platforms are asked how posts and accounts do."""

from service.queue import Rule

RULES = (
    # Every ten minutes: each post has its own time; one missed run is made up for by the next.
    Rule("analytics.measure", cron="*/10 * * * *", misfire="once"),
    # Every day at 03:50.
    Rule("analytics.clean", hour=3, minute=50, misfire="once"),
)
