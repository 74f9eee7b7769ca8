"""One job's way through a worker, as small steps over one record.

Each step either passes the job on or says how it ends. The fence is Redis's: whatever is decided
here is written only while the lease is still this worker's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from random import random
from typing import Any

from arq.cron import CronJob
from arq.worker import Function, JobExecutionFailed, Retry, RetryJob

from service.kit import tracing
from service.kit.context import LOG_FIELDS, Late
from service.queue.errors import DecodeError
from service.queue.failures import text_of
from service.queue.headers import HEADERS, handed_on, trace_of
from service.queue.instants import from_ms
from service.queue.spans import running
from workers.engine.books import Books, arguments_by_name, has_row, in_history
from workers.engine.clock import ServerClock
from workers.engine.ending import Ending, Outcome
from workers.engine.functions import JobFunction, limited
from workers.engine.ledger import LEDGER
from workers.engine.limits import Answer, Skip, Wait, wants_of
from workers.engine.outcomes import Snooze
from workers.engine.running import CURRENT, Running, Stop
from workers.engine.writing import Writer, cancelled, described

MARK_SKEW_MS = 600_000
"""A cancellation this much older than the job it names was meant for an earlier one (rule 11)."""
UNKNOWN_DELAY_MS = (1_000, 5_000)
"""First and longest wait of a job that this worker has no function for; it doubles."""
_MOST_UNKNOWN = 10_000

log = logging.getLogger(__name__)
Hook = Callable[[dict[Any, Any]], Awaitable[None]]


class WorkerCrashed(JobExecutionFailed):
    """The job's worker died in each of its runs."""


class Executor:
    """Runs claimed jobs; owns nothing of Redis.

    Args:
        functions: by name.
        ctx: arq's context, passed on to each job with what is its own.
        writer: reads payloads and writes results.
        clock: when a job may start.
        hooks: arq's on_job_start, on_job_end and after_job_end.
        acquire: asks for the limits of a job.
        started: tells Redis that a job claimed alone begins.
        unmark: removes an abort mark that was meant for an earlier job of the id.
        arm: sets the timers of a job that starts.
        job_timeout: seconds for functions that do not say.
        max_tries: likewise.
        retry_jobs: whether what arq retries is retried.
    """

    def __init__(  # noqa: PLR0913 - the worker's settings, each used by one step
        self,
        functions: Mapping[str, Function | CronJob],
        ctx: dict[Any, Any],
        writer: Writer,
        *,
        clock: ServerClock,
        hooks: tuple[Hook | None, Hook | None, Hook | None],
        acquire: Callable[[Running], Awaitable[Answer]],
        started: Callable[[Running], Awaitable[None]],
        unmark: Callable[[Running], Awaitable[None]],
        arm: Callable[[Running, float], None],
        job_timeout: float,
        max_tries: int,
        retry_jobs: bool,
    ) -> None:
        self._functions = functions
        self._ctx = ctx
        self._writer = writer
        self._clock = clock
        self._on_start, self._on_end, self._after_end = hooks
        self._acquire = acquire
        self._started = started
        self._unmark = unmark
        self._arm = arm
        self._job_timeout = job_timeout
        self._max_tries = max_tries
        self.retry_jobs = retry_jobs
        self._unknown: dict[str, int] = {}
        self._books = Books(ctx)

    async def execute(self, run: Running) -> tuple[Ending, dict[Any, Any] | None]:
        """Bring a job to its ending; returns it with the context for `after_job_end`."""
        early = self._refuse(run) or self._decode(run) or self._find(run)
        if early is None and run.want is not None:
            early = self._limited(run, await self._acquire(run))
        if early is None and has_row(run) and (instead := await self._books.begin(run)) is not None:
            return instead, None
        early = early or self._spent(run)
        if early is not None:
            return await self._books.record(run, early), None
        if run.mark:
            await self._unmark(run)
        if run.kind == "alone":
            await self._started(run)
        while (wait := self._clock.seconds_until(run.score)) > 0:  # noqa: ASYNC110 - timers are early
            await asyncio.sleep(wait)
        if run.stop is not None:
            return await self._books.record(run, self._stopped(run, None)), None
        return await (self._traced(run) if tracing.on() else self._run(run))

    def _refuse(self, run: Running) -> Ending | None:
        """End a job without payload: it had a deadline, and that has passed."""
        if run.payload is None:
            LOG_FIELDS.set(self._fields(run))
            return self._failed(run, JobExecutionFailed("job expired"), dead=True)
        return None

    def _decode(self, run: Running) -> Ending | None:
        """Read the payload; end what was cancelled before, or has killed its workers."""
        unreadable: DecodeError | None = None
        try:
            self._writer.read(run)
            assert run.record is not None
            LOG_FIELDS.set(Late(lambda: self._fields(run)))
            run.function = self._functions.get(run.record.function)
            if isinstance(run.function, JobFunction):
                run.function = limited(run.function, run.record.headers)
                run.job = run.function.job
            if run.function is not None:
                self._writer.arguments(run)
        except DecodeError as error:
            unreadable = error
        if run.mark and run.record is not None and not self._outdated(run):
            log.info("job %s cancelled before its start", run.job_id)
            return self._end(run, Outcome.CANCELLED, cancelled())
        if run.kind == "crashed":
            text = f"its worker died in {run.crashes} runs of it; it is not run again by itself"
            return self._failed(run, WorkerCrashed(text), dead=True)
        return None if unreadable is None else self._failed(run, unreadable, dead=True)

    @staticmethod
    def _outdated(run: Running) -> bool:
        assert run.record is not None
        marked = float(run.mark)
        return 0 < marked < run.record.enqueued_ms - MARK_SKEW_MS

    def _find(self, run: Running) -> Ending | None:
        """Give back what this worker has no function for; note what limits it has."""
        function, record = run.function, run.record
        assert record is not None
        if function is None:
            first, longest = UNKNOWN_DELAY_MS
            times = self._unknown.get(run.job_id, 0)
            if len(self._unknown) >= _MOST_UNKNOWN:
                self._unknown.clear()
            self._unknown[run.job_id] = times + 1
            delay = min(first * 2**times, longest)
            log.warning(
                "job %s needs the function %r, which this worker lacks; given back for %d s",
                run.job_id, record.function, delay // 1000,
            )  # fmt: skip
            return self._again(Outcome.RELEASED, run.job_try - 1, delay)
        if record.tries and record.tries > run.job_try:
            run.job_try = record.tries
        if run.job is not None and (run.job.rate or run.job.concurrency):
            try:
                run.job.signature.bind(*run.args, **run.kwargs)
                run.want = wants_of(run.job, run.job_id, run.token, arguments_by_name(run))
            except TypeError as error:  # the arguments are not the function's
                return self._failed(run, error, dead=True)
        return None

    def _spent(self, run: Running) -> Ending | None:
        """End what has no tries left."""
        assert run.function is not None
        own = run.function.max_tries
        tries = self._max_tries if own is None else own
        if run.job_try > tries:
            return self._failed(run, JobExecutionFailed(f"max {tries} retries exceeded"), dead=True)
        return None

    def _limited(self, run: Running, answer: Answer) -> Ending | None:
        if isinstance(answer, Wait):
            return Ending(Outcome.SNOOZED, at_ms=answer.until_ms)
        if isinstance(answer, Skip):
            log.info("job %s skipped: %s is running", run.job_id, answer.holder)
            return self._end(run, Outcome.SUCCEEDED, None, f"skipped: {answer.holder} is running")
        return None

    async def _traced(self, run: Running) -> tuple[Ending, dict[Any, Any]]:
        """Run the job's code, and record that as a span."""
        record = run.record
        assert record is not None
        waited = self._clock.now_ms() - max(int(run.score), record.enqueued_ms)
        with running(
            record, self._writer.queue, run.job_id, tries=run.job_try, wait_ms=max(0, int(waited))
        ) as span:
            end, ctx = await self._run(run)
            if span is not None:
                span.note({"almanac.outcome": end.outcome.value})
                if end.error is not None:
                    span.fail(type(end.error).__name__, self._shown(run, end.error))
        return end, ctx

    async def _run(self, run: Running) -> tuple[Ending, dict[Any, Any]]:
        """Run the job's own code between its hooks."""
        function = run.function
        assert function is not None
        ctx = self._enter(run, function)
        run.body = True
        try:
            if self._on_start is not None:
                await self._on_start(ctx)
            value = await function.coroutine(ctx, *run.args, **run.kwargs)
        except BaseException as error:  # sys.exit() in a job must not end the worker
            if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
                raise
            run.body = False
            end = self._raised(run, error)
        else:
            run.body = False
            end = self._returned(run, value)
        if run.stop is not None and run.task is not None:
            while run.task.uncancel() > 0:  # the rest of this task is ours
                pass
        if self._on_end is not None:
            try:
                await self._on_end(ctx)
            except Exception as error:  # a hook is the user's code
                log.exception("on_job_end failed")
                end = self._raised(run, error)
        if LEDGER in self._ctx:
            end = await self._books.record(run, end)
        return end, ctx

    def _returned(self, run: Running, value: object) -> Ending:
        """End a job that returned; it has failed if nobody could read what."""
        end = self._end(run, Outcome.SUCCEEDED, None, value)
        if end.error is None:
            log.info("job %s succeeded: %s", run.job_id, run.name)
        else:
            log.error("job %s failed: %s", run.job_id, self._shown(run, end.error))
        return end

    def _enter(self, run: Running, function: Function | CronJob) -> dict[Any, Any]:
        """Set what a job sees around it; return arq's context for it."""
        record = run.record
        assert record is not None
        run.started_ms = int(self._clock.now_ms())
        CURRENT.set(run)
        hand_on = partial(handed_on, run.job_id, record.headers)
        HEADERS.set(hand_on() if tracing.on() else Late(hand_on))
        self._arm(run, self._timeout(function))
        if log.isEnabledFor(logging.DEBUG):
            shown = "" if run.job and run.job.sensitive else described(run.args)
            log.debug("job %s starts: %s(%s)", run.job_id, record.function, shown)
        return {
            **self._ctx,
            "job_id": run.job_id,
            "job_try": run.job_try,
            "enqueue_time": from_ms(record.enqueued_ms),
            "score": int(run.score),
        }

    def _fields(self, run: Running) -> dict[str, str]:
        """Return what every line of the log says of the run that it belongs to."""
        headers = run.record.headers if run.record else {}
        fields = {
            "job": run.name,
            "job_id": run.job_id,
            "queue": self._writer.queue.removeprefix("almanac:"),
            "try": str(run.job_try),
            "trace": trace_of(run.job_id, headers),
        }
        return {**fields, "actor": headers["actor"]} if headers.get("actor") else fields

    async def after(self, ctx: dict[Any, Any]) -> None:
        """Run arq's after_job_end."""
        if self._after_end is None:
            return
        try:
            await self._after_end(ctx)
        except Exception:  # a hook is the user's code, and the outcome is written
            log.exception("after_job_end failed")

    def _timeout(self, function: Function | CronJob) -> float:
        return self._job_timeout if function.timeout_s is None else function.timeout_s

    def _raised(self, run: Running, error: BaseException) -> Ending:
        """Decide what a raised error means."""
        if isinstance(error, asyncio.CancelledError) and run.stop is not None:
            return self._stopped(run, error)
        if isinstance(error, Retry) and self.retry_jobs:
            outcome = Outcome.SNOOZED if isinstance(error, Snooze) else Outcome.RETRIED
            log.info(
                "job %s asks in try %d to run again in %.2f s",
                run.job_id, run.job_try, (error.defer_score or 0) / 1000,
            )  # fmt: skip
            return self._retry(run, error, outcome, error.defer_score or 0)
        if isinstance(error, (asyncio.CancelledError, RetryJob)) and self.retry_jobs:
            log.info("job %s was cancelled, and runs again", run.job_id)
            return self._retry(run, error, Outcome.RETRIED, 0)
        return self._retried(run, error) or self._failed(run, error)

    def _stopped(self, run: Running, error: BaseException | None) -> Ending:
        """Decide what a run means that this worker stopped."""
        if run.stop in (Stop.SOFT_LIMIT, Stop.HARD_LIMIT):
            assert run.function is not None
            late = TimeoutError(f"it ran longer than {self._timeout(run.function):g} s")
            late.__cause__ = error
            return self._retried(run, late) or self._failed(run, late)
        if run.stop is Stop.CANCELLED:
            log.info("job %s cancelled", run.job_id)
            return self._end(run, Outcome.CANCELLED, error or cancelled())
        return self._again(Outcome.RELEASED, run.job_try - 1, 0)

    async def expired(self, run: Running) -> Ending:
        """Return the ending of a job that may not wait as long as it would have to."""
        error = JobExecutionFailed("job expired before its next run")
        return await self._books.record(run, self._failed(run, error, dead=True))

    async def marked(self, run: Running) -> Ending:
        """Return the ending of a job that was to run again and is cancelled instead."""
        return await self._books.record(run, self._end(run, Outcome.CANCELLED, cancelled()))

    async def overdue(self, run: Running) -> Ending:
        """Return the ending of a job that ignores its time limit."""
        return await self._books.record(run, self._stopped(run, None))

    def _retried(self, run: Running, error: BaseException) -> Ending | None:
        """Return when the job's policy runs it again; None if it does not."""
        if run.job is None:
            return None
        delay = run.job.retry.delay_before(run.job_try, error, random())  # noqa: S311 - jitter
        if delay is None:
            return None
        log.warning(
            "job %s failed in try %d of %d, and runs again in %.2f s: %s",
            run.job_id, run.job_try, run.job.retry.tries, delay, self._shown(run, error),
        )  # fmt: skip
        end = self._retry(run, error, Outcome.RETRIED, delay * 1000)
        end.failure, end.error = self._writer.failure(run, error), error
        return end

    def _retry(
        self, run: Running, error: BaseException, outcome: Outcome, delay_ms: float
    ) -> Ending:
        """Queue a run again that ended by this error; a try that it used is told of."""
        end = self._again(outcome, run.job_try, delay_ms)
        if outcome is Outcome.RETRIED and (run.job is None or in_history(run, outcome)):
            self._writer.retrying(run, end, error, int(self._clock.now_ms()))
        return end

    def _failed(self, run: Running, error: BaseException, *, dead: bool = False) -> Ending:
        """End a job for good; one that is declared, or lost by no fault of its own, is kept."""
        log.error(
            "job %s failed: %s",
            run.job_id,
            self._shown(run, error),
            exc_info=None if run.job and run.job.sensitive else error,
        )
        kept = dead or run.job is not None
        return self._end(run, Outcome.DEAD if kept else Outcome.FAILED, error)

    @staticmethod
    def _shown(run: Running, error: BaseException) -> str:
        kind = type(error).__name__
        return kind if run.job and run.job.sensitive else f"{kind}: {text_of(error)}"

    def _again(self, outcome: Outcome, tries: int, delay_ms: float) -> Ending:
        return Ending(outcome, at_ms=int(self._clock.now_ms() + delay_ms), tries=tries)

    def _end(
        self, run: Running, outcome: Outcome, error: BaseException | None, value: object = None
    ) -> Ending:
        finished = int(self._clock.now_ms())
        end = self._writer.ending(run, outcome, value, finished, error)
        if run.job is not None and not in_history(run, end.outcome):
            end.event = b""
        return end
