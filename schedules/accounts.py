"""When tokens of accounts are renewed."""

from service.queue import Rule

RULES = (
    # Every ten minutes: the shortest tokens live for an hour.
    Rule("accounts.refresh_tokens", cron="*/10 * * * *", misfire="once"),
)
