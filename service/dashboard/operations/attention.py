"""What needs a person, in words and with the way to it; the worst first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from service.dashboard.formats import number
from service.dashboard.operations import wording
from service.monitoring.models import Alert
from service.monitoring.queue_schemas import QueueOut
from service.monitoring.trouble_queries import Deaths, Missed
from service.posts.counting_queries import MOST_COUNTED, Counts
from service.posts.overview_queries import Glance

MOST_NAMED = 3
"""Examples of one trouble."""
MOST_ALERTS = 5
OF_WORKERS = frozenset({"worker_down", "not_consuming", "oldest_job"})
"""Alerts that say of a queue what its own line says."""


@dataclass(frozen=True, slots=True)
class Detail:
    """An example of a trouble."""

    text: str
    path: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that needs a person."""

    title: str
    path: str
    details: Sequence[Detail] = ()


def of_posts(
    counts: Counts, troubled: Sequence[Glance], late: Sequence[Glance]
) -> Iterator[Trouble]:
    """Say which posts did not go out."""
    if counts.failed:
        details = [Detail(_failure(post), f"/posts/{post.post_id}") for post in troubled]
        yield Trouble(f"{_posts(counts.failed)} did not go out", "/posts?show=failed", details)
    if counts.late:
        be = "is" if counts.late == 1 else "are"
        details = [Detail(_target(post), f"/posts/{post.post_id}") for post in late]
        yield Trouble(f"{_posts(counts.late)} {be} late", "/posts?show=late", details)


def unserved(queues: Sequence[QueueOut]) -> list[QueueOut]:
    """Return the queues whose jobs do not run as they should."""
    return [queue for queue in queues if wording.of_queue(queue).sign in {"down", "held"}]


def of_queues(queues: Sequence[QueueOut]) -> Iterator[Trouble]:
    """Say what is the matter with queues that are not served."""
    for queue in queues:
        words = wording.of_queue(queue).text
        text = f"Queue {queue.name}: {words[0].lower()}{words[1:]}"
        yield Trouble(text, f"/queues/{quote(queue.name, safe='')}")


def of_alerts(alerts: Sequence[Alert], named: Sequence[str]) -> Iterator[Trouble]:
    """Say which alerts are open, but those of queues that are named already."""
    found = [each for each in alerts if not _says_the_same(each, named)]
    for alert in found[:MOST_ALERTS]:
        yield Trouble(alert.text, "/alerts")
    if (more := len(found) - MOST_ALERTS) > 0:
        yield Trouble(f"{wording.count(more, 'more alert')} open", "/alerts")


def _says_the_same(alert: Alert, named: Sequence[str]) -> bool:
    if (alert.rule, alert.subject) == ("health", "workers"):
        return bool(named)
    return alert.rule in OF_WORKERS and alert.subject in named


def of_deaths(deaths: Sequence[Deaths]) -> Iterator[Trouble]:
    """Say which jobs died in the last day."""
    if deaths:
        total = sum(each.number for each in deaths)
        details = [
            Detail(f"{number(each.number)} of {each.name}", "/dead") for each in deaths[:MOST_NAMED]
        ]
        yield Trouble(f"{wording.count(total, 'job')} died in the last day", "/dead", details)


def of_missed(missed: Sequence[Missed]) -> Iterator[Trouble]:
    """Say which schedules did not fire."""
    for each in missed[:MOST_NAMED]:
        times = wording.count(each.number, "time")
        yield Trouble(f"Schedule {each.name} did not fire {times} in the last day", "/schedules")


def _posts(found: int) -> str:
    more = "+" if found >= MOST_COUNTED else ""
    return f"{number(found)}{more} post{'s' if found != 1 else ''}"


def _target(post: Glance) -> str:
    return f"“{first_words(post.text)}” to {post.account} on {post.platform}"


def _failure(post: Glance) -> str:
    why = f": {first_words(post.error)}" if post.error else ""
    return f"{_target(post)}, {post.state}{why}"


def first_words(text: str, most: int = 60) -> str:
    """Return the beginning of a text in one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"
