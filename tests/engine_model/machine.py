"""Everybody at the same queue, in any order: the outcomes of jobs, and what always holds."""

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
    TTLS,
    Worker,
)
from tests.engine_model.model import (
    AFTER,
    AGAIN,
    ANSWER,
    BEHIND,
    ENDS,
    LEASE,
    End,
    Run,
    differences,
    job_id_of,
)
from tests.engine_model.server import QUEUE, assert_nothing_leaked
from tests.engine_model.stock import StockSide


class QueueMachine(StockSide):
    """A queue with all who use it; compares the server with the model after each step."""

    def teardown(self) -> None:
        """M10: every job can be claimed in the end, and nothing is left of it."""
        try:
            if sys.exception() is None:
                self.drain()
                self.no_leaks()
        finally:
            self.server.close()

    @initialize(lane=LANES, ttl=TTLS, deaths=st.sampled_from((0, 0, 1, 2)), leave=st.booleans())
    def begin(self, lane: str, ttl: int | None, deaths: int, leave: bool) -> None:
        self.ours_leave = leave
        self._enqueue(["a", "b", "c"], lane, 0, ttl if not deaths else None)
        for _ in range(deaths):
            self._claim(self.workers[0], 10)
            self._start_anew(self.workers[0])
            self.the_server_agrees()
            self._pass_time(LEASE + AFTER)
            self.the_server_agrees()
        self._claim(self.workers[0], 2)

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

    @precondition(lambda self: self.running())
    @rule(data=st.data(), starts=st.booleans(), renews=st.booleans())
    def stand_still(self, data: st.DataObject, starts: bool, renews: bool) -> None:
        """Every worker does, for longer than its lease, and nobody takes what it holds."""
        if starts:
            self._start([run for run in self.running() if run.kind == "alone"])
        self._pass_time(LEASE + AFTER)
        self.the_server_agrees()
        self._wake(data, renews=renews)

    @precondition(lambda self: self.running())
    @rule(data=st.data(), renews=st.booleans(), ends=st.booleans())
    def stock_takes_over(self, data: st.DataObject, renews: bool, ends: bool) -> None:
        """M15: meanwhile a stock worker takes what they held, and ends it or will do so late."""
        self._pass_time(LEASE + AFTER)
        self.the_server_agrees()
        held = {run.job_id for run in self.running()}
        for job_id in sorted(held.intersection(self._takeable())):
            run = self._stock_takes(job_id)
            self._stock_begins(run, heeds_aborts=ends)
            if ends and run in self.stock:
                self._stock_ends(run, 0)
        self._wake(data, renews=renews)

    def _wake(self, data: st.DataObject, *, renews: bool) -> None:
        if renews:
            self._renew(self.running())
        else:
            self._finish_some(self.running(), data)

    def _finish_some(self, runs: Sequence[Run], data: st.DataObject) -> None:
        first = data.draw(st.sampled_from(runs))
        company = [run for run in runs if run.incarnation == first.incarnation]
        chosen = st.lists(st.sampled_from(company), min_size=1, max_size=3, unique_by=job_id_of)
        self._finish([self._end_of(run, data) for run in data.draw(chosen)])

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
            data.draw(KEEP),
            60_000 if outcome in ENDS and data.draw(st.integers(0, 5)) == 0 else None,
        )

    def _finish(self, ends: Sequence[End]) -> list[int]:
        model, incarnation = self.model, ends[0].run.incarnation
        self.finishes[incarnation] += 1
        keep = ends[0].keep
        arguments: list[Any] = [incarnation, self.finishes[incarnation], 100, BEHIND, keep, "w"]
        for end in ends:
            if end.plain and end.keep == keep:
                arguments += (end.run.job_id, end.run.token, "plain", b"result")
                continue
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
        if code == 1 and end.outcome == "retried":
            self.server.deadlines.pop(f"arq:retry:{end.run.job_id}", None)
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
        assert set(model.attempts) <= {*model.jobs, *model.dead, *model.left}

    def drain(self) -> None:
        """Let a new worker run what there is, or a stock worker, once every lease has ended."""
        model = self.model
        if model.paused:
            self.pause_or_resume()
        noted = (*model.jobs.values(), *model.left.values())
        times = [at - model.now for job in noted for at in (job.score, job.index)]
        self._pass_time(max(1_000_000, *times, 0))
        self.the_server_agrees()
        if self.ours_leave:
            self.drain_by_stock()
        worker = Worker("zz")
        self._run_all(worker)
        for job_id in sorted(model.left):  # what a stock worker left goes with the id's next job
            self._requeue(job_id, "normal", 0, None)
        self._run_all(worker)

    def _run_all(self, worker: Worker) -> None:
        for _ in range(CLAIMS_TO_DRAIN):
            runs = self._claim(worker, 10)
            for run in runs:
                outcome = "cancelled" if run.to_cancel else "succeeded"
                end = End(run, outcome, 0, run.tries + 1, "", 0, None)
                assert self._finish([end]) == [1]
            worker.runs.clear()
            self.the_server_agrees()
            if not runs and not self.model.jobs:
                break
        assert not self.model.jobs, "M10: not claimed within so many claims"
        assert not any(self.model.is_in_a_lane(job_id) for job_id in self.model.left)

    def no_leaks(self) -> None:
        """Nothing is left but what may be; dead jobs keep their payload and errors."""
        self._pass_time(60_000)
        self.the_server_agrees()
        asyncio.run(assert_nothing_leaked(self.url))
