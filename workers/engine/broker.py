"""What a worker asks of Redis for one queue, through every loss of the connection."""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from redis.asyncio import ConnectionPool
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from service.queue.entries import AGEING_MS
from service.queue.events import EVENTS_KEPT
from service.queue.link import Link, Script
from service.queue.scripting import whole
from workers.engine import failpoints
from workers.engine.clock import ServerClock
from workers.engine.ending import Ending
from workers.engine.identity import process_name

_SCRIPTS = Path(__file__).with_name("scripts")
CLAIM = Script.of(whole((_SCRIPTS / "claim.lua").read_text()))
FINISH = Script.of(whole((_SCRIPTS / "finish.lua").read_text()))
RENEW = Script.of((_SCRIPTS / "renew.lua").read_text())
_TEND = Script.of((_SCRIPTS / "tend.lua").read_text())
_STARTED = Script.of((_SCRIPTS / "started.lua").read_text())
_UNMARK = Script.of((_SCRIPTS / "unmark.lua").read_text())
LARGEST_BATCH = 100
"""Jobs of one script call: a script blocks the server, about 1.5 ms for this many."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_REASSERT_PAUSE = 1.0
"""Seconds in which every worker takes its leases up again before any claims; see rule 3."""

log = logging.getLogger(__name__)


class Leased(NamedTuple):
    """A job as the claim returns it."""

    job_id: str
    score: float
    payload: bytes | None
    tries: int
    """Runs with an outcome before this one."""
    mark: str
    """When its cancellation was asked for, in ms; `0` by an abort under way, empty for not."""
    crashes: int
    kind: str
    token: str


class Claimed(NamedTuple):
    """A claim's reply."""

    status: str
    jobs: list[Leased]
    due_ms: float | None
    held: int
    """Jobs passed over because they must run alone."""
    more: bool
    """Whether there are others that it did not look at."""


class Held(NamedTuple):
    """A lease to renew, or to write an outcome to."""

    job_id: str
    token: str
    sha: str


class Broker:
    """Claims, finishes and leases of one queue, over one connection that also wakes the worker.

    Args:
        pool: whose settings the connection has.
        queue: key of the queue.
        incarnation: signs the claims.
        lease: seconds.
        most_crashes: after which a job is dead.
        heard: called when a key of the queue was written by somebody else.
        leases: what is held now; taken up again after an outage.
    """

    def __init__(  # noqa: PLR0913 - what one connection of one worker needs to know
        self,
        pool: ConnectionPool,
        *,
        queue: str,
        incarnation: str,
        lease: float,
        most_crashes: int,
        heard: Callable[[frozenset[str]], None],
        leases: Callable[[], Sequence[Held]],
    ) -> None:
        self._pool = pool
        self._queue = queue
        self._incarnation = incarnation
        self._lease = lease
        self._most_crashes = most_crashes
        self._heard = heard
        self._leases = leases
        self._claim_numbers = itertools.count(1)
        self._finish_numbers = itertools.count(1)
        self._pass_over = 0
        self._name = process_name()
        self._link: Link | None = None
        self._connecting = asyncio.Lock()
        self._run_id = b""
        self._last_contact = time.monotonic()
        self._no_claim_before = 0.0
        self.clock = ServerClock()
        self.tracking = True
        """Whether the server tells of writes; else the worker must poll."""
        self.round_trips = 0
        """Calls that were answered."""

    @property
    def connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._link is not None and not self._link.lost.done()

    async def claim(self, wanted: int, *, alone: bool) -> Claimed:
        """Lease at most `wanted` due jobs (at most `LARGEST_BATCH`).

        Args:
            wanted: as many as can be started.
            alone: whether nothing else runs in this process; only then a job is returned that has
                crashed before, and no other with it.
        """
        if not self.connected:
            await self.connect()
        if (wait := self._no_claim_before - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        number = next(self._claim_numbers)
        begun = time.monotonic()

        def arguments() -> list[Any]:
            return [
                "",
                self._incarnation,
                number,
                min(wanted, LARGEST_BATCH),
                int(self._lease * 1000),
                self.clock.expected_ms,
                self._pass_over,
                int(alone),
                self._most_crashes,
                self._name,
            ]

        status, now_us, due, held, self._pass_over, *jobs = await self._ask(CLAIM, arguments)
        failpoints.reach("after-claim")
        status = status.decode()
        if status == "jump":
            log.warning("the clock of Redis was set; leases are made sure of before the next claim")
            self.clock.forget()
            await self._take_up()
        self.clock.hear(int(now_us))
        token = f"{self._incarnation}:{number}"
        leased = [_leased(token, *jobs[i : i + 4]) for i in range(0, len(jobs), 4)]
        if leased and time.monotonic() - begun > self._lease:
            log.warning("a claim was answered after its lease had ended; nothing of it is started")
            leased = []
        more = self._pass_over > 0 or any(job.kind == "alone" for job in leased)
        return Claimed(status, leased, float(due) if due else None, held, more)

    async def finish(self, endings: Sequence[tuple[Held, float, Ending]]) -> list[int]:
        """Write outcomes of at most `LARGEST_BATCH` jobs, each with its score before the claim.

        Returns finish.lua's code for each.
        """
        number, keep_ms = next(self._finish_numbers), endings[0][2].keep_ms
        arguments: list[Any] = [
            "", self._incarnation, number, EVENTS_KEPT, AGEING_MS, keep_ms, self._name,
        ]  # fmt: skip
        for held, score, end in endings:
            if end.plain and end.keep_ms == keep_ms and not held.sha:
                arguments += (
                    held.job_id,
                    held.token,
                    "plain" if end.event else "quiet",
                    end.result,
                )
            else:
                arguments += _in_full(held, score, end)
        failpoints.reach("before-finish")
        asked = self._ask(FINISH, lambda: arguments)
        if failpoints.ARMED == "after-finish-sent":
            sent = asyncio.ensure_future(asked)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            failpoints.reach("after-finish-sent")
            asked = sent  # type: ignore[assignment] # awaited alike
        codes: list[int] = await asked
        return codes

    async def renew(self, leases: Sequence[Held]) -> list[int]:
        """Renew leases; returns renew.lua's code for each."""
        return await renew(self._call_script, self._queue, self._incarnation, self._lease, leases)

    async def started(self, job_id: str, token: str) -> None:
        """Write that a job claimed alone begins to run, so that a crash from now on is its own."""
        claims = f"{self._queue}:claims"
        await self._through(lambda link: link.script(_STARTED, [claims], [job_id, token]))

    async def unmark(self, job_id: str, mark: str) -> None:
        """Remove this abort mark, unless there is another by now."""
        await self._through(lambda link: link.script(_UNMARK, ["arq:abort"], [job_id, mark]))

    async def tend(self, offset: int) -> int:
        """Look after what stock clients leave behind; returns where to go on, 0 at the end."""
        reply: int = await self._ask(_TEND, lambda: ["", offset])
        return reply

    async def marked(self, job_ids: Sequence[str]) -> list[str]:
        """Return which of these jobs are to be cancelled; listens for further marks."""
        marks = await self.call("ZMSCORE", "arq:abort", *job_ids)
        return [job_id for job_id, mark in zip(job_ids, marks, strict=True) if mark is not None]

    async def run_script(
        self, text: str, keys: Sequence[str], arguments: Sequence[str | bytes]
    ) -> Any:
        """Run any script that may be repeated."""
        script = Script.of(text)
        return await self._through(lambda link: link.script(script, keys, arguments))

    async def call(self, *command: str | bytes | int) -> Any:
        """Run any command that may be repeated."""
        return await self._through(lambda link: link.call(*command))

    async def _call_script(self, script: Script, keys: Sequence[str], arguments: list[Any]) -> Any:
        return await self._through(lambda link: link.script(script, keys, arguments))

    async def _ask(self, script: Script, arguments: Callable[[], list[Any]]) -> Any:
        return await self._through(lambda link: link.script(script, [self._queue], arguments()))

    async def _through(self, ask: Callable[[Link], Awaitable[Any]]) -> Any:
        """Ask until there is an answer; what is asked must be the same when repeated."""
        while True:
            link = self._link if self.connected else await self.connect()
            assert link is not None
            try:
                answer = await ask(link)
            except RedisConnectionError as error:
                if isinstance(error, AuthenticationError):
                    raise
                continue
            except ResponseError as error:
                if not _passes(error):
                    raise
                log.warning("Redis refuses for now: %s", error)
                await asyncio.sleep(_LONGEST_PAUSE)
                if str(error).startswith("READONLY"):  # a failover: the master is another now
                    link.close()
                continue
            self._last_contact = time.monotonic()
            self.round_trips += 1
            return answer

    async def connect(self) -> Link:
        """Connect, as often as it takes.

        Raises AuthenticationError and what else says that it never will.
        """
        async with self._connecting:
            pause, warned = _FIRST_PAUSE, False
            while not self.connected:
                try:
                    self._link = await self._open()
                except AuthenticationError:
                    raise
                except (RedisError, OSError) as error:
                    if pause == _LONGEST_PAUSE and not warned:
                        log.warning("no connection to Redis, trying on: %s", error)
                        warned = True
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    await asyncio.sleep(pause)
            assert self._link is not None
            return self._link

    async def _open(self) -> Link:
        link = await Link.open(self._pool, self._heard, patience=self._lease / 2)
        try:
            info = await link.call("INFO", "server")
            await self._track(link)
        except BaseException:  # raised again, without an open connection
            link.close()
            raise
        run_id = info.split(b"run_id:", 1)[1].split(b"\r\n", 1)[0]
        known, self._run_id = self._run_id, run_id
        away = time.monotonic() - self._last_contact
        if known and (known != run_id or away > self._lease / 2):
            self._link = link
            self.clock.forget()
            await self._take_up()
        self._last_contact = time.monotonic()
        self._heard(frozenset())
        return link

    async def _track(self, link: Link) -> None:
        try:
            await link.call("CLIENT", "TRACKING", "ON", "NOLOOP")
            self.tracking = True
        except ResponseError as error:
            if self.tracking:
                log.warning("no wake-ups by this server, polling instead: %s", error)
            self.tracking = False

    async def _take_up(self) -> None:
        """Make sure of every lease, then give the other workers time to do the same (rule 3)."""
        leases = self._leases()
        link = self._link
        assert link is not None

        async def once(script: Script, keys: Sequence[str], arguments: list[Any]) -> Any:
            return await link.script(script, keys, arguments)

        with contextlib.suppress(RedisConnectionError):  # whoever waits connects again
            await renew(once, self._queue, self._incarnation, self._lease, leases)
        self._no_claim_before = time.monotonic() + _REASSERT_PAUSE

    def close(self) -> None:
        """Disconnect."""
        if self._link is not None:
            self._link.close()


def _leased(token: str, job_id: bytes, score: bytes, payload: bytes | None, rare: bytes) -> Leased:
    if not rare:
        return Leased(job_id.decode(), float(score), payload, 0, "", 0, "", token)
    tries, mark, crashes, kind = rare.decode().split("|")
    return Leased(
        job_id.decode(), float(score), payload, int(tries), mark, int(crashes), kind, token
    )


def _in_full(held: Held, score: float, end: Ending) -> tuple[str | float | bytes, ...]:
    """Return what finish.lua takes of a job that did not just succeed."""
    return (
        held.job_id,
        held.token,
        end.outcome.value,
        end.at_ms,
        end.tries,
        score,
        held.sha,
        end.result,
        end.keep_ms if end.result else 0,
        end.failure,
        end.event,
        end.linger_ms,
    )


RunScript = Callable[[Script, Sequence[str], list[Any]], Awaitable[Any]]


async def renew(
    run: RunScript, queue: str, incarnation: str, lease: float, leases: Sequence[Held]
) -> list[int]:
    """Renew leases in calls of bounded size; returns renew.lua's code for each."""
    codes: list[int] = []
    for start in range(0, len(leases), LARGEST_BATCH):
        arguments: list[Any] = ["", incarnation, int(lease * 1000)]
        for held in leases[start : start + LARGEST_BATCH]:
            arguments += held
        codes += await run(RENEW, [queue], arguments)
    return codes


def _passes(error: ResponseError) -> bool:
    """Whether a refusal may be over soon: memory is full, loading, a busy script, a replica."""
    return str(error).startswith(("OOM", "LOADING", "BUSY", "MASTERDOWN", "READONLY", "TRYAGAIN"))
