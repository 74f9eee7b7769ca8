"""What a run leaves: its result, and what is kept of a failure."""

import asyncio

from arq.constants import keep_cronjob_progress
from arq.cron import CronJob
from arq.jobs import Deserializer, SerializationError, Serializer, serialize_result
from arq.worker import Function

from service.queue.codec import Record, parse, serialize_failure, serialize_outcome
from service.queue.errors import DecodeError
from workers.engine.ending import Ending, Outcome
from workers.engine.running import Running

UNREADABLE = Record("<unknown>", [], {}, 0)


class Writer:
    """Reads payloads and writes results: as JSON, or by the functions given to the worker.

    Args:
        serializer: arq's `job_serializer`; None for Almanac's JSON.
        deserializer: arq's `job_deserializer`; likewise.
        queue: key of the queue.
        keep_ms: how long results of functions stay that do not say.
        keep_forever: whether they stay for good.
    """

    def __init__(
        self,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
        queue: str,
        keep_ms: int,
        *,
        keep_forever: bool,
    ) -> None:
        self._serializer = serializer
        self._deserializer = deserializer
        self.queue = queue
        self._keep_ms = keep_ms
        self._keep_forever = keep_forever

    def read(self, run: Running) -> None:
        """Decode a payload into the run; raises DecodeError."""
        assert run.payload is not None
        if self._deserializer is None:
            run.record = parse(run.payload)
            return
        try:
            data = self._deserializer(run.payload)
            run.record = Record(data["f"], [], {}, data["et"], data["t"])
            run.args, run.kwargs = tuple(data["a"]), data["k"]
        except Exception as error:  # a deserializer given by the caller may raise anything
            raise DecodeError(f"the payload cannot be read: {error!r}") from error

    def arguments(self, run: Running) -> None:
        """Decode the arguments into their declared types; raises DecodeError."""
        if self._deserializer is None and run.record is not None:
            run.args, run.kwargs = run.record.arguments()

    def keep_of(self, function: Function | CronJob | None) -> int:
        """Return for how many ms a result stays; -1 for good."""
        if function is None:
            return -1 if self._keep_forever else self._keep_ms
        forever = function.keep_result_forever
        if forever if forever is not None else self._keep_forever:
            return -1
        seconds = function.keep_result_s
        return self._keep_ms if seconds is None else int(seconds * 1000)

    def ending(
        self,
        run: Running,
        outcome: Outcome,
        value: object,
        finished_ms: int,
        error: BaseException | None,
    ) -> Ending:
        """Return a terminal ending with its result.

        A result that cannot be written makes the job fail, and says what is wrong.
        """
        keep = self.keep_of(run.function)
        end = Ending(outcome, tries=run.job_try, keep_ms=keep, value=value, error=error)
        if isinstance(run.function, CronJob):
            end.linger_ms = int(keep_cronjob_progress * 1000)
        shown = value if error is None else error
        try:
            end.result = self._result(run, shown, finished_ms, success=error is None)
        except SerializationError as unwritable:
            if error is None:
                end.outcome = Outcome.FAILED if run.job is None else Outcome.DEAD
            end.error = error = unwritable
            end.result = self._bare_result(run, unwritable, finished_ms)
        end.event = end.result if self._serializer is None else b""
        if end.outcome is Outcome.DEAD and error is not None:
            end.failure = self.failure(run, error)
        return end

    def retrying(self, run: Running, end: Ending, error: BaseException, finished_ms: int) -> None:
        """Tell the stream of events of a run that ends with another try."""
        if self._serializer is None:
            end.event = self._result(run, error, finished_ms, success=None)

    @staticmethod
    def failure(run: Running, error: BaseException) -> bytes:
        """Return the failure of one try."""
        return serialize_failure(run.name, error)

    def _bare_result(self, run: Running, error: SerializationError, finished_ms: int) -> bytes:
        """Return the result that says why there is none; without the arguments if need be."""
        try:
            return self._result(run, error, finished_ms, success=False)
        except SerializationError:
            record = run.record or UNREADABLE
            run.record = Record(record.function, [], {}, record.enqueued_ms)
            run.args, run.kwargs = (), {}
            return self._result(run, error, finished_ms, success=False)

    def _result(
        self, run: Running, value: object, finished_ms: int, *, success: bool | None
    ) -> bytes:
        record = run.record or UNREADABLE
        started = run.started_ms or finished_ms
        if self._serializer is None:
            return serialize_outcome(
                record, value, success=success, job_id=run.job_id, queue=self.queue,
                tries=run.job_try, started_ms=started, finished_ms=finished_ms,
            )  # fmt: skip
        written = serialize_result(
            record.function, run.args, run.kwargs, run.job_try, record.enqueued_ms, bool(success),
            value, started, finished_ms, f"{run.job_id}:{record.function}", self.queue, run.job_id,
            serializer=self._serializer,
        )  # fmt: skip
        if written is None:
            raise SerializationError(f"the result of {record.function} cannot be written")
        return written


def cancelled() -> asyncio.CancelledError:
    """Return what arq leaves as the result of an aborted job."""
    return asyncio.CancelledError()


def described(arguments: tuple[object, ...]) -> str:
    """Return arguments for a log line, in bounds."""
    text = ", ".join(map(repr, arguments))
    return text if len(text) <= 80 else f"{text[:79]}…"
