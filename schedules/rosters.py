"""When duty rosters are locked."""

from service.queue import SITE, Rule

RULES = (
    # Every day at SCHEDULE_AUTO_LOCK_HOUR where the site is; made up for after an outage.
    Rule("rosters.lock", hour=1, minute=0, zone=SITE, misfire="once"),
)
