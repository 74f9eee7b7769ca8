"""What the rules of alerts need to remember: since when conditions hold, how counters grow."""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from service.monitoring.alert_rules import KINDS, WINDOW, Finding, Kind, Seen, Unknown
from service.monitoring.measures import QueueMeasures


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        due: conditions that have held for long enough, by rule and subject.
        known: rules whose conditions could be seen.
    """

    due: Mapping[tuple[str, str], Finding]
    known: Collection[str]


class Conditions:
    """Remembers since when each condition holds.

    Args:
        kinds: the alerts that are wanted, as this installation has them.
    """

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = kinds
        self._rules = {kind.name: rule for kind, rule in KINDS.items()}
        self._since: dict[tuple[str, str], float] = {}

    def look(self, seen: Seen, moment: float) -> Look:
        """Return what holds by now, at a monotonic time in seconds."""
        holding: dict[tuple[str, str], tuple[Kind, Finding]] = {}
        known = set()
        for kind in self._kinds:
            try:
                found = list(self._rules[kind.name](seen))
            except Unknown:
                continue
            known.add(kind.name)
            holding |= {(kind.name, f.subject): (kind, f) for f in found if f.value > kind.above}
        self._since = {
            key: since
            for key, since in self._since.items()
            if key in holding or key[0] not in known
        }
        due = {}
        for key, (kind, finding) in holding.items():
            if moment - self._since.setdefault(key, moment) >= kind.seconds:
                due[key] = finding
        return Look(due, known)


class Window:
    """Counters over the last `seconds`: how much each has grown; one that fell began anew."""

    def __init__(self, seconds: float = WINDOW) -> None:
        self._seconds = seconds
        self._last: Mapping[tuple[str, str], int] | None = None
        self._grown: deque[tuple[float, dict[tuple[str, str], int]]] = deque()

    def add(self, moment: float, queues: Sequence[QueueMeasures]) -> None:
        """Take in what the counters say at a monotonic time in seconds."""
        counts = {(q.name, outcome): n for q in queues for outcome, n in q.outcomes.items()}
        if self._last is not None:
            before = self._last
            grown = {key: n - before.get(key, 0) for key, n in counts.items()}
            changed = {key: by if by > 0 else counts[key] for key, by in grown.items() if by}
            self._grown.append((moment, changed))
        self._last = counts
        while self._grown and self._grown[0][0] <= moment - self._seconds:
            self._grown.popleft()

    def increases(self) -> dict[str, dict[str, int]]:
        """Return by queue and outcome how much was added."""
        found: dict[str, dict[str, int]] = {}
        for _, changed in self._grown:
            for (queue, outcome), by in changed.items():
                counts = found.setdefault(queue, {})
                counts[outcome] = counts.get(outcome, 0) + by
        return found
