"""What clients, operators, arq itself and time do to one queue, in any order."""

import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tests.engine_model.model import (
    BEHIND,
    DAY,
    Job,
    Model,
    Run,
)
from tests.engine_model.server import QUEUE, Server

START = 1_700_000_000_000
IDS = st.sampled_from("abcd")
SOME_IDS = st.lists(IDS, min_size=1, max_size=3, unique=True)
LANES = st.sampled_from(("normal", "high", "low"))
DELAYS = st.sampled_from((0, 0, 0, 1, 2, 3, 10_000, 200_000))
TTLS = st.sampled_from((None, None, None, 45_000, 205_000))
WORKERS = st.integers(0, 2)
PASSING = st.sampled_from((1, 2, 10_000, 30_000, 100_000, 400_000, -30_000, -110_000, 90_000_000))
KEEP = st.sampled_from((0, 600_000, -1))
CLAIMS_TO_DRAIN = 60
AT_ONCE = 5
"""Calls of one worker under way at a time."""


@dataclass
class Worker:
    """One process: what it called last, and what it believes to hold."""

    base: str
    start: int = 1
    claims: int = 0
    last_claim: tuple[list[Any], list[Run], int] | None = None
    """Arguments, what was taken, and when the answer is forgotten."""
    runs: list[Run] = field(default_factory=list)

    @property
    def incarnation(self) -> str:
        return f"{self.base}.{self.start}"


class ClientSide(RuleBasedStateMachine):
    """Every rule calls the real script and the model, and then compares what they hold."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.server = Server(url)
        self.model = Model(START)
        self.workers = [Worker("aa"), Worker("aa", start=2), Worker("bb")]
        self.late: list[Run] = []
        """Of workers that have started anew, or that gave the job back: their calls come late."""
        self.bases = itertools.count()
        self.finishes: Counter[str] = Counter()
        self.last_finishes: dict[str, list[tuple[list[Any], list[int], int]]] = {}
        """Of each incarnation: arguments, answer, and when that is forgotten."""
        self.generations = itertools.count(1)
        self.aborts: list[str] = []
        self.ended: set[int] = set()

    def _new(self, job_id: str, lane: str, delay: int, ttl: int | None) -> Job:
        generation = next(self.generations)
        job = Job(generation, f"{{{generation}}}".encode(), 0, self.model.now + delay, lane)
        job.show_at(job.due, behind=True)
        job.expires = None if ttl is None else self.model.now + ttl
        return job

    def _ask_enqueue(
        self, script: str, jobs: dict[str, Job], lane: str, delay: int, ttl: int | None
    ) -> list[int]:
        items: list[Any] = []
        for job_id, job in jobs.items():
            items += (job_id, job.due if delay else "", job.payload)
        answer: list[int] = self.server.run(
            script, self.model.now, lane, "" if ttl is None else ttl, BEHIND, *items
        )
        return answer

    @rule(ids=SOME_IDS, lane=LANES, delay=DELAYS, ttl=TTLS)
    def enqueue(self, ids: list[str], lane: str, delay: int, ttl: int | None) -> None:
        self._enqueue(ids, lane, delay, ttl)

    def _enqueue(self, ids: list[str], lane: str, delay: int, ttl: int | None) -> None:
        ids = [job_id for job_id in ids if self._may_be_sent(job_id)]
        if not ids:
            return
        model = self.model
        jobs = {job_id: self._new(job_id, lane, delay, ttl) for job_id in ids}
        expected = [int(i not in model.jobs and i not in model.results) for i in ids]
        assert self._ask_enqueue("enqueue", jobs, lane, delay, ttl) == expected
        for (job_id, job), queued in zip(jobs.items(), expected, strict=True):
            if queued:
                model.jobs[job_id] = job
                model.left.pop(job_id, None)
                model.marks.pop(job_id, None)

    def _may_be_sent(self, job_id: str) -> bool:
        model = self.model
        if job_id in model.jobs:
            # Its payload may have expired: it is not known to be queued, and overwritten.
            return model.jobs[job_id].payload is not None
        return job_id not in model.left or not (
            model.is_in_a_lane(job_id) or job_id in model.attempts
        )

    @rule(job_id=IDS, lane=LANES, delay=DELAYS, ttl=TTLS)
    def requeue(self, job_id: str, lane: str, delay: int, ttl: int | None) -> None:
        if not self.model.is_in_a_lane(job_id):
            self._requeue(job_id, lane, delay, ttl)

    def _requeue(self, job_id: str, lane: str, delay: int, ttl: int | None) -> None:
        model = self.model
        old, job = model.jobs.get(job_id), self._new(job_id, lane, delay, ttl)
        answer = self._ask_enqueue("requeue", {job_id: job}, lane, delay, ttl)
        assert answer == [int(old is None)]
        if old is None:
            model.jobs[job_id] = job
            for left in (model.left, model.marks, model.results, model.attempts, model.dead):
                left.pop(job_id, None)
        elif old.payload is None:
            old.payload, old.expires = job.payload, job.expires

    @rule(job_id=IDS, delay=DELAYS)
    def enqueue_by_arq(self, job_id: str, delay: int) -> None:
        model = self.model
        if job_id in model.jobs or job_id in model.results or job_id in model.left:
            return
        job = self._new(job_id, "normal", delay, delay + DAY)
        self.server.send("PSETEX", f"arq:job:{job_id}", delay + DAY, job.payload or b"")
        self.server.send("ZADD", QUEUE, job.due, job_id)
        model.jobs[job_id] = job

    @precondition(lambda self: self.model.jobs)
    @rule(job_id=IDS, lane=LANES)
    def move_lane(self, job_id: str, lane: str) -> None:
        job = self.model.jobs.get(job_id)
        moves = job is not None and job.score != 1 and job_id not in self.model.holders
        answer = self.server.run("move_lane", self.model.now, lane, BEHIND, job_id)
        assert answer == int(moves)
        if job is not None and moves:
            start = job.index if job.lane == "low" else job.score
            job.lane = lane
            job.show_at(start, behind=True)

    @precondition(lambda self: self.model.jobs)
    @rule(job_id=IDS, keep=st.sampled_from((0, 600_000)))
    def cancel(self, job_id: str, keep: int) -> None:
        model = self.model
        if job_id not in model.jobs and job_id in model.holders:
            return
        expected = b"absent"
        if job_id in model.holders:
            expected = b"asked"
            model.marks[job_id] = model.now
        elif job_id in model.jobs:
            expected = b"cancelled"
            model.forget(job_id)
            model.attempts.pop(job_id, None)
            model.counts["cancelled"] += 1
            if keep:
                model.results[job_id] = model.now + keep
        assert self.server.run("cancel", model.now, job_id, "result", keep, 100) == expected

    def _deferred(self) -> list[str]:
        return sorted(i for i, job in self.model.jobs.items() if job.score > self.model.now)

    @precondition(lambda self: self._deferred())
    @rule(data=st.data())
    def abort_begins(self, data: st.DataObject) -> None:
        """arq's abort(), first round trip: of a job that is deferred, or leased by ours."""
        job_id = data.draw(st.sampled_from(self._deferred()))
        job = self.model.jobs[job_id]
        self.server.send("ZREM", QUEUE, job_id)
        self.server.send("ZADD", QUEUE, 1, job_id)
        job.score, job.aborting = 1, True
        self.aborts.append(job_id)

    @precondition(lambda self: self.aborts)
    @rule()
    def abort_ends(self) -> None:
        """arq's abort(), second round trip; a mark of a job that has left is arq's to leave."""
        job_id = self.aborts.pop(0)
        if job_id in self.model.jobs:
            self.server.send("ZADD", "arq:abort", self.model.now, job_id)
            self.model.marks[job_id] = self.model.now

    # Operators

    @rule()
    def pause_or_resume(self) -> None:
        self.model.paused = not self.model.paused
        key = f"{QUEUE}:paused"
        self.server.send(*(("SET", key, 1) if self.model.paused else ("DEL", key)))

    @precondition(lambda self: self.model.jobs)
    @rule(ids=SOME_IDS)
    def purge(self, ids: list[str]) -> None:
        model = self.model
        expected = [-1 if i not in model.jobs else int(i not in model.holders) for i in ids]
        jobs = [part for job_id in ids for part in (job_id, "event")]
        assert self.server.run("purge", model.now, 100, *jobs) == expected
        for job_id, code in zip(ids, expected, strict=True):
            if code == 1:
                model.forget(job_id)
                model.attempts.pop(job_id, None)

    @precondition(lambda self: self.model.dead)
    @rule(job_id=IDS, lane=LANES)
    def replay(self, job_id: str, lane: str) -> None:
        model = self.model
        if model.is_in_a_lane(job_id):
            return
        possible = bool(model.dead.get(job_id)) and job_id not in model.jobs
        assert self.server.run("replay", model.now, BEHIND, job_id, lane) == [int(possible)]
        if possible:
            job = self._new(job_id, lane, 0, None)
            job.payload = model.dead.pop(job_id)
            model.jobs[job_id] = job
            model.left.pop(job_id, None)
            model.results.pop(job_id, None)
            model.attempts.pop(job_id, None)

    @precondition(lambda self: self.model.dead)
    @rule(job_id=IDS)
    def discard(self, job_id: str) -> None:
        model = self.model
        if job_id in model.jobs:  # its errors would become those of the new job, and stay behind
            return
        dead = model.dead.pop(job_id, None) is not None
        assert self.server.run("discard", model.now, job_id) == [int(dead)]
        if dead:
            model.attempts.pop(job_id, None)

    @rule(by=PASSING)
    def time_passes(self, by: int) -> None:
        self._pass_time(by)

    def _pass_time(self, by: int) -> None:
        self.model.pass_time(by)
        now = self.model.now
        for worker in self.workers:
            if worker.last_claim is not None and worker.last_claim[2] <= now:
                worker.last_claim = None
        kept = {i: [c for c in calls if c[2] > now] for i, calls in self.last_finishes.items()}
        self.last_finishes = {i: calls for i, calls in kept.items() if calls}

    @rule()
    def scripts_are_forgotten(self) -> None:
        self.server.send("SCRIPT", "FLUSH")
