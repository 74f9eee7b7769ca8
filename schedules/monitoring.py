"""When records are cleaned up, and when health is looked at."""

from service.queue import Rule

RULES = (
    # Every day at 02:00.
    Rule("monitoring.clean", hour=2, minute=0, misfire="once"),
    # Every five minutes: is everything there? Alerts miss a result that does not come.
    Rule("monitoring.health", cron="*/5 * * * *"),
)
