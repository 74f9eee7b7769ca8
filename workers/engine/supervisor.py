"""Runs worker processes: restarts them, follows the backlog, releases what the dead ones held."""

import asyncio
import logging
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from service.kit.children import INCARNATION, bury, describe, end_session, exited
from workers.engine.scaling import Scaling

RECYCLED = 75
"""Exit code of a process that ends on purpose and wants a successor at once (EX_TEMPFAIL)."""
STOPPING = (signal.SIGTERM, signal.SIGINT)

Start = Callable[[Mapping[str, str]], "subprocess.Popen[bytes]"]
"""Starts a process by `service.kit.children.start`, with these variables in its environment."""
Probe = Callable[[], Awaitable[int]]
"""Returns how many jobs are due and claimed by nobody."""
Release = Callable[[str], Awaitable[object]]
"""Releases the leases of an incarnation."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a supervisor acts, in seconds."""

    probe: float = 0.5
    """Between two looks at the backlog."""
    grow: float = 1.0
    """For which ready jobs wait until a process is added."""
    shrink: float = 60.0
    """For which none waited until a process is ended."""
    young: float = 10.0
    """Age below which a death is a failure to start."""
    pauses: tuple[float, ...] = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0)
    """Before the next start, by the number of young deaths in a row; the last for any more."""
    kill: float = 10.0
    """Between being told to let go of running jobs and SIGKILL."""


@dataclass(eq=False, slots=True)
class _Place:
    """A place for one process at a time."""

    process: "subprocess.Popen[bytes] | None" = None
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when its process shall end and have no successor."""

    def tell(self) -> None:
        """Send SIGTERM. Told once a worker lets its jobs end, told twice it lets go of them."""
        self.told.set()
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        if self.process is not None:
            # Not Popen.send_signal, which may reap it: its session could not be found any more.
            with suppress(ProcessLookupError):
                os.kill(self.process.pid, number)


class Supervisor:
    """Keeps `minimum` to `maximum` processes running until it is told to stop.

    A process that ends is followed by another, but not after exit code 0: somebody told it to stop,
    or its burst is over. Before that its session is killed and waited for, and its incarnation
    released. It knows of a death by waiting for that process, by nothing else.

    Args:
        start: starts a process.
        minimum: processes that always run.
        maximum: processes that run while jobs wait; by default no more.
        probe: how many jobs wait; needed when maximum is greater.
        release: called with the incarnation of each process that has ended.
        pace: how fast.

    Raises:
        ValueError: minimum is below 1, maximum below minimum, or there is no probe for a range.
    """

    def __init__(  # noqa: PLR0913 - each is one decision of the caller
        self,
        start: Start,
        minimum: int = 1,
        maximum: int | None = None,
        *,
        probe: Probe | None = None,
        release: Release,
        pace: Pace = Pace(),
    ) -> None:
        maximum = minimum if maximum is None else maximum
        if not 1 <= minimum <= maximum:
            raise ValueError(f"{minimum}..{maximum} processes: needed is 1 <= minimum <= maximum")
        if probe is None and minimum < maximum:
            raise ValueError(f"{minimum}..{maximum} processes need a probe of the backlog")
        self._start = start
        self._probe = probe
        self._release = release
        self._pace = pace
        self._scaling = Scaling(minimum, maximum, pace.grow, pace.shrink)
        self._places: list[_Place] = []
        self._over = asyncio.Event()
        self._stops = 0

    @property
    def pids(self) -> list[int]:
        """The processes that run now, oldest place first."""
        return [place.process.pid for place in self._places if place.process is not None]

    async def run(self) -> None:
        """Run until all processes have ended for good; SIGTERM and SIGINT call `stop`.

        When this task is cancelled or fails, the processes are killed.
        """
        loop = asyncio.get_running_loop()
        for number in STOPPING:
            loop.add_signal_handler(number, self.stop)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self._scaling.minimum):
                    self._add(group)
                following = group.create_task(self._follow(group))
                await self._over.wait()
                following.cancel()
        finally:
            for number in STOPPING:
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Tell all processes to end; once more: to let go of their jobs; a third time: kill them.

        Whoever has not ended some seconds after the second time is killed as well.
        """
        self._stops += 1
        for place in self._places:
            # One that was told when the backlog went down is not told twice.
            if self._stops > 1 or not place.told.is_set():
                place.tell()
        if self._stops == 2:
            asyncio.get_running_loop().call_later(self._pace.kill, self._kill)
        elif self._stops > 2:
            self._kill()

    def _kill(self) -> None:
        for place in self._places:
            place.kill()

    def _add(self, group: asyncio.TaskGroup) -> None:
        place = _Place()
        self._places.append(place)
        group.create_task(self._occupy(place))

    async def _occupy(self, place: _Place) -> None:
        """Let one process after the other run, until told to end."""
        young = 0
        try:
            while not place.told.is_set():
                born = time.monotonic()
                code = await self._live(place)
                if place.told.is_set() or code == 0:
                    return
                early = time.monotonic() - born < self._pace.young and code != RECYCLED
                young = young + 1 if early else 0
                pauses = self._pace.pauses
                level = logging.INFO if code == RECYCLED else logging.WARNING
                log.log(level, "worker ended by %s; starting another", describe(code))
                await _unless(place.told, pauses[min(young, len(pauses) - 1)])
        finally:
            self._places.remove(place)
            if not self._places:
                self._over.set()

    async def _live(self, place: _Place) -> int:
        """Start a process, wait for its end, clean up after it, and return its code."""
        incarnation = secrets.token_hex(8)
        try:
            process = place.process = self._start({INCARNATION: incarnation})
        except OSError as error:  # no memory, too many processes: the others go on
            log.error("a worker cannot be started: %s", error)  # noqa: TRY400 - it says all
            return os.EX_OSERR
        try:
            await exited(process)
        except asyncio.CancelledError:
            await end_session(process)
            raise
        finally:
            place.process = None
        await bury(process, lambda: self._release(incarnation))
        return process.wait()

    async def _follow(self, group: asyncio.TaskGroup) -> None:
        """Follow the backlog."""
        if self._probe is None:
            return
        while True:
            await asyncio.sleep(self._pace.probe)
            try:
                ready = await self._probe()
            except Exception as error:  # noqa: BLE001 - whatever the probe meets, its processes go on
                log.warning("the backlog cannot be read: %r", error)
                continue
            if not self._stops:
                self._follow_to(ready, group)

    def _follow_to(self, ready: int, group: asyncio.TaskGroup) -> None:
        staying = [place for place in self._places if not place.told.is_set()]
        change = self._scaling.decide(time.monotonic(), ready, len(staying))
        if change > 0:
            log.info("%d jobs wait: starting another worker", ready)
            self._add(group)
        elif change < 0:
            log.info("no job waits: ending a worker")
            staying[-1].tell()


async def _unless(event: asyncio.Event, seconds: float) -> None:
    """Sleep, but not beyond the event."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
