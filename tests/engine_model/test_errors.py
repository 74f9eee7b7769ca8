"""M3: a script that fails on a key of another kind has changed nothing."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from redis.exceptions import ResponseError

from tests.engine_model.model import BEHIND, GONE, LEASE, MOST_CRASHES, sha_of
from tests.engine_model.server import QUEUE, Server

NOW = 1_700_000_000_000
TOKEN = "aa.1:1"
PAYLOAD = b"{1}"
ENDINGS = ("succeeded", "failed", "cancelled", "dead", "retried", "snoozed", "released")
SETS = [QUEUE, f"{QUEUE}:high", f"{QUEUE}:low", f"{QUEUE}:dead", "arq:abort"]
HASHES = [f"{QUEUE}:claims", f"{QUEUE}:crashes", f"{QUEUE}:dead:jobs", f"{QUEUE}:counts"]
OF_JOBS = [
    f"{kind}{job}" for kind in ("arq:in-progress:", "arq:job:", "arq:retry:") for job in "hx"
]
OTHERS = [f"{QUEUE}:attempts:h", f"{QUEUE}:events", "arq:result:h"]
KEYS = [*SETS, *HASHES, *OF_JOBS, *OTHERS]


def finish(outcome: str) -> tuple[str, list[Any]]:
    if outcome == "plain":
        return "finish", [
            "aa.1",
            1,
            100,
            BEHIND,
            9000,
            "w",
            "g",
            TOKEN,
            "plain",
            "r",
            "h",
            TOKEN,
            "plain",
            "r",
        ]
    arguments: list[Any] = ["aa.1", 1, 100, BEHIND, 9000, "w"]
    for job_id in "gh":
        arguments += (job_id, TOKEN, outcome, NOW + 5, 2, NOW, "", "r", 9000, "f", "e", "")
    return "finish", arguments


CALLS: dict[str, tuple[str, list[Any]]] = {
    "claim": ("claim", ["bb.1", 1, 10, LEASE, "", 0, 1, MOST_CRASHES]),
    "renew": ("renew", ["aa.1", LEASE, "g", TOKEN, sha_of(PAYLOAD), "h", TOKEN, sha_of(PAYLOAD)]),
    "release": ("release", ["aa", GONE, "g", "h"]),
    **{outcome: finish(outcome) for outcome in (*ENDINGS, "plain")},
    "enqueue": ("enqueue", ["high", "", BEHIND, "n", "", PAYLOAD]),
    "requeue": ("requeue", ["high", "", BEHIND, "n", "", PAYLOAD]),
    "cancel": ("cancel", ["x", "result", 0, 100]),
    "purge": ("purge", [100, "x", "event", "y", ""]),
    "replay": ("replay", [BEHIND, "d", "high"]),
    "discard": ("discard", ["d"]),
    "move_lane": ("move_lane", ["low", BEHIND, "x"]),
}


@pytest.fixture
def server(valkey_socket_url: str) -> Iterator[Server]:
    """Jobs g and h are held, x and y wait, with crashes; d is dead."""
    server = Server(valkey_socket_url)
    for job_id in "ghxy":
        held = job_id in "gh"
        server.send("ZADD", QUEUE, NOW + LEASE if held else NOW, job_id)
        server.send("SET", f"arq:job:{job_id}", PAYLOAD)
        server.send("SET", f"arq:retry:{job_id}", 1)
        server.send("RPUSH", f"{QUEUE}:attempts:{job_id}", "failure")
        server.send("HSET", f"{QUEUE}:claims", job_id, TOKEN)
        if held:
            server.send("SET", f"arq:in-progress:{job_id}", TOKEN)
    server.send("HSET", f"{QUEUE}:crashes", "y", 1)
    server.send("ZADD", f"{QUEUE}:high", NOW, "x")
    server.send("ZADD", f"{QUEUE}:low", NOW, "y")
    server.send("ZADD", f"{QUEUE}:dead", NOW, "d")
    server.send("HSET", f"{QUEUE}:dead:jobs", "d", PAYLOAD)
    yield server
    server.close()


def spoil(server: Server, key: str) -> None:
    """Make it a key that no script expects there."""
    server.send("DEL", key)
    server.send(*(("SET", key, "other") if ":attempts:" in key else ("LPUSH", key, "other")))


@pytest.mark.parametrize(("call", "key"), list(itertools.product(CALLS, KEYS)))
def test_a_failing_script_has_changed_nothing(server: Server, call: str, key: str) -> None:
    spoil(server, key)
    before = server.snapshot()
    name, arguments = CALLS[call]
    try:
        server.run(name, NOW, *arguments)
    except ResponseError as error:
        assert "WRONGTYPE" in str(error)
        assert server.snapshot() == before


@pytest.mark.parametrize(
    ("call", "keys"),
    [("claim", SETS[:3]), ("renew", SETS[:3]), ("release", SETS[:1]), ("succeeded", SETS[:4])],
)
def test_a_key_that_a_script_needs_makes_it_fail(
    server: Server, call: str, keys: Sequence[str]
) -> None:
    """Or the test above would prove nothing."""
    name, arguments = CALLS[call]
    for key in keys:
        kept = server.send("DUMP", key)
        spoil(server, key)
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            server.run(name, NOW, *arguments)
        server.send("RESTORE", key, 0, kept, "REPLACE")
