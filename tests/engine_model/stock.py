"""Unmodified workers of arq at the same queue; their steps are those of arq 0.28's worker.py."""

from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.engine_model.leases import LeaseSide
from tests.engine_model.model import Job
from tests.engine_model.server import QUEUE

IN_PROGRESS = 310_000
"""Milliseconds: arq's default time limit and 10 s."""
KEEP_TRIES = 88_400_000
DEFER = st.sampled_from((0, 1_000, 60_000))
RESULT = st.sampled_from((0, 600_000))


@dataclass
class StockRun:
    """A job as a stock worker runs it; nothing tells it that the job is another's by now."""

    job_id: str
    generation: int
    score: int
    begun: bool = False


class StockSide(LeaseSide):
    """M15: what such a worker writes is unconditional, and everybody else has to live with it.

    Where an id was used again, a stock worker of the earlier job would end the new one: the docs
    forbid that in a mixed fleet, so here this worker has died.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.stock: list[StockRun] = []

    def _takeable(self) -> list[str]:
        model = self.model
        free = [i for i in model.jobs if i not in model.holders]
        return sorted(i for i in free if model.jobs[i].score <= model.now)

    def _stock_runs(self, *, begun: bool) -> list[StockRun]:
        jobs = self.model.jobs
        self.stock = [
            run
            for run in self.stock
            if run.job_id not in jobs or jobs[run.job_id].generation == run.generation
        ]
        return [run for run in self.stock if run.begun == begun]

    @precondition(lambda self: self._takeable())
    @rule(data=st.data())
    def stock_takes(self, data: st.DataObject) -> None:
        self._stock_takes(data.draw(st.sampled_from(self._takeable())))

    def _stock_takes(self, job_id: str) -> StockRun:
        job = self.model.jobs[job_id]
        key = f"arq:in-progress:{job_id}"
        assert self.server.send("EXISTS", key) == 0
        assert int(self.server.send("ZSCORE", QUEUE, job_id)) == job.score
        self.server.send("PSETEX", key, IN_PROGRESS, "1")
        self.model.holders[job_id] = ("1", self.model.now + IN_PROGRESS)
        self.stock.append(StockRun(job_id, job.generation, job.score))
        return self.stock[-1]

    @precondition(lambda self: self._stock_runs(begun=False))
    @rule(data=st.data(), heeds_aborts=st.booleans())
    def stock_begins(self, data: st.DataObject, heeds_aborts: bool) -> None:
        self._stock_begins(data.draw(st.sampled_from(self._stock_runs(begun=False))), heeds_aborts)

    def _stock_begins(self, run: StockRun, heeds_aborts: bool) -> None:
        model, server, job_id = self.model, self.server, run.job_id
        job = model.jobs.get(job_id)
        marked = heeds_aborts and job_id in model.marks
        run.begun = True
        server.send("INCR", f"arq:retry:{job_id}")
        server.send("PEXPIRE", f"arq:retry:{job_id}", KEEP_TRIES)
        if heeds_aborts:
            server.send("ZREM", "arq:abort", job_id)
            model.marks.pop(job_id, None)
            if job is not None:
                job.aborting = job.score == 1
        if job is None or job.payload is None or marked:
            self._stock_ends(run, 600_000)
            return
        job.tries, job.tries_until = job.tries + 1, model.now + KEEP_TRIES

    @precondition(lambda self: self._stock_runs(begun=True))
    @rule(data=st.data(), keep=RESULT)
    def stock_ends(self, data: st.DataObject, keep: int) -> None:
        self._stock_ends(data.draw(st.sampled_from(self._stock_runs(begun=True))), keep)

    def _stock_ends(self, run: StockRun, keep: int) -> None:
        """Succeeded, failed, expired or aborted: the same commands."""
        model, server, job_id = self.model, self.server, run.job_id
        self.stock.remove(run)
        if keep:
            server.send("SET", f"arq:result:{job_id}", "result", "PX", keep)
            model.results[job_id] = model.now + keep
        keys = (f"arq:{kind}:{job_id}" for kind in ("retry", "job", "in-progress"))
        server.send("DEL", *keys)
        server.send("ZREM", "arq:abort", job_id)
        server.send("ZREM", QUEUE, job_id)
        model.holders.pop(job_id, None)
        if job_id in model.jobs:
            self.ended.add(run.generation)
            model.leave_behind(job_id)

    @precondition(lambda self: self._stock_runs(begun=True))
    @rule(data=st.data(), defer=DEFER)
    def stock_retries(self, data: st.DataObject, defer: int) -> None:
        """Its Retry; a deferred one adds to whatever the score is, and queues what has ended."""
        model, server = self.model, self.server
        run = data.draw(st.sampled_from(self._stock_runs(begun=True)))
        self.stock.remove(run)
        later = defer + model.now - run.score if defer else 0
        if later:
            server.send("ZINCRBY", QUEUE, later, run.job_id)
        server.send("DEL", f"arq:in-progress:{run.job_id}")
        model.holders.pop(run.job_id, None)
        job = model.jobs.get(run.job_id)
        if later and job is None:
            job = model.left.pop(run.job_id, None) or Job(0, None, 0, 0)
            job.generation, job.score = next(self.generations), 0
            model.jobs[run.job_id] = job
        if later and job is not None:
            job.score += later
            job.aborting = job.aborting and run.job_id in model.marks
            job.due = job.visible_at()

    @precondition(lambda self: self.stock)
    @rule(data=st.data())
    def stock_dies(self, data: st.DataObject) -> None:
        self.stock.remove(data.draw(st.sampled_from(self.stock)))

    def drain_by_stock(self) -> None:
        """A rollback: each id that is left is run by a stock worker, once its time has come."""
        for job_id in self._takeable():
            self._stock_begins(self._stock_takes(job_id), heeds_aborts=True)
        for run in self._stock_runs(begun=True):
            self._stock_ends(run, 0)
        assert not self.model.jobs, "M15: out of a stock worker's sight"
