"""Workers and supervisors at the same queue: claims, outcomes, leases, deaths, in any order."""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.engine_model.clients import (
    AT_ONCE,
    CLAIMS_TO_DRAIN,
    DELAYS,
    KEEP,
    LANES,
    WORKERS,
    ClientSide,
    Worker,
)
from tests.engine_model.model import (
    AFTER,
    AGAIN,
    ANSWER,
    BEHIND,
    EARLY,
    ENDS,
    GONE,
    LEASE,
    MOST_CRASHES,
    End,
    Run,
    differences,
    job_id_of,
    jobs_in,
    sha_of,
)
from tests.engine_model.server import QUEUE, assert_nothing_leaked


class QueueMachine(ClientSide):
    """A queue with all who use it; compares the server with the model after each step."""

    def teardown(self) -> None:
        """M10: every job can be claimed in the end, and nothing is left of it."""
        try:
            if sys.exception() is None:
                self.drain()
                self.no_leaks()
        finally:
            self.server.close()

    @initialize(lane=LANES)
    def begin(self, lane: str) -> None:
        self._enqueue(["a", "b", "c"], lane, 0, None)
        self._claim(self.workers[0], 2)

    def _claim_arguments(self, worker: Worker, number: int, wanted: int) -> list[Any]:
        alone = int(not worker.runs)
        return [worker.incarnation, number, wanted, LEASE, "", 0, alone, MOST_CRASHES]

    @rule(which=WORKERS)
    def claim_all(self, which: int) -> None:
        self._claim(self.workers[which], 10)

    @rule(which=WORKERS, wanted=st.integers(1, 5))
    def claim(self, which: int, wanted: int) -> None:
        self._claim(self.workers[which], wanted)

    def _claim(self, worker: Worker, wanted: int) -> list[Run]:
        worker.claims += 1
        arguments = self._claim_arguments(worker, worker.claims, wanted)
        status, now_us, due, held, offset, *rows = self.server.run(
            "claim", self.model.now, *arguments
        )
        assert (int(now_us), offset) == (self.model.now * 1000, 0)
        gone = self.model.is_gone(worker.incarnation)
        expected = b"gone" if gone else b"paused" if self.model.paused else b"ok"
        assert status == expected
        taken = self._take(worker, rows) if status == b"ok" else []
        if status == b"ok":
            self._check_choice(taken, wanted, worker.claims, held, alone=arguments[6] == 1)
        else:
            assert rows == []
            assert held == 0
        soonest = self.model.soonest()
        armed = int(due) if due else None
        assert armed == soonest, ("M10: the timer is not armed for it", armed, soonest)
        if taken:
            worker.last_claim = (arguments, taken, self.model.now + ANSWER)
            worker.runs += taken
        return taken

    def _take(self, worker: Worker, rows: Sequence[Any]) -> list[Run]:
        """Check each job of a claim's answer against the model, and lease it there."""
        model = self.model
        token = f"{worker.incarnation}:{worker.claims}"
        self.before = {job_id: model.jobs[job_id].visible_at() for job_id in model.claimable()}
        self.lanes = {job_id: model.jobs[job_id].lane for job_id in self.before}
        self.aged = {i for i in self.before if model.jobs[i].score <= model.now + EARLY}
        taken = []
        for row in jobs_in(rows):
            job_id, score, mark = row[0].decode(), int(float(row[1])), row[4].decode()
            assert job_id in self.before, "M2, M6: it is held, or not due"
            job = model.jobs[job_id]
            assert score == 1 or score in (job.score, job.index)
            assert score <= model.now + EARLY
            assert job.aborting or job.due <= model.now + EARLY, ("M6: it starts early", job)
            assert (row[2], int(row[3])) == (job.payload, job.tries)
            wanted_mark = "0" if score == 1 else str(model.marks.get(job_id, ""))
            assert mark == wanted_mark
            assert mark or not job.aborting, "M6: an abort under way is forgotten"
            kind = model.claim(job_id, token)
            assert (int(row[5]), row[6].decode()) == (job.crashes, kind)
            taken.append(
                Run(
                    worker.incarnation, job_id, token, score, job.generation,
                    sha_of(job.payload or b""), kind, bool(mark), job.payload, job.tries,
                )
            )  # fmt: skip
        return taken

    def _check_choice(
        self, taken: list[Run], wanted: int, number: int, held: int, *, alone: bool
    ) -> None:
        model = self.model
        self._adopt_ended()
        closed = any(run.kind == "alone" for run in taken)
        assert len(taken) <= wanted
        assert not closed or alone
        assert not closed or len(taken) == 1, "M8: it was claimed in company"
        left = [i for i in self.before if i in model.jobs and i not in model.holders]
        isolated = [i for i in left if model.jobs[i].kind_of_claim() == "alone"]
        if held:
            self._adopt_held(isolated)
        if closed or len(taken) == wanted:
            assert held <= len(isolated)
        else:
            assert held == len(isolated)
            assert left == isolated, "M10: it is due and was not claimed"
            assert not isolated or taken or not alone, "M10: it may run alone and was not claimed"
        share = wanted >= 10 or number % 10
        free = [i for i in left if i not in isolated]
        if share and not closed and any(self.lanes[run.job_id] != "high" for run in taken):
            assert not [i for i in free if self.lanes[i] == "high"]
        if any(run.job_id not in self.aged for run in taken):
            assert not [i for i in free if self.lanes[i] == "normal"]

    def _adopt_ended(self) -> None:
        """Follow the claim in which aborted jobs without payload, which it removes, it has seen."""
        jobs = self.model.jobs
        for job_id in [i for i, job in jobs.items() if job.score == 1 and job.payload is None]:
            if self.server.send("ZSCORE", QUEUE, job_id) is None:
                self.model.forget(job_id)
                self.model.attempts.pop(job_id, None)

    def _adopt_held(self, isolated: list[str]) -> None:
        """Follow the claim in which of the jobs that must run alone it has looked at."""
        claims = self.server.send("HKEYS", f"{QUEUE}:claims")
        for job_id in isolated:
            job = self.model.jobs[job_id]
            if job.claim is not None and job_id.encode() not in claims:
                job.crashes, job.claim = job.crashes_after_claim(), None

    @precondition(lambda self: any(worker.last_claim for worker in self.workers))
    @rule(which=WORKERS)
    def claim_again(self, which: int) -> None:
        """The reply was lost: the same call answers with what it took and is still its own."""
        worker = self.workers[which]
        model = self.model
        if worker.last_claim is None:
            return
        arguments, taken, _ = worker.last_claim
        status, _, _, held, _, *rows = self.server.run("claim", model.now, *arguments)
        if model.is_gone(worker.incarnation):
            assert (status, rows) == (b"gone", [])
            return
        still = [r for r in taken if model.holders.get(r.job_id, ("", 0))[0] == r.token]
        assert (status, held) == (b"ok", 0), (status, held, rows)
        answered = [(row[0].decode(), int(float(row[1])), row[6].decode()) for row in jobs_in(rows)]
        assert answered == [(run.job_id, run.score, run.kind) for run in still]

    @precondition(lambda self: any(worker.last_claim for worker in self.workers))
    @rule(which=WORKERS)
    def an_old_claim_arrives(self, which: int) -> None:
        """M4: a call that was left in a broken connection takes nothing after a later one."""
        worker = self.workers[which]
        if worker.last_claim is None:
            return
        number = worker.last_claim[0][1]
        arguments = self._claim_arguments(worker, number - 1, 5)
        assert self.server.run("claim", self.model.now, *arguments)[5:] == []

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        self._finish_some(self.running(), data)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def finish_and_claim(self, data: st.DataObject) -> None:
        self._finish_some(self.running(), data)
        self._claim(data.draw(st.sampled_from(self.workers)), 10)

    @precondition(lambda self: self.late)
    @rule(data=st.data())
    def finish_late(self, data: st.DataObject) -> None:
        """By an owner that has lost the job, or has had its outcome written before."""
        self._finish_some(self.late, data)

    def _finish_some(self, runs: Sequence[Run], data: st.DataObject) -> None:
        first = data.draw(st.sampled_from(runs))
        company = [run for run in runs if run.incarnation == first.incarnation]
        chosen = st.lists(st.sampled_from(company), min_size=1, max_size=3, unique_by=job_id_of)
        self._finish([self._end_of(run, data) for run in data.draw(chosen)])

    def running(self) -> list[Run]:
        return [run for worker in self.workers for run in worker.runs]

    def _end_of(self, run: Run, data: st.DataObject) -> End:
        possible: tuple[str, ...] = (*ENDS, *AGAIN)
        if run.to_cancel:
            possible = ("cancelled",)
        elif run.kind == "crashed" or run.payload is None:
            possible = ("dead", "failed")
        outcome = data.draw(st.sampled_from(possible))
        at = self.model.now + data.draw(DELAYS)
        return End(
            run,
            outcome,
            max(run.score, 0) if outcome == "released" else at,
            run.tries + (outcome not in ("released", "snoozed")),
            run.sha if data.draw(st.booleans()) else "",
            data.draw(KEEP) if outcome in ENDS else 0,
            60_000 if outcome in ENDS and data.draw(st.integers(0, 5)) == 0 else None,
        )

    def _finish(self, ends: Sequence[End]) -> list[int]:
        model, incarnation = self.model, ends[0].run.incarnation
        self.finishes[incarnation] += 1
        arguments: list[Any] = [incarnation, self.finishes[incarnation], 100, BEHIND]
        for end in ends:
            failure = b"failure" if end.outcome in ("retried", "dead") else b""
            arguments += (
                end.run.job_id, end.run.token, end.outcome, end.at, end.tries, end.run.score,
                end.sha, b"result", end.keep, failure, b"event",
                "" if end.linger is None else end.linger,
            )  # fmt: skip
        codes: list[int] = self.server.run("finish", model.now, *arguments)
        expected = model.finish(ends)
        assert codes == expected, (codes, expected)
        for end, code in zip(ends, codes, strict=True):
            self._check_once(end, code)
        if not model.is_gone(incarnation):
            calls = self.last_finishes.setdefault(incarnation, [])
            calls.append((arguments, codes, model.now + ANSWER))
            del calls[:-AT_ONCE]
        return codes

    def _check_once(self, end: End, code: int) -> None:
        """M2: one terminal outcome per incarnation."""
        if code == 1 and end.outcome in ENDS:
            assert end.run.generation not in self.ended
            self.ended.add(end.run.generation)
            if end.keep < 0:
                self.server.deadlines.pop(f"arq:result:{end.run.job_id}", None)
        if code in (0, 1):
            for runs in [worker.runs for worker in self.workers]:
                if end.run in runs:
                    runs.remove(end.run)
                    self.late.append(end.run)

    @precondition(lambda self: self.last_finishes)
    @rule(data=st.data())
    def finish_again(self, data: st.DataObject) -> None:
        """The replies to the last calls, which were sent together, were lost."""
        incarnation = data.draw(st.sampled_from(sorted(self.last_finishes)))
        arguments, codes, _ = data.draw(st.sampled_from(self.last_finishes[incarnation]))
        answer = self.server.run("finish", self.model.now, *arguments)
        assert answer == ([0] * len(codes) if self.model.is_gone(incarnation) else codes)

    @precondition(lambda self: self.running())
    @rule()
    def renew(self) -> None:
        self._renew(self.running())

    @precondition(lambda self: self.late)
    @rule()
    def renew_late(self) -> None:
        self._renew(self.late[-4:])

    def _renew(self, runs: Sequence[Run]) -> None:
        for incarnation in sorted({run.incarnation for run in runs}):
            mine = [run for run in runs if run.incarnation == incarnation]
            arguments: list[Any] = []
            for run in mine:
                arguments += (run.job_id, run.token, run.sha)
            codes = self.server.run("renew", self.model.now, incarnation, LEASE, *arguments)
            assert codes == [self.model.renew(run) for run in mine]
            for run, code in zip(mine, codes, strict=True):
                run.to_cancel = run.to_cancel or code == 2

    @precondition(lambda self: any(run.kind == "alone" for run in self.running()))
    @rule()
    def start(self) -> None:
        """A job that was claimed alone begins: written before it does, while it is held."""
        for run in self.running():
            job = self.model.jobs.get(run.job_id)
            held = self.model.holders.get(run.job_id, ("", 0))[0] == run.token
            if run.kind == "alone" and held and job is not None:
                job.claim = f"{run.token}:started"
                self.server.send("HSET", f"{QUEUE}:claims", run.job_id, job.claim)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), wait=st.sampled_from((0, LEASE)))
    def crash(self, data: st.DataObject, wait: int) -> None:
        """A worker dies and starts anew; what it was sending may still arrive."""
        self._start_anew(self._busy(data))
        self._pass_time(wait)

    @precondition(lambda self: self.running())
    @rule(data=st.data())
    def reap(self, data: st.DataObject) -> None:
        """A supervisor releases what a process held that has ended."""
        base = self._busy(data).base
        claims = {i: j.claim for i, j in self.model.jobs.items() if j.claim is not None}
        ids = [i for i, claim in claims.items() if claim.startswith(f"{base}.")]
        answer = self.server.run("release", self.model.now, base, GONE, *ids)
        assert answer == self.model.release(base, ids)
        for worker in [worker for worker in self.workers if worker.base == base]:
            self._start_anew(worker)

    def _busy(self, data: st.DataObject) -> Worker:
        return data.draw(st.sampled_from([worker for worker in self.workers if worker.runs]))

    def _start_anew(self, worker: Worker) -> None:
        self.late += worker.runs
        self.workers[self.workers.index(worker)] = Worker(f"c{next(self.bases)}")

    # What always holds

    @invariant()
    def the_server_agrees(self) -> None:
        """M1, M3, M4, M7: exactly what the model holds, with the same ends."""
        model, server = self.model, self.server
        payloads = [(i, j.expires) for i, j in model.jobs.items() if j.expires is not None]
        expired = [(i, model.now) for i, job in model.jobs.items() if job.payload is None]
        server.expire(model.now, [*payloads, *expired])
        dump = server.read(model.now)
        dump.pop(f"{QUEUE}:events", None)
        dump = {name: value for name, value in dump.items() if ":call:" not in name}
        gone = {name for name in dump if ":gone:" in name}
        assert gone == {f"{QUEUE}:gone:{base}" for base in model.gone}
        if f"{QUEUE}:dead" in dump:
            dump[f"{QUEUE}:dead"] = set(dump[f"{QUEUE}:dead"])
        held = {name: value for name, value in dump.items() if name not in gone}
        found = differences(held, model.view())
        assert not found, found
        for job_id, (token, until) in model.holders.items():
            assert server.deadlines[f"arq:in-progress:{job_id}"] == until, "M7"
            assert token == "1" or model.jobs[job_id].score in (1, until + AFTER), "M7"

    @invariant()
    def nothing_belongs_to_nobody(self) -> None:
        """M3, M5: what is kept for a job goes with it."""
        model = self.model
        assert set(model.marks) <= set(model.jobs)
        assert set(model.attempts) <= {*model.jobs, *model.dead}

    def drain(self) -> None:
        """Let a new worker run what there is, once every lease has ended."""
        if self.model.paused:
            self.pause_or_resume()
        self._pass_time(1_000_000)
        self.the_server_agrees()
        worker = Worker("zz")
        for _ in range(CLAIMS_TO_DRAIN):
            if not self.model.jobs:
                return
            for run in self._claim(worker, 10):
                outcome = "cancelled" if run.to_cancel else "succeeded"
                end = End(run, outcome, 0, run.tries + 1, "", 0, None)
                assert self._finish([end]) == [1]
            worker.runs.clear()
            self.the_server_agrees()
        assert not self.model.jobs, "M10: not claimed within so many claims"

    def no_leaks(self) -> None:
        """Nothing is left but what may be; dead jobs keep their payload and errors."""
        self._pass_time(60_000)
        self.the_server_agrees()
        asyncio.run(assert_nothing_leaked(self.url))
