"""What is told of an end, and what an answer means, without any server."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.webhooks.rules import (
    MAX_EXCERPT,
    MAX_RESULT,
    JobEnd,
    Verdict,
    event_of,
    excerpt,
    next_delay,
    verdict,
)

MOMENT = datetime(2030, 1, 1, tzinfo=UTC)


def end(name: str = "reports.make", result: object = None) -> JobEnd:
    return JobEnd(
        id="a", run="1", name=name, queue="reports", state="succeeded", tries=1, result=result,
        error_type=None, error="", enqueued_at=MOMENT, started_at=None, finished_at=MOMENT,
    )  # fmt: skip


def test_a_result_is_sent_up_to_its_limit() -> None:
    largest = "x" * (MAX_RESULT - 2)
    assert event_of(end(result=largest)).data["result"] == largest
    told = event_of(end(result=largest + "x")).data
    assert (told["result"], told["result_omitted"]) == (None, True)


@pytest.mark.parametrize(
    ("name", "told"),
    [("reports.make", True), ("webhooks.deliver", False), ("notifications.mail", False)],
)
def test_what_tells_is_not_told_of(name: str, told: bool) -> None:
    assert end(name).told is told


@given(st.integers(100, 599))
def test_every_status_has_a_meaning(status: int) -> None:
    found = verdict(status)
    assert (found is Verdict.DELIVERED) == (200 <= status < 300)
    assert (found is Verdict.GONE) == (status == 410)
    assert found is not Verdict.RETRY or status >= 500 or status in (408, 425, 429)
    assert found is not Verdict.REFUSED or status < 500


@given(st.lists(st.floats(0, 86_400), max_size=8), st.floats(0, 86_400) | st.none())
def test_as_many_waits_as_there_are_gaps(gaps: list[float], asked: float | None) -> None:
    wanted = None if asked is None else timedelta(seconds=asked)
    for attempts, gap in enumerate(gaps, 1):
        delay = next_delay(gaps, attempts, wanted)
        assert delay == max(timedelta(seconds=gap), wanted or timedelta())
    assert next_delay(gaps, len(gaps) + 1, wanted) is None


@given(st.binary(max_size=5000))
def test_an_excerpt_can_be_stored(answer: bytes) -> None:
    kept = excerpt(answer)
    assert len(kept) <= MAX_EXCERPT
    assert "\x00" not in kept
    assert "\x1b" not in kept
    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept
