"""Payloads: JSON that comes back exact, and what is refused."""

import asyncio
import json
import pickle
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from arq.jobs import DeserializationError, SerializationError, deserialize_job, serialize_job
from arq.worker import JobExecutionFailed, Retry
from hypothesis import given
from hypothesis import strategies as st

from service.errors import AlmanacError
from service.queue.codec import MAX_PAYLOAD_BYTES, deserialize, parse, serialize
from service.queue.errors import DecodeError, EncodeError, NotJSON, PayloadTooLarge, RemoteError
from tests.queue.examples import Colour, Exploit, Letter, Level, Parcel, Point, Unknown

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-(2**63), 2**64 - 1)
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
instants = st.datetimes(
    datetime(1, 1, 2),  # noqa: DTZ001 - Hypothesis adds the zone
    datetime(9999, 12, 30),  # noqa: DTZ001 - so does it here
    timezones=offsets,
)
exact_arguments = st.fixed_dictionaries(
    {
        "uid": st.uuids(),
        "instant": instants,
        "amount": st.decimals(allow_nan=False),
        "blob": st.binary(max_size=50),
        "span": st.timedeltas(),
        "tags": st.sets(texts, max_size=3),
        "pair": st.tuples(integers, floats),
        "colour": st.sampled_from(Colour),
        "level": st.sampled_from(Level),
        "point": st.builds(Point, floats, instants),
        "parcel": st.builds(Parcel, st.decimals(allow_nan=False), st.binary(max_size=50)),
        "letter": st.builds(
            Letter, sender=st.uuids(), pages=st.lists(st.integers(0, 9), max_size=3), sent=instants
        ),
        "counts": st.dictionaries(integers, st.uuids(), max_size=3),
        "maybe": st.none() | instants,
    }
)


def job_data(name: str = "examples.echo", **kwargs: Any) -> dict[str, Any]:
    return {"f": name, "a": (), "k": kwargs, "t": None, "et": 1_700_000_000_000}


def result_data(
    result: Any, name: str = "examples.fail", *, success: bool = True
) -> dict[str, Any]:
    return job_data(name) | {
        "t": 1,
        "s": success,
        "r": result,
        "st": 1_700_000_000_001,
        "ft": 1_700_000_000_002,
        "q": "almanac:examples",
        "id": "abc",
    }


@given(exact_arguments)
def test_declared_arguments_come_back_exact(arguments: dict[str, Any]) -> None:
    """K012: JSON, and every value keeps its value and its type."""
    payload = serialize(job_data("examples.exact", **arguments))
    json.loads(payload)
    data = deserialize(payload)
    assert data == {**job_data("examples.exact", **arguments)}
    assert {k: type(v) for k, v in data["k"].items()} == {k: type(v) for k, v in arguments.items()}
    assert type(data["k"]["point"].at) is datetime
    assert data["k"]["instant"].utcoffset() == arguments["instant"].utcoffset()


@given(st.dictionaries(st.uuids(), st.builds(Letter, sender=st.uuids(), pages=st.just([1]))))
def test_declared_results_come_back_exact(result: dict[UUID, Letter]) -> None:
    data = result_data(result, "examples.twin")
    assert deserialize(serialize(data)) == data


json_values = st.recursive(
    st.none() | st.booleans() | integers | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(json_values, max_size=3), st.dictionaries(texts, json_values, max_size=3))
def test_undeclared_functions_are_plain_json(args: list[Any], kwargs: dict[str, Any]) -> None:
    data = {"f": "elsewhere", "a": tuple(args), "k": kwargs, "t": 2, "et": 3}
    assert deserialize(serialize(data)) == data


@given(st.binary())
def test_reading_garbage_raises_only_decode_errors(payload: bytes) -> None:
    with pytest.raises(DecodeError):
        deserialize(payload)


def test_positional_arguments_take_the_declared_types_too() -> None:
    uid = UUID(int=7)
    data = job_data("examples.publish") | {"a": (uid, 3)}
    assert deserialize(serialize(data))["a"] == (uid, 3)


def test_the_payload_is_readable_and_versioned() -> None:
    """G063: the payload is JSON text with arq's keys."""
    payload = serialize(job_data(number=1) | {"h": {"trace": "00-1-2-01"}})
    assert json.loads(payload) == {
        "v": 1,
        "f": "examples.echo",
        "a": [],
        "k": {"number": 1},
        "t": None,
        "et": 1_700_000_000_000,
        "h": {"trace": "00-1-2-01"},
    }
    assert parse(payload).headers == {"trace": "00-1-2-01"}


def test_json_written_without_a_version_is_read() -> None:
    assert deserialize(b'{"f":"x","a":[1],"k":{},"t":null,"et":5}')["a"] == (1,)


@dataclass
class Wrapper:
    value: Any


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 2**64, -(2**63) - 1, Wrapper([{1: float("-inf")}])]
)
def test_numbers_that_json_would_change_are_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match=r"job examples.echo: .* (no JSON number|64 bits)"):
        serialize(job_data(number=value))


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(seconds=30))),
        time(1, tzinfo=timezone(timedelta(seconds=90))),
    ],
)
def test_offsets_that_json_would_round_are_refused(value: Any) -> None:
    with pytest.raises(EncodeError, match="has a UTC offset with seconds; pass it in UTC"):
        serialize(job_data(number=value))


def test_values_that_json_cannot_hold_are_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    for value in (object(), "\udcff", complex(1, 2), {(1, 2): 3}, endless):
        with pytest.raises(EncodeError, match=r"job examples.echo: "):
            serialize(job_data(number=value))


def test_a_payload_too_large_is_refused() -> None:
    overhead = len(serialize(job_data(text="")))
    assert len(serialize(job_data(text="x" * (MAX_PAYLOAD_BYTES - overhead)))) == MAX_PAYLOAD_BYTES
    with pytest.raises(
        PayloadTooLarge,
        match=r"job examples.echo: its payload has 1,048,577 bytes, at most 1,048,576 are allowed",
    ):
        serialize(job_data(text="x" * (MAX_PAYLOAD_BYTES - overhead + 1)))
    with pytest.raises(PayloadTooLarge, match="has 104 bytes, at most 100 are"):
        serialize(job_data(text="x" * (104 - overhead)), limit=100)


def test_the_result_of_the_largest_job_fits() -> None:
    overhead = len(serialize(job_data("elsewhere", text="")))
    kwargs = {"text": "x" * (MAX_PAYLOAD_BYTES - overhead)}
    serialize(job_data("elsewhere", **kwargs))
    serialize(result_data("y" * 1000, "elsewhere") | {"k": kwargs})


def test_errors_are_ours_and_arqs() -> None:
    """arq's callers catch SerializationError, ours AlmanacError."""
    for ours, theirs in (
        (EncodeError, SerializationError),
        (PayloadTooLarge, SerializationError),
        (DecodeError, DeserializationError),
        (NotJSON, DeserializationError),
    ):
        assert issubclass(ours, AlmanacError)
        assert issubclass(ours, theirs)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_never_read(tmp_path: Path, protocol: int) -> None:
    """G063: a pickle payload is rejected and nothing of it runs."""
    target = tmp_path / "executed"
    payload = pickle.dumps({"f": Exploit(target)}, protocol)
    with pytest.raises(NotJSON) as caught:
        deserialize(payload)
    assert ("the payload is a pickle" in str(caught.value)) == (protocol >= 2)
    assert not target.exists()
    pickle.loads(payload)
    assert target.exists(), "the payload was harmless: this test proves nothing"


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "the payload is not JSON"),
        (b'{"f":', "the payload is not JSON"),
        (b"[1]", "the payload is no job of arq: Expected `object`, got `array`"),
        (b'{"f":"x"}', "missing required field `a`"),
        (b'{"f":"x","a":[],"k":{},"et":1,"v":3}', "has version 3, this release reads up to 2"),
        (
            b'{"f":"examples.publish","a":[],"k":{"version":"3"},"et":1}',
            "argument version of examples.publish: Expected `int`, got `str`",
        ),
        (
            b'{"f":"examples.publish","a":[],"k":{"lane":1},"et":1}',
            r"unknown argument lane for examples.publish\(delivery_id",
        ),
        (
            b'{"f":"examples.publish","a":[1,2,3],"k":{},"et":1}',
            r"3 positional arguments for examples.publish\(delivery_id",
        ),
    ],
)
def test_unreadable_payloads_say_why(payload: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        deserialize(payload)


def round_trip(error: BaseException) -> BaseException:
    rebuilt = deserialize(serialize(result_data(error, success=False)))["r"]
    assert isinstance(rebuilt, BaseException)
    return rebuilt


def raised(error: BaseException) -> BaseException:
    try:
        raise error  # noqa: TRY301 - for its traceback
    except (Exception, asyncio.CancelledError) as caught:  # noqa: BLE001 - it is returned
        return caught


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        ValueError("bad", 3, None),
        KeyError("gone"),
        TimeoutError(),
        FileNotFoundError(2, "No such file"),
        JobExecutionFailed("max 5 retries exceeded"),
        ValueError("undecodable: \udcff"),
    ],
)
def test_known_exceptions_are_rebuilt(error: BaseException) -> None:
    rebuilt = round_trip(raised(error))
    assert type(rebuilt) is type(error)
    assert str(rebuilt) == str(error).replace("\udcff", "\\udcff")
    assert "test_codec.py" in rebuilt.__notes__[0]


def test_a_retry_keeps_its_delay() -> None:
    rebuilt = round_trip(Retry(defer=2.5))
    assert isinstance(rebuilt, Retry)
    assert rebuilt.defer_score == 2500


def test_other_exceptions_are_only_named() -> None:
    rebuilt = round_trip(raised(Unknown("no such class")))
    assert isinstance(rebuilt, RemoteError)
    assert rebuilt.type == "tests.queue.examples.Unknown"
    assert rebuilt.message == "no such class"
    assert str(rebuilt) == "tests.queue.examples.Unknown: no such class"
    assert "raise error" in rebuilt.traceback


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "eval", "SystemExit", "no.such"])
def test_a_payload_cannot_name_what_is_called(name: str) -> None:
    payload = json.loads(serialize(result_data(ValueError("x"), success=False)))
    payload["r"]["type"] = name
    rebuilt = deserialize(json.dumps(payload).encode())["r"]
    assert isinstance(rebuilt, RemoteError)
    assert (rebuilt.type, rebuilt.message) == (name, "x")


def test_arguments_that_no_such_exception_takes_are_named() -> None:
    payload = json.loads(serialize(result_data(Retry(defer=1), success=False)))
    payload["r"]["arguments"] = [1e308]
    rebuilt = deserialize(json.dumps(payload).encode())["r"]
    assert isinstance(rebuilt, RemoteError)
    assert rebuilt.type == "arq.worker.Retry"


def test_exceptions_that_need_more_than_text_are_named() -> None:
    rebuilt = round_trip(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"))
    assert isinstance(rebuilt, RemoteError)
    assert rebuilt.type == "UnicodeDecodeError"
    rebuilt = round_trip(ValueError(2**70))
    assert isinstance(rebuilt, ValueError)
    assert rebuilt.args == (str(2**70),)


def test_a_long_traceback_keeps_its_end() -> None:
    error = raised(ValueError("x" * 20_000 + " the end"))
    failure = parse(serialize(result_data(error, success=False))).failure()
    assert len(failure.traceback) == 16_384
    assert failure.traceback.endswith("the end\n")
    assert len(failure.message) == 20_008


def test_arqs_own_functions_use_the_codec() -> None:
    payload = serialize_job("examples.publish", (), {"version": 1}, None, 5, serializer=serialize)
    assert deserialize_job(payload, deserializer=deserialize).kwargs == {"version": 1}
    with pytest.raises(SerializationError) as caught:
        serialize_job("examples.publish", (object(),), {}, None, 5, serializer=serialize)
    assert isinstance(caught.value.__cause__, EncodeError)
