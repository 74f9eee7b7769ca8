"""What the scripts promise, in Python: one queue, its jobs and who holds them."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.engine_model.server import QUEUE

LEASE = 100_000
AFTER = 3
"""Milliseconds after the lease's end at which the job is visible again."""
BEHIND = 300_000
EARLY = 2
DAY = 86_400_000
GONE = ANSWER = 60_000
MOST_CRASHES = 3
ENDS = ("succeeded", "failed", "cancelled", "dead")
AGAIN = ("retried", "snoozed", "released")


@dataclass
class Job:
    """One incarnation of an id, from the moment it is queued until it ends.

    Attributes:
        due: it must not start before, in ms.
        expires: when its payload does; None: never.
        aborting: arq's abort has written score 1, so it must never start.
        tries_until: when arq forgets the tries that it counted; None: never.
    """

    generation: int
    payload: bytes | None
    score: int
    due: int
    lane: str = "normal"
    index: int = 0
    expires: int | None = None
    tries: int = 0
    tries_until: int | None = None
    crashes: int = 0
    claim: str | None = None
    aborting: bool = False

    def visible_at(self) -> int:
        """Return when a claim may see it, through its lane or the queue."""
        if self.score == 1 or self.lane == "normal":
            return self.score
        return min(self.score, self.index)

    def show_at(self, moment: int, *, behind: bool = False) -> None:
        """Set when it is visible; `behind`: a low job waits for the others."""
        self.score = moment + (BEHIND if behind and self.lane == "low" else 0)
        self.index = moment

    def crashes_after_claim(self) -> int:
        """Return the crashes that a claim counts: claims without outcome, unless never begun."""
        lost = self.claim is not None and not self.claim.endswith(":alone")
        return self.crashes + lost

    def kind_of_claim(self) -> str:
        """Return how the next claim takes it."""
        crashes = self.crashes_after_claim()
        if crashes >= MOST_CRASHES and (self.claim or "").endswith(":started"):
            return "crashed"
        return "alone" if crashes >= MOST_CRASHES - 1 else ""

    def owned_by(self, token: str) -> bool:
        """Return whether its last claim was this one."""
        return self.claim in (token, f"{token}:alone", f"{token}:started")


@dataclass
class Run:
    """A job as a worker holds it, or believes to."""

    incarnation: str
    job_id: str
    token: str
    score: int
    generation: int
    sha: str
    kind: str
    to_cancel: bool
    payload: bytes | None
    tries: int


@dataclass
class End:
    """An outcome that a worker asks to be written."""

    run: Run
    outcome: str
    at: int
    tries: int
    sha: str
    keep: int
    linger: int | None

    @property
    def plain(self) -> bool:
        """Whether the short form says it all."""
        first = self.outcome == "succeeded" and self.tries == 1
        return first and not self.sha and self.linger is None


@dataclass
class Model:
    """The queue.

    Attributes:
        left: jobs that a stock worker has ended, for what it leaves: claim, crashes, lane.
    """

    now: int
    jobs: dict[str, Job] = field(default_factory=dict)
    holders: dict[str, tuple[str, int]] = field(default_factory=dict)
    left: dict[str, Job] = field(default_factory=dict)
    dead: dict[str, bytes] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    results: dict[str, int | None] = field(default_factory=dict)
    marks: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    gone: dict[str, int] = field(default_factory=dict)
    paused: bool = False

    def pass_time(self, by: int) -> None:
        """Let time pass, or set the clock back; what has an end by this clock ends by it."""
        self.now += by
        now = self.now
        self.holders = {i: held for i, held in self.holders.items() if held[1] > now}
        self.results = {i: at for i, at in self.results.items() if at is None or at > now}
        self.gone = {base: at for base, at in self.gone.items() if at > now}
        for job in self.jobs.values():
            if job.expires is not None and job.expires <= now:
                job.payload = job.expires = None
            if job.tries_until is not None and job.tries_until <= now:
                job.tries, job.tries_until = 0, None

    def is_gone(self, incarnation: str) -> bool:
        """Return whether a supervisor has reaped it."""
        return incarnation.partition(".")[0] in self.gone

    def claimable(self) -> Iterator[str]:
        """Yield the ids that are due and not held."""
        for job_id, job in self.jobs.items():
            if job_id not in self.holders and job.visible_at() <= self.now + EARLY:
                yield job_id

    def soonest(self) -> int | None:
        """Return when the next job is due; what is held counts with the end of its lease."""
        times = [job.score for job in self.jobs.values()]
        noted = (*self.jobs.values(), *self.left.values())
        times += [job.index for job in noted if job.lane == "low"]
        return min((at for at in times if at > self.now + EARLY), default=None)

    def claim(self, job_id: str, token: str) -> str:
        """Lease a job; return how."""
        job = self.jobs[job_id]
        kind = job.kind_of_claim()
        self.note_crash(job)
        job.claim = f"{token}:alone" if kind == "alone" else token
        if job.score == 1:
            self.marks.setdefault(job_id, self.now)
        job.due = 0  # it has been due once, whatever the clock says later
        job.show_at(self.now + LEASE + AFTER)
        self.holders[job_id] = (token, self.now + LEASE)
        return kind

    def note_crash(self, job: Job) -> None:
        """Count the claim without outcome that another one has found."""
        if job.crashes_after_claim() > job.crashes:
            job.crashes += 1
            self.counts["crashed"] += 1

    def forget(self, job_id: str) -> None:
        """Let a job leave the queue."""
        del self.jobs[job_id]
        self.holders.pop(job_id, None)
        self.marks.pop(job_id, None)

    def leave_behind(self, job_id: str) -> None:
        """Let a job leave the queue as a stock worker does: it knows nothing of our notes."""
        job = self.left[job_id] = self.jobs[job_id]
        self.forget(job_id)
        job.payload, job.expires, job.tries, job.tries_until = None, None, 0, None

    def is_in_a_lane(self, job_id: str) -> bool:
        """Return whether its lane has the id still, which a stock worker has ended."""
        return job_id in self.left and self.left[job_id].lane != "normal"

    def holds(self, run: Run, sha: str) -> int:
        """Return 1 if the job is this run's, 0 if not, 4 if it was and nobody has taken it."""
        if run.job_id in self.holders:
            return int(self.holders[run.job_id][0] == run.token)
        job = self.jobs.get(run.job_id)
        if job is None or not job.owned_by(run.token):
            return 0
        if not sha:
            return 4
        return int(job.payload is not None and sha_of(job.payload) == sha)

    def renew(self, run: Run) -> int:
        """Renew a lease; return renew.lua's code."""
        if self.is_gone(run.incarnation) or self.holds(run, run.sha) != 1:
            return 0
        job = self.jobs[run.job_id]
        job.show_at(self.now + LEASE + AFTER)
        job.aborting = job.aborting and run.job_id in self.marks
        self.holders[run.job_id] = (run.token, self.now + LEASE)
        return 2 if run.job_id in self.marks else 1

    def finish(self, ends: Sequence[End]) -> list[int]:
        """Write outcomes; return finish.lua's codes."""
        if any(self.is_gone(end.run.incarnation) for end in ends):
            return [0] * len(ends)
        return [self._finish_one(end) for end in ends]

    def _finish_one(self, end: End) -> int:
        code = self.holds(end.run, end.sha)
        if code == 1:
            job = self.jobs[end.run.job_id]
            assert job.generation == end.run.generation, "M1: another incarnation was ended"
            code = self._end(end, job) if end.outcome in ENDS else self._again(end, job)
        if code == 1:
            self.counts[end.outcome] += 1
        elif code == 0:
            self.counts["stale"] += 1
        return code

    def _end(self, end: End, job: Job) -> int:
        job_id = end.run.job_id
        if end.outcome == "dead":
            self.dead[job_id] = job.payload or b""
            self.attempts[job_id] += 1
        elif end.tries != 1:
            self.attempts.pop(job_id, None)
        self.forget(job_id)
        if end.keep:
            self.results[job_id] = None if end.keep < 0 else self.now + end.keep
        if end.linger is not None:
            self.holders[job_id] = ("1", self.now + end.linger)
        return 1

    def _again(self, end: End, job: Job) -> int:
        job_id = end.run.job_id
        if job_id in self.marks or job.score == 1:
            return 2
        if job.payload is None:
            return 3
        if job.expires is not None:
            if abs(job.expires - end.run.score - DAY) < 60_000:
                job.expires = None
            elif end.at > job.expires:
                return 3
        self.holders.pop(job_id, None)
        job.claim, job.due, job.aborting = None, end.at, False
        job.show_at(end.at, behind=True)
        if end.outcome == "retried":
            job.tries, job.tries_until = end.tries, None
            self.attempts[job_id] += 1
        return 1

    def release(self, base: str, ids: Sequence[str]) -> int:
        """Take from a dead process what it holds; return how many."""
        self.gone[base] = self.now + GONE
        released = 0
        for job_id in ids:
            if self.holders.get(job_id, ("", 0))[0].startswith(f"{base}."):
                del self.holders[job_id]
                job = self.jobs[job_id]
                job.score, job.index = 1 if job.score == 1 else self.now, self.now
                released += 1
        return released

    def view(self) -> dict[str, Any]:
        """Return what the database must hold, without what nothing depends on."""
        jobs, noted = self.jobs, self.left | self.jobs
        view: dict[str, Any] = {
            QUEUE: {i: job.score for i, job in jobs.items()},
            f"{QUEUE}:high": {i: job.index for i, job in noted.items() if job.lane == "high"},
            f"{QUEUE}:low": {i: job.index for i, job in noted.items() if job.lane == "low"},
            f"{QUEUE}:claims": {i: job.claim for i, job in noted.items() if job.claim},
            f"{QUEUE}:crashes": {i: str(job.crashes) for i, job in noted.items() if job.crashes},
            f"{QUEUE}:dead": set(self.dead),
            f"{QUEUE}:dead:jobs": {i: payload.decode() for i, payload in self.dead.items()},
            f"{QUEUE}:counts": {name: str(count) for name, count in self.counts.items()},
            "arq:abort": dict(self.marks),
        }
        for job_id, job in jobs.items():
            if job.payload is not None:
                view[f"arq:job:{job_id}"] = job.payload
            if job.tries:
                view[f"arq:retry:{job_id}"] = str(job.tries).encode()
        view.update((f"arq:in-progress:{i}", held[0].encode()) for i, held in self.holders.items())
        view.update((f"{QUEUE}:attempts:{i}", count) for i, count in self.attempts.items())
        view.update((f"arq:result:{i}", b"result") for i in self.results)
        if self.paused:
            view[f"{QUEUE}:paused"] = b"1"
        return {name: value for name, value in view.items() if value}


def sha_of(payload: bytes) -> str:
    """Return the digest by which a script knows a payload."""
    return hashlib.sha1(payload, usedforsecurity=False).hexdigest()


def differences(found: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """Return what is only in one of them, or other in each."""
    names = sorted({*found, *expected})
    pairs = {name: (found.get(name), expected.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def job_id_of(run: Run) -> str:
    """Sort by it."""
    return run.job_id


def jobs_in(flat: Sequence[Any]) -> list[Sequence[Any]]:
    """Return the jobs of a claim's flat reply: id, score, payload, tries, mark, crashes, kind."""
    jobs = (flat[at : at + 4] for at in range(0, len(flat), 4))
    return [(*job, *(rare or b"0||0|").split(b"|")) for *job, rare in jobs]
