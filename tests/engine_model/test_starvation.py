"""What random histories do not reach: many ids that cannot be claimed, a clock that was set."""

from collections.abc import Iterator

import pytest

from tests.engine_model.model import LEASE, MOST_CRASHES
from tests.engine_model.server import QUEUE, Server

NOW = 1_700_000_000_000


@pytest.fixture
def server(valkey_socket_url: str) -> Iterator[Server]:
    server = Server(valkey_socket_url)
    yield server
    server.close()


def test_jobs_behind_many_that_are_held_are_claimed(server: Server) -> None:
    """Rule 13: arq's workers leave the score of what they run in front."""
    for n in range(1500):
        server.send("ZADD", QUEUE, NOW - 2000 + n, f"held{n}")
        server.send("SET", f"arq:in-progress:held{n}", 1)
    for n in range(5):
        server.send("ZADD", QUEUE, NOW, f"ready{n}")
        server.send("SET", f"arq:job:ready{n}", "{}")
    found, pass_over = [], 0
    for number in (1, 2):
        reply = server.run("claim", NOW, "a.1", number, 100, LEASE, "", pass_over, 0, MOST_CRASHES)
        pass_over, jobs = reply[4], reply[5:]
        found += jobs[::4]
        assert bool(jobs) == (number == 2)
        assert bool(pass_over) == (number == 1)
    assert found == [b"ready0", b"ready1", b"ready2", b"ready3", b"ready4"]


@pytest.mark.parametrize(("off", "status"), [(500, b"ok"), (501, b"jump"), (-501, b"jump")])
def test_nothing_is_claimed_by_a_clock_that_was_set(
    server: Server, off: int, status: bytes
) -> None:
    """Rule 3: leases are made sure of first."""
    server.send("ZADD", QUEUE, NOW - 1000, "a")
    server.send("SET", "arq:job:a", "{}")
    reply = server.run("claim", NOW, "a.1", 1, 10, LEASE, NOW + off, 0, 0, MOST_CRASHES)
    assert reply[0] == status
    assert bool(reply[5:]) == (status == b"ok")
    assert bool(server.send("EXISTS", "arq:in-progress:a")) == (status == b"ok")


def test_high_leaves_a_tenth_to_those_who_wait_longest(server: Server) -> None:
    for n in range(40):
        lane = "normal" if n < 20 else "high"
        server.run("enqueue", NOW - 100 + n, lane, "", 300_000, f"{lane}{n}", "", "{}")
    reply = server.run("claim", NOW, "a.1", 1, 20, LEASE, "", 0, 0, MOST_CRASHES)
    assert [job.startswith(b"high") for job in reply[5::4]].count(True) == 18
