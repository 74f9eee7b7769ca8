"""When the media folder is cleaned up."""

from service.queue import Rule

RULES = (
    # Every day at 03:30.
    Rule(
        "media.clean_published",
        hour=3,
        minute=30,
        misfire="once",
    ),
)
