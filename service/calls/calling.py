"""One call: send it, judge the answer."""

from typing import Any
from urllib.parse import urlsplit

from service.calls import answers, rules
from service.calls.rules import CallFailed, CallRefused, Json
from service.errors import InvalidInput
from service.kit.clock import now
from service.kit.outbound import Answer, AnswerLost, AnswerTooLarge, NotSent, OutboundRefused
from service.platforms.http import wait_until
from service.runtime import Runtime

DEADLINE = 45.0
"""Seconds for the whole call."""


async def call(
    runtime: Runtime, endpoint: str, method: str, data: Json, job_id: str
) -> dict[str, Any]:
    """Make a call; return `status`, `headers` and `body` of its answer.

    Args:
        runtime: has the client that judges addresses.
        endpoint: an http or https URL.
        method: one of `rules.Method`.
        data: the JSON body; None sends none.
        job_id: sent as Idempotency-Key.

    Raises:
        CallRefused: it may not be made, or its receiver does not want it.
        CallFailed: it may succeed later.
    """
    if wrong := list(rules.problems(endpoint, method, data)):
        raise CallRefused(InvalidInput(wrong).message)
    parts: dict[str, Any] = {} if data is None else {"json": data}
    # Neither path nor query: they may hold a secret, as those of chat hooks do.
    name = f"{method} {urlsplit(endpoint).hostname}"
    try:
        answer = await runtime.outbound.request(
            method,
            endpoint,
            deadline=DEADLINE,
            max_answer=rules.MAX_ANSWER,
            headers={"Idempotency-Key": job_id},
            **parts,
        )
    except (OutboundRefused, AnswerTooLarge) as error:
        raise CallRefused(f"{name}: {error.message}") from error
    except (NotSent, AnswerLost) as error:
        raise CallFailed(f"{name}: {error.message}") from error
    return _judged(name, answer)


def _judged(name: str, answer: Answer) -> dict[str, Any]:
    if answer.is_success:
        return answers.result(answer.status, answer.headers, answer.body)
    text = f"{name}: {rules.refusal(answer.status, answer.headers.get('location'), answer.body)}"
    if not rules.is_transient(answer.status):
        raise CallRefused(text)
    asked = "retry-after" in answer.headers
    seconds = (wait_until(answer) - now()).total_seconds() if asked else None
    raise CallFailed(text, seconds)
