"""Declaring and calling jobs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from inspect import signature
from typing import Any
from uuid import UUID

import pytest

from service.queue import RetryPolicy, declared, job
from tests.queue import examples

DELIVERY = UUID("13821da1-081a-4066-9789-d8067bebdfc7")


def test_a_declaration_says_all_about_the_job() -> None:
    """T008: the registry lists every job with its policy."""
    publish = declared()["examples.publish"]
    assert publish is examples.publish
    assert (publish.queue, publish.timeout, publish.keep_result) == ("examples", 3600, 0)
    assert (publish.retry, publish.history, publish.lane) == (RetryPolicy(), "all", "normal")
    assert publish.coroutine == "tests.queue.examples.publish"
    assert publish.doc == "Publish one delivery."
    assert list(publish.signature.parameters) == ["delivery_id", "version"]


@pytest.mark.parametrize(
    "call", [examples.publish(DELIVERY, 3), examples.publish(version=3, delivery_id=DELIVERY)]
)
def test_a_call_carries_its_arguments_by_name(call: Any) -> None:
    assert (call.name, call.queue, call.args) == ("examples.publish", "examples", ())
    assert call.kwargs == {"delivery_id": DELIVERY, "version": 3}
    assert (call.job_id, call.run_at) == (None, None)


def test_a_call_can_be_deferred_and_named() -> None:
    until = datetime(2030, 1, 1, tzinfo=UTC)
    call = examples.publish(DELIVERY, 3).deferred(until=until, job_id="publish:1")
    assert (call.run_at, call.job_id, call.kwargs["version"]) == (until, "publish:1", 3)
    assert call.deferred().job_id == "publish:1"
    with pytest.raises(ValueError, match=r"run_at 2030-01-01 00:00:00 of job examples.publish"):
        call.deferred(until=until.replace(tzinfo=None))


# Each ignore below also proves that the type checker refuses the call: mypy reports unused ignores.
def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match=r"examples.publish: missing a required argument: 'ver"):
        examples.publish(DELIVERY)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"examples.publish: got an unexpected keyword argument"):
        examples.publish(DELIVERY, 3, lane="high")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"examples.echo: too many positional arguments"):
        examples.echo(3)  # type: ignore[call-arg]
    examples.publish("not a UUID", 3)  # type: ignore[arg-type]


def test_a_name_is_declared_once() -> None:
    with pytest.raises(ValueError, match=r"job examples.echo is declared twice"):
        job("examples.echo", queue="examples", coroutine="x.y")


@pytest.mark.parametrize(
    "name", ["publish", "Posts.publish", "posts.publish.now", "posts.", "p-q.r"]
)
def test_names_are_domain_and_verb(name: str) -> None:
    with pytest.raises(ValueError, match=r"must be domain.verb"):
        job(name, queue="examples", coroutine="x.y")
    assert name not in declared()


def test_queue_names_are_checked() -> None:
    with pytest.raises(ValueError, match="queue name 'almanac:x'"):
        job("examples.other", queue="almanac:x", coroutine="x.y")


def not_async(number: int) -> None:
    """Do it."""


async def without_doc(number: int) -> None:
    pass


async def variadic(*numbers: int) -> None:
    """Do it."""


async def positional(number: int, /) -> None:
    """Do it."""


async def indistinct(value: UUID | str) -> None:
    """Do it."""


async def unannotated(number) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - on purpose
    """Do it."""


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        (not_async, "must be an async function with a docstring"),
        (without_doc, "must be an async function with a docstring"),
        (variadic, r"parameter \*numbers: int cannot be passed by name"),
        (positional, "parameter number: int cannot be passed by name"),
        (unannotated, "parameter number needs an annotation"),
        (indistinct, "more than one str-like type"),
    ],
)
def test_unfit_stubs_are_refused(stub: Callable[..., Awaitable[None]], reason: str) -> None:
    with pytest.raises(TypeError, match=reason):
        job("examples.unfit", queue="examples", coroutine="x.y")(stub)  # type: ignore[arg-type]
    assert "examples.unfit" not in declared()


def test_the_coroutines_take_what_the_stubs_state() -> None:
    for job_type in (examples.echo, examples.publish, examples.twin, examples.fail, examples.sleep):
        coroutine = getattr(examples.Runs(), job_type.coroutine.rpartition(".")[2])
        assert list(signature(coroutine).parameters)[1:] == list(job_type.signature.parameters)
