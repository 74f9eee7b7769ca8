"""When posts are looked after."""

from service.queue import Rule

RULES = (
    # Every minute: queue what is due soon and not queued.
    Rule("posts.sweep"),
)
