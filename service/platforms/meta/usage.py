"""How much of its limits an account has used, as the headers of Meta's answers tell.

https://developers.facebook.com/docs/graph-api/overview/rate-limiting
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from service.kit.clock import now
from service.kit.outbound import Answer
from service.platforms.http import LONGEST_WAIT


class _Usage(msgspec.Struct):
    call_count: float = 0
    total_cputime: float = 0
    total_time: float = 0
    estimated_time_to_regain_access: float = 0
    """Minutes."""

    @property
    def used_up(self) -> bool:
        return max(self.call_count, self.total_cputime, self.total_time) >= 100


UNTOLD = timedelta(minutes=5)
"""How long to wait when a limit is used up and nobody says for how long."""


def used_up_until(answer: Answer) -> datetime | None:
    """Return until when the account's limit is used up; None: it is not, or nobody says.

    X-Business-Use-Case-Usage holds percentages of each limit and, once one has reached 100, the
    minutes until calls are taken again:
    https://developers.facebook.com/docs/graph-api/overview/rate-limiting
    """
    waits = [
        timedelta(minutes=usage.estimated_time_to_regain_access) or UNTOLD
        for usage in _usages(answer)
        if usage.used_up
    ]
    return now() + min(max(waits), LONGEST_WAIT) if waits else None


def _usages(answer: Answer) -> Iterator[_Usage]:
    header = answer.headers.get("x-business-use-case-usage", "{}")
    try:
        found = msgspec.json.decode(header, type=dict[str, list[_Usage]])
    except msgspec.DecodeError:
        return
    for usages in found.values():
        yield from usages
