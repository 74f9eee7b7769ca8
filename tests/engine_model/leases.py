"""Workers that keep their leases, lose them and die."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.engine_model.claims import ClaimSide
from tests.engine_model.clients import Worker
from tests.engine_model.model import GONE, LEASE, Run
from tests.engine_model.server import QUEUE, text_of


class LeaseSide(ClaimSide):
    """Renewals, starts of what must run alone, and deaths."""

    def running(self) -> list[Run]:
        return [run for worker in self.workers for run in worker.runs]

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
        """A job that was claimed alone begins: written before it does."""
        self._start([run for run in self.running() if run.kind == "alone"])

    @precondition(lambda self: self.late)
    @rule()
    def start_late(self) -> None:
        """The worker has lost the job meanwhile, and writes over nobody's claim."""
        self._start(self.late[-4:])

    def _start(self, runs: Sequence[Run]) -> None:
        for run in runs:
            job = (self.model.left | self.model.jobs).get(run.job_id)
            claim = job.claim if job is not None else None
            mine = claim in (f"{run.token}:alone", f"{run.token}:started")
            if mine and job is not None:
                job.claim = f"{run.token}:started"
            answer = self.server.send(
                "EVAL", text_of("started"), 1, f"{QUEUE}:claims", run.job_id, run.token
            )
            assert answer == int(mine)

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
        ids = sorted(self.model.jobs)  # others may have taken what it had noted as its own
        answer = self.server.run("release", self.model.now, base, GONE, *ids)
        assert answer == self.model.release(base, ids)
        for worker in [worker for worker in self.workers if worker.base == base]:
            self._start_anew(worker)

    def _busy(self, data: st.DataObject) -> Worker:
        return data.draw(st.sampled_from([worker for worker in self.workers if worker.runs]))

    def _start_anew(self, worker: Worker) -> None:
        self.late += worker.runs
        self.workers[self.workers.index(worker)] = Worker(f"c{next(self.bases)}")
