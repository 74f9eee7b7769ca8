"""When people are told together, and when what they have read is forgotten."""

from service.queue import SITE, Rule

RULES = (
    # Every day at 07:00; a mail only where the digest is wanted.
    Rule("notifications.digest", hour=7, minute=0),
    # Every day at 07:00 where the site is, to those who want one mail a day.
    Rule("notifications.digest_users", hour=7, minute=0, zone=SITE, misfire="once"),
    # Every Monday at 02:00 where the site is.
    Rule("notifications.cleanup", weekday=0, hour=2, minute=0, zone=SITE, misfire="once"),
)
