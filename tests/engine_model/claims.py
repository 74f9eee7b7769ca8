"""Workers that claim from the queue, some of whose calls are repeated or late."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.engine_model.clients import WORKERS, ClientSide, Worker
from tests.engine_model.model import ANSWER, EARLY, LEASE, MOST_CRASHES, Run, jobs_in, sha_of
from tests.engine_model.server import QUEUE


class ClaimSide(ClientSide):
    """Every claim's answer is checked against the model, which then leases the same jobs."""

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
        self._adopt_cleaned()
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
            horizon = model.now + EARLY
            late = [i for i in free if self.lanes[i] == "high" and model.jobs[i].index <= horizon]
            assert not late
        if any(r.job_id not in self.aged and self.lanes[r.job_id] == "low" for r in taken):
            assert not [i for i in free if self.lanes[i] == "normal"]

    def _adopt_ended(self) -> None:
        """Follow the claim in which aborted jobs without payload, which it removes, it has seen."""
        jobs = self.model.jobs
        for job_id in [i for i, job in jobs.items() if job.score == 1 and job.payload is None]:
            if self.server.send("ZSCORE", QUEUE, job_id) is None:
                self.model.forget(job_id)
                self.model.attempts.pop(job_id, None)

    def _adopt_cleaned(self) -> None:
        """Follow the claim in which lanes it has rid of ids that a stock worker has ended."""
        for job_id, job in self.model.left.items():
            index = f"{QUEUE}:{job.lane}"
            if job.lane != "normal" and self.server.send("ZSCORE", index, job_id) is None:
                assert job.index <= self.model.now + EARLY
                job.lane = "normal"

    def _adopt_held(self, isolated: list[str]) -> None:
        """Follow the claim in which of the jobs that must run alone it has looked at."""
        claims = self.server.send("HKEYS", f"{QUEUE}:claims")
        for job_id in isolated:
            job = self.model.jobs[job_id]
            if job.claim is not None and job_id.encode() not in claims:
                self.model.note_crash(job)
                job.claim = None

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
        answered = [
            (row[0].decode(), int(float(row[1])), int(row[5]), row[6].decode())
            for row in jobs_in(rows)
        ]
        crashes = {job_id: job.crashes for job_id, job in model.jobs.items()}
        assert answered == [(r.job_id, r.score, crashes[r.job_id], r.kind) for r in still]

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
