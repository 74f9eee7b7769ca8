"""Jobs of calls."""

from typing import Any

from service.calls.rules import CallFailed, CallRefused, Json
from service.queue import Queue, RetryPolicy, job


@job(
    "calls.api_call",
    queue=Queue.DEFAULT,
    coroutine="workers.calls.api_call",
    timeout=60,
    keep_result=86_400,
    # Only these: a fault of our own after the answer must not repeat the call.
    retry=RetryPolicy(
        tries=4,
        delay=60,
        factor=1,
        cap=60,
        jitter=0,
        permanent=(CallRefused,),
        transient=(CallFailed, TimeoutError),
    ),
    # Endpoints and bodies carry keys and private data: nobody reads them where jobs are stored.
    sensitive=True,
)
async def api_call(endpoint: str, method: str, data: Json = None) -> dict[str, Any]:
    """Call an HTTP API, with `data` as its JSON body, and return its answer.

    What cannot be reached, 429 and any 5xx are tried three more times, after a minute each or when
    the answer's Retry-After says. Any other answer that is no success ends the job. Each try sends
    the job's id as `Idempotency-Key`, so that the receiver can tell a repeat. Arguments and answer
    are stored encrypted; `GET /v1/calls/{id}` shows the answer for a day to who asked for it.
    Returns `status`, some `headers`, `body`, and whether that was too long to be kept (`omitted`).
    """
    raise NotImplementedError
