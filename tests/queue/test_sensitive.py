"""Sensitive jobs: nothing of their values is readable in Redis, and all of it comes back."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from arq.connections import ArqRedis
from arq.jobs import Job

from service.kit.crypto import Keyring
from service.queue import (
    DecodeError,
    EncodeError,
    JobState,
    QueueClient,
    RemoteError,
    cancel,
    inspect,
    use_keyring,
)
from service.queue.codec import deserialize, parse, parse_failure, serialize, serialize_failure
from service.queue.failures import reveal
from service.queue.sealing import MASK
from tests.queue.examples import KEY, Runs, echo, secret, stock_worker
from tests.queue.raw import everything

TOKEN = "hunter2-and-more"
OLD, NEW = "the old secret key", "the new secret key"
AT = datetime(2040, 1, 2, tzinfo=UTC)


@pytest.fixture(autouse=True)
def keyring() -> Iterator[None]:
    """Encrypt as a running installation does."""
    use_keyring(Keyring([OLD]))
    yield
    use_keyring(None)


def payload(name: str = "examples.secret", **result: Any) -> bytes:
    data = {"t": 1, "f": name, "a": (), "k": {"token": TOKEN, "until": AT}, "et": 1}
    return serialize(data | result)


def result(value: object, *, success: bool = True) -> dict[str, Any]:
    return {"s": success, "r": value, "st": 1, "ft": 2, "q": KEY, "id": "one"}


async def tells(client: QueueClient) -> bool:
    """Whether the token is anywhere on the server."""
    return TOKEN in str(await everything(client))


@pytest.mark.asyncio
async def test_nothing_of_it_is_readable_in_redis(client: QueueClient, stock: ArqRedis) -> None:
    """V084: marked fields are unreadable in a dump, waiting and ended; and come back exact."""
    good = await client.enqueue(secret(token=TOKEN, until=AT))
    bad = await client.enqueue(secret(token=f"bad {TOKEN}"))
    assert good is not None
    assert bad is not None
    assert not await tells(client)
    runs = Runs()
    await stock_worker(stock, runs).async_run()
    assert sorted(runs.calls, key=str) == [
        ("secret", {"token": f"bad {TOKEN}", "until": None}),
        ("secret", {"token": TOKEN, "until": AT}),
    ]
    assert len(await client.keys("arq:result:*")) == 2
    assert not await tells(client)
    assert await good.result() == {"used": TOKEN}
    with pytest.raises(ValueError, match=f"bad {TOKEN}"):
        await bad.result()
    await client.enqueue(echo(number=1, text=TOKEN))
    assert await tells(client), "of another job it would be found"


@pytest.mark.asyncio
async def test_views_mask_it_unless_asked(client: QueueClient, stock: ArqRedis) -> None:
    await client.enqueue(secret(token=TOKEN).deferred(job_id="good"))
    await client.enqueue(secret(token=f"bad {TOKEN}").deferred(job_id="bad"))
    waiting = await inspect(client, "good")
    assert waiting is not None
    assert waiting.kwargs == {"token": MASK, "until": MASK}
    assert MASK == "‹sensitive›"  # noqa: RUF001 - the quotes are part of it
    shown = await inspect(client, "good", unmask=True)
    assert shown is not None
    assert shown.kwargs == {"token": TOKEN}
    await stock_worker(stock, Runs()).async_run()
    good, bad = await inspect(client, "good"), await inspect(client, "bad")
    assert good is not None
    assert bad is not None
    assert TOKEN not in f"{good} {bad}"
    assert (good.state, good.result) == (JobState.SUCCEEDED, MASK)
    assert bad.error is not None
    assert (bad.state, bad.error.type, bad.error.message) == (JobState.FAILED, "ValueError", MASK)
    seen = await inspect(client, "bad", unmask=True)
    assert seen is not None
    assert seen.error is not None
    assert seen.error.message == f"bad {TOKEN}"
    assert "Traceback" in seen.error.traceback


@pytest.mark.asyncio
async def test_cancelling_needs_no_key(client: QueueClient) -> None:
    await client.enqueue(secret(token=TOKEN).deferred(job_id="one"))
    use_keyring(None)
    assert await cancel(client, "one") is True
    view = await inspect(client, "one")
    assert view is not None
    assert (view.state, view.kwargs["token"]) == (JobState.CANCELLED, MASK)
    assert not await tells(client)
    use_keyring(Keyring([OLD]))
    with pytest.raises(asyncio.CancelledError):
        await Job("one", client, KEY, deserialize).result()
    shown = await inspect(client, "one", unmask=True)
    assert shown is not None
    assert shown.kwargs == {"token": TOKEN}


def test_a_payload_says_what_it_is_and_nothing_else() -> None:
    written = json.loads(payload())
    assert (written["v"], written["a"], written["k"]) == (2, [], {})
    assert written["f"] == "examples.secret"
    assert set(written) == {"v", "f", "a", "k", "t", "et", "c"}


def test_values_come_back_exact() -> None:
    assert deserialize(payload())["k"] == {"token": TOKEN, "until": AT}
    assert deserialize(payload(**result({"used": TOKEN})))["r"] == {"used": TOKEN}
    rebuilt = deserialize(payload(**result(KeyError(TOKEN), success=False)))["r"]
    assert type(rebuilt) is KeyError
    assert rebuilt.args == (TOKEN,)


def test_rotation_keeps_old_payloads_readable() -> None:
    """The old key decrypts, new payloads are written with the new one."""
    old = payload(**result({"used": TOKEN}))
    use_keyring(Keyring([NEW, OLD]))
    assert deserialize(old)["r"] == {"used": TOKEN}
    new = payload()
    use_keyring(Keyring([NEW]))
    assert deserialize(new)["k"]["token"] == TOKEN
    with pytest.raises(DecodeError, match=r"job examples\.secret cannot be decrypted.*SECRET_KEY"):
        deserialize(old)


def test_without_a_key_the_setting_is_named() -> None:
    written = payload(**result({"used": TOKEN}))
    use_keyring(None)
    with pytest.raises(EncodeError, match=r"job examples\.secret is sensitive.*set SECRET_KEY"):
        payload()
    with pytest.raises(DecodeError, match=r"job examples\.secret is encrypted.*set SECRET_KEY"):
        deserialize(written)


@pytest.mark.parametrize("change", ["function", "byte", "text"])
def test_a_changed_ciphertext_is_refused(change: str) -> None:
    written = json.loads(payload())
    if change == "function":
        written["f"] = "examples.echo"
    elif change == "byte":
        written["c"] = written["c"][:-8] + "AAAAAAA="
    else:
        written["c"] = "no base64!"
    with pytest.raises(DecodeError, match="cannot be decrypted"):
        deserialize(json.dumps(written).encode())


def test_arguments_are_no_result() -> None:
    """A ciphertext decrypts only in its place."""
    written = json.loads(payload(**result({"used": TOKEN})))
    written["r"]["sealed"] = written["c"]
    with pytest.raises(DecodeError, match="the outcome of job"):
        deserialize(json.dumps(written).encode())


def test_an_older_release_refuses_it() -> None:
    """It would call the function without arguments."""
    assert parse(payload()).version == 2


def test_errors_of_tries_are_encrypted() -> None:
    written = serialize_failure("examples.secret", ValueError(TOKEN))
    assert TOKEN.encode() not in written
    failure = parse_failure(written)
    assert (failure.type, failure.message, failure.traceback) == ("ValueError", MASK, "")
    assert reveal(failure, "examples.secret").message == TOKEN
    plain = parse_failure(serialize_failure("examples.echo", RemoteError("x.Y", "z")))
    assert plain.message == "x.Y: z"
    with pytest.raises(DecodeError, match="the error of a try cannot be read"):
        parse_failure(b"{")
