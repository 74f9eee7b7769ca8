"""For the tests of your jobs: a real queue, worked off step by step, without sleeping.

async with Steps(WorkerSettings, client) as steps:
    step = await steps.one()
    assert step is not None
    assert (step.name, step.outcome) == ("mail.send", "retried")
    await steps.advance(seconds=3600)
    assert [step.result for step in await steps.all()] == [5]
"""

import inspect
import types
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Self

from service.queue import QueueClient
from service.queue.entries import EARLIEST_SCORE
from service.queue.instants import from_ms
from workers.engine.ending import Outcome
from workers.engine.functions import Context
from workers.engine.outbox import Ended
from workers.engine.turns import Turns
from workers.engine.worker import Worker

WorkerSettings = dict[str, Any] | type[Any]
"""As arq has them: a class or a dictionary with some of the worker's arguments."""


@dataclass(frozen=True, slots=True)
class Step:
    """One run of a job.

    Attributes:
        outcome: `succeeded`, `retried`, `dead` …: see `workers.engine.ending.Outcome`.
        result: what the job returned.
        error: what it raised.
        tries: used so far.
        run_at: when it is to run again, if it is.
    """

    job_id: str
    name: str
    outcome: Outcome
    result: object
    error: BaseException | None
    tries: int
    run_at: datetime | None


class TooManyJobs(AssertionError):
    """There is always another job that is due."""


class Steps:
    """Works a queue off for as long as it is open, one job at a time.

    Periodic jobs do not tick. What a test calls is done when it returns: outcomes are written, and
    nothing runs between two calls.

    Args:
        settings: the WorkerSettings; `on_startup` and `on_shutdown` run when this opens and closes.
        client: of the queue.
        advanced: called by `advance`, to move what is kept elsewhere.
        overrides: arguments of Worker that replace those of the settings.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        client: QueueClient,
        *,
        advanced: Callable[[timedelta], Awaitable[object]] | None = None,
        **overrides: Any,
    ) -> None:
        chosen = {**_known(settings), **overrides}
        self._queue: str = chosen.get("queue_name") or client.default_queue_name
        self.ctx: Context = chosen.get("ctx") or {}
        self._client = client
        self._advanced = advanced
        self._on_startup = chosen.get("on_startup")
        self._on_shutdown = chosen.get("on_shutdown")
        self._settings: dict[str, Any] = {
            **chosen,
            "ctx": self.ctx,
            "redis_pool": client,
            "on_startup": None,
            "on_shutdown": None,
            "cron_jobs": None,
            "handle_signals": False,
            "burst": True,
            "max_jobs": 1,
            "min_jobs": None,
        }
        self._settings.pop("max_burst_jobs", None)

    async def __aenter__(self) -> Self:
        self.ctx["redis"] = self._client
        if self._on_startup is not None:
            await self._on_startup(self.ctx)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if self._on_shutdown is not None:
            await self._on_shutdown(self.ctx)

    async def one(self) -> Step | None:
        """Run the next job that is due once, and return what came of it; None if none is due."""
        steps = await self._work(1)
        return steps[0] if steps else None

    async def all(self, at_most: int = 1000) -> list[Step]:
        """Run jobs until none is due, those included that they send, and return every run.

        Raises TooManyJobs when there is no end of them.
        """
        steps: list[Step] = []
        while more := await self._work(at_most + 1 - len(steps)):
            steps += more
            if len(steps) > at_most:
                raise TooManyJobs(f"more than {at_most} runs, the last of {steps[-1].name}")
        return steps

    async def advance(self, seconds: float) -> None:
        """Make every job in the queue due so much earlier, as if the time had passed.

        Locks, limits and what Redis keeps for a time are not moved.
        """
        for index in (self._queue, f"{self._queue}:high", f"{self._queue}:low"):
            due = await self._client.zrange(index, 0, -1, withscores=True)
            for job_id, score in due:
                if score >= EARLIEST_SCORE:  # below it, arq aborts the job
                    earlier = max(score - seconds * 1000, EARLIEST_SCORE)
                    await self._client.zadd(index, {job_id: earlier}, xx=True)
        if self._advanced is not None:
            await self._advanced(timedelta(seconds=seconds))

    async def _work(self, at_most: int) -> list[Step]:
        worker = _Worker(**self._settings, max_burst_jobs=at_most)
        await worker.async_run()
        return worker.steps


class _Turns(Turns):
    """Turns that end when nothing is due, and remember every run."""

    def _written(self, ended: Ended) -> None:
        super()._written(ended)
        run, end, _ = ended
        assert isinstance(self._worker, _Worker)
        self._worker.steps.append(
            Step(
                job_id=run.job_id,
                name=run.name,
                outcome=end.outcome,
                result=end.value,
                error=end.error,
                tries=run.job_try,
                run_at=from_ms(end.at_ms) if end.at_ms else None,
            )
        )

    async def _burst_over(self) -> bool:
        """Also without waiting for what is deferred, as a burst of arq does."""
        idle = not self.runs and self.outbox.empty
        return idle and (not self.hungry or await super()._burst_over())


class _Worker(Worker):
    turns_type: ClassVar[type[Turns]] = _Turns
    seen: ClassVar[bool] = False  # it is no worker that others may count on

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.steps: list[Step] = []


def _known(settings: WorkerSettings) -> Mapping[str, Any]:
    """Return what a WorkerSettings says that Worker takes."""
    given = settings if isinstance(settings, dict) else vars(settings)
    parameters = inspect.signature(Worker).parameters
    return {name: value for name, value in given.items() if name in parameters}
