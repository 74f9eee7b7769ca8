"""When the community is counted and cleaned up, and its digests are mailed."""

from service.queue import Rule

RULES = (
    # Every day at 03:00.
    Rule("community.update_statistics", hour=3, minute=0, misfire="once"),
    # Every hour.
    Rule("community.update_trending", minute=0, misfire="once"),
    # Sundays at 01:00. It only counts, unless ALMANAC_FEED_CLEANUP says more.
    Rule("community.clean_posts", weekday=6, hour=1, minute=0, misfire="once"),
    # Every day at 04:00, the day before.
    Rule("community.analyse_day", hour=4, minute=0, misfire="once"),
    # Every day at 05:00.
    Rule("community.update_scores", hour=5, minute=0, misfire="once"),
    # Mondays at 09:00.
    Rule("community.send_digests", weekday=0, hour=9, minute=0, misfire="once"),
)
