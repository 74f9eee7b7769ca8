"""What random histories seldom reach: many calls of one worker, ends of what has just expired."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine_model.model import BEHIND, GONE, LEASE, MOST_CRASHES, sha_of
from tests.engine_model.server import QUEUE, Server

NOW = 1_700_000_000_000
PAYLOAD = b"{1}"


@pytest.fixture
def server(valkey_socket_url: str) -> Iterator[Server]:
    server = Server(valkey_socket_url)
    yield server
    server.close()


def add(server: Server, *ids: str) -> None:
    for job_id in ids:
        server.send("ZADD", QUEUE, NOW, job_id)
        server.send("SET", f"arq:job:{job_id}", PAYLOAD)


def claim(server: Server, number: int = 1, wanted: int = 100, incarnation: str = "aa.1") -> Any:
    arguments = (incarnation, number, wanted, LEASE, "", 0, 0, MOST_CRASHES)
    return server.run("claim", NOW, *arguments)[5::4]


def finish(server: Server, number: int, *jobs: Any) -> Any:
    return server.run("finish", NOW, "aa.1", number, 100, BEHIND, 9000, "host:1", *jobs)


def end(job_id: str, outcome: str, at: int = NOW, sha: str = "") -> tuple[Any, ...]:
    return job_id, "aa.1:1", outcome, at, 2, NOW, sha, "result", 9000, "", "", ""


def plain(job_id: str, token: str = "aa.1:1", form: str = "plain") -> tuple[Any, ...]:
    return job_id, token, form, "result"


def of_jobs(server: Server) -> Any:
    """Return what the database holds but remembered answers and counts."""
    kept = (b":call:", b":counts")
    return [row for row in server.snapshot() if not any(name in row[0] for name in kept)]


def test_calls_are_compared_as_numbers(server: Server) -> None:
    """M4: call 10 comes after call 9, and a late one writes nothing."""
    add(server, "a", "b", "c")
    assert claim(server, 9, 1) == [b"a"]
    assert claim(server, 10, 1) == [b"b"]
    assert finish(server, 9, *plain("a", "aa.1:9")) == [1]
    before = of_jobs(server)
    assert finish(server, 1, *plain("b", "aa.1:10")) == [0]
    assert claim(server, 9) == []
    assert of_jobs(server) == before
    assert finish(server, 17, *plain("b", "aa.1:10")) == [1]
    assert claim(server, 11) == [b"c"]


@pytest.mark.parametrize("outcome", ["succeeded", "dead", "retried"])
def test_another_payload_under_the_id_is_anothers(server: Server, outcome: str) -> None:
    """Rule 3: an ended lease is taken up again for the job that was claimed, not for its id."""
    add(server, "a")
    claim(server)
    server.send("DEL", "arq:in-progress:a")
    server.send("SET", "arq:job:a", "{2}")
    before = of_jobs(server)
    assert finish(server, 1, *end("a", outcome, sha=sha_of(PAYLOAD))) == [0]
    assert of_jobs(server) == before


def test_what_has_left_the_queue_is_not_taken_up_again(server: Server) -> None:
    """M1: its payload may be there, of a job in another queue, say."""
    add(server, "a")
    claim(server)
    server.send("DEL", "arq:in-progress:a")
    server.send("ZREM", QUEUE, "a")
    before = of_jobs(server)
    sha = sha_of(PAYLOAD)
    assert server.run("renew", NOW, "aa.1", LEASE, "a", "aa.1:1", sha) == [0]
    assert finish(server, 1, *end("a", "succeeded", sha=sha)) == [0]
    assert finish(server, 2, *plain("a")) == [0]
    assert of_jobs(server) == before


@pytest.mark.parametrize("outcome", ["retried", "snoozed", "released"])
def test_a_job_whose_payload_has_gone_is_not_queued_again(server: Server, outcome: str) -> None:
    """Rule 16: it would be claimed only to be found expired."""
    add(server, "a")
    claim(server)
    server.send("DEL", "arq:job:a")
    before = of_jobs(server)
    assert finish(server, 1, *end("a", outcome)) == [3]
    assert of_jobs(server) == before


def test_a_wait_that_ends_before_the_deadline_keeps_it(server: Server) -> None:
    """Rule 16: the payload outlives the wait, and still ends when it was meant to."""
    add(server, "a")
    server.send("PEXPIRE", "arq:job:a", 60_000)
    claim(server)
    assert finish(server, 1, *end("a", "retried", NOW + 1000)) == [1]
    assert server.send("ZSCORE", QUEUE, "a") == NOW + 1000
    assert 0 < server.send("PTTL", "arq:job:a") <= 60_000


def test_the_short_forms_differ_in_the_event(server: Server) -> None:
    add(server, "a", "b")
    claim(server)
    jobs = (*plain("a"), *plain("b", form="quiet"))
    assert finish(server, 1, *jobs) == [1, 1]
    events = server.send("XRANGE", f"{QUEUE}:events", "-", "+")
    assert [fields for _, fields in events] == [{b"": b"host:1", b"a": b"result"}]
    assert server.send("MGET", "arq:result:a", "arq:result:b") == [b"result", b"result"]


def test_the_short_form_of_an_ended_lease_is_asked_for_the_sha(server: Server) -> None:
    add(server, "a", "b")
    claim(server)
    server.send("DEL", "arq:in-progress:a")
    assert finish(server, 1, *plain("a"), *plain("b")) == [4, 1]


@pytest.mark.parametrize(("count", "encoding"), [(16, b"listpack"), (17, b"hashtable")])
def test_many_claims_are_noted_in_a_table(server: Server, count: int, encoding: bytes) -> None:
    """A long list would be searched for each job; making it a table leaves nothing behind."""
    ids = [f"j{n:02}" for n in range(count)]
    server.send("HSET", f"{QUEUE}:claims", "other", "bb.1:1")
    add(server, *ids)
    claim(server)
    noted = {b"other": b"bb.1:1", **{job_id.encode(): b"aa.1:1" for job_id in ids}}
    assert server.send("HGETALL", f"{QUEUE}:claims") == noted
    assert server.send("OBJECT", "ENCODING", f"{QUEUE}:claims") == encoding


def test_a_release_is_of_one_process(server: Server) -> None:
    """Rule 15: another's incarnation may begin with the same letters."""
    add(server, "a")
    claim(server, incarnation="aab.1")
    before = server.send("ZSCORE", QUEUE, "a")
    assert server.run("release", NOW, "aa", GONE, "a") == 0
    assert server.send("GET", "arq:in-progress:a") == b"aab.1:1"
    assert server.send("ZSCORE", QUEUE, "a") == before
