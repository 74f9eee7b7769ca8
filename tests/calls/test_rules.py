"""What a call may be, and what is kept of its answer, for any of them."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from service.calls import answers, rules
from service.queue import declared
from service.queue.values import encode
from workers.default import WorkerSettings

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.sampled_from(["application/json", "application/problem+json", "text/html", ""]), JSON)
def test_every_answer_can_be_stored(kind: str, value: Any) -> None:
    """T030: whatever a server says it sends, a call that succeeded ends well."""
    body = json.dumps(value).encode()
    kept = answers.result(200, {"content-type": kind, "set-cookie": "a=b"}, body)
    assert encode(kept)
    assert "set-cookie" not in kept["headers"]
    assert kept["body"] in (value, body.decode())


@given(st.binary(max_size=5000))
def test_an_excerpt_is_one_bounded_line(body: bytes) -> None:
    """T030."""
    line = rules.excerpt(body)
    assert line.isprintable()
    assert len(line) <= rules.MAX_EXCERPT + 1


@given(st.integers(100, 599))
def test_which_answers_are_tried_again(status: int) -> None:
    """T030: 5xx and three that say so; no other 4xx."""
    assert rules.is_transient(status) == (status >= 500 or status in {408, 425, 429})


def test_what_is_declared() -> None:
    """T030, K077: three retries after 60 s each; ten calls at a time."""
    policy = declared()["calls.api_call"].retry
    assert (policy.tries, policy.delay, policy.factor, policy.jitter) == (4, 60, 1, 0)
    assert vars(WorkerSettings)["max_jobs"] == 10
