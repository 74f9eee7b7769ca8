"""What a queue's numbers mean, in words: the worst first."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from service.dashboard.formats import duration, number
from service.monitoring.queue_schemas import QueueOut
from service.queue.consuming import PATIENCE

Sign = Literal["down", "held", "paused", "running", "ok", "idle"]


WORST: Sequence[Sign] = ("down", "held", "paused")


class Words(NamedTuple):
    """A sentence and the sign beside it."""

    sign: Sign
    """A class of `.state`."""
    text: str


def of_queue(queue: QueueOut) -> Words:
    """Say how a queue is."""
    waiting = queue.ready + queue.deferred
    if queue.paused:
        return Words("held", f"Paused, {jobs(waiting)}") if waiting else Words("paused", "Paused")
    if not queue.workers:
        if waiting:
            return Words("down", f"Nobody listens, {jobs(waiting)}")
        return Words("idle", "Nobody listens; nothing waits")
    if queue.ready and queue.oldest_age > PATIENCE:
        return Words("down", f"Behind: a job has been due for {duration(queue.oldest_age)}")
    if queue.running or queue.ready:
        return Words("running", "At work")
    return Words("ok", "Idle")


def by_need(queues: Iterable[QueueOut]) -> tuple[list[QueueOut], list[QueueOut]]:
    """Return the queues in use, those that need a person first, and those nobody uses."""
    used: list[tuple[int, QueueOut]] = []
    unused = []
    for queue in queues:
        sign = of_queue(queue).sign
        if sign == "idle" and not (queue.dead or queue.rate):
            unused.append(queue)
        else:
            used.append((WORST.index(sign) if sign in WORST else len(WORST), queue))
    used.sort(key=lambda each: each[0])
    return [queue for _, queue in used], unused


def jobs(count: int) -> str:
    """Say how many jobs wait."""
    return "1 job waits" if count == 1 else f"{number(count)} jobs wait"


def count(number_of: int, one: str, many: str = "") -> str:
    """Say how many there are: `1 job`, `1,200 jobs`."""
    return f"1 {one}" if number_of == 1 else f"{number(number_of)} {many or one + 's'}"
