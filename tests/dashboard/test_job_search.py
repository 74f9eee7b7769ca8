"""The search line of jobs: what it says, what it refuses, and that it is written as it is read."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.dashboard.jobs import search as job_search
from service.dashboard.jobs.search import STATES, Query, instant, parse, path_of, write
from service.errors import InvalidInput

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40)
VALUES = st.one_of(TEXT, st.sampled_from(["a b", '"', "\\", '\\"', "-x", "x:y", "", "cron:a b"]))
KEYS = st.text("abcXYZ019._-é/", min_size=1, max_size=12)
QUERIES = st.builds(
    Query,
    state=st.none() | st.sampled_from(STATES),
    queue=st.none() | VALUES,
    name=st.none() | VALUES,
    actor=st.none() | VALUES,
    error=st.none() | VALUES,
    since=st.none() | st.sampled_from(["2h", "30min", "7d", "2026-11-01", "2026-11-01T14:00Z"]),
    until=st.none() | st.sampled_from(["15m", "2026-11-01 14:00"]),
    arguments=st.lists(st.tuples(KEYS, VALUES), max_size=3).map(tuple),
    words=st.lists(VALUES, max_size=3).map(tuple),
)


@given(QUERIES)
def test_what_is_written_is_read_as_the_same(query: Query) -> None:
    assert parse(write(query)) == query


@given(st.text(max_size=200))
def test_anything_is_read_or_refused_in_words(text: str) -> None:
    """No line fails otherwise; what was understood is understood again once it is written."""
    try:
        query = parse(text)
    except InvalidInput as error:
        assert [problem.field for problem in error.problems] == ["q"]
        assert len(error.problems[0].message) > 10
    else:
        assert parse(write(query)) == query


def test_every_field_is_understood() -> None:
    line = (
        "queue:emails state:DEAD name:posts.publish args.post:13 args.url:http://x/?a=b actor:ann "
        'error:"timed out" since:2h until:2026-11-01 posts.sweep'
    )
    assert parse(line) == Query(
        state="dead",
        queue="emails",
        name="posts.publish",
        actor="ann",
        error="timed out",
        since="2h",
        until="2026-11-01",
        arguments=(("post", "13"), ("url", "http://x/?a=b")),
        words=("posts.sweep",),
    )


@pytest.mark.parametrize(
    "job_id",
    [
        "publish:0191b7a2-0000-7000-8000-000000000001:2",
        "cron:posts.sweep:1770000000000",
        "step:0191b7a2-0000-7000-8000-000000000001:1",
        "batch:0191b7a2-0000-7000-8000-000000000001",
    ],
)
def test_an_id_with_colons_is_a_word(job_id: str) -> None:
    assert parse(f" {job_id} ") == Query(words=(job_id,))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("colour:red", f"There is no field 'colour'. Fields are {job_search.ALLOWED}."),
        ("-state:dead", "'-state': a search says what jobs have, so a minus is not known."),
        ("-dead", "'-dead': a search says what jobs have, so a minus is not known."),
        ("state:gone", f"There is no state 'gone'. States are {', '.join(STATES)}."),
        ("queue:", "queue: needs a value, such as queue:publishing."),
        ("args.:1", f"There is no field 'args.'. Fields are {job_search.ALLOWED}."),
        ('error:"open', 'A quotation mark is not closed. Inside quotes write \\" for one.'),
        ("queue:a queue:b", "queue: is given twice."),
        (
            "since:tuesday",
            "since: takes a span such as 30min, 2h, 3d, or a time such as 2026-11-01.",
        ),
        ("since:999999w", "since: takes a span such as 30min, 2h, 3d, or a time such as "
         "2026-11-01."),
        ("name:" + "x" * 501, "A value has at most 500 characters."),
        ("x" * 2001, "A search has at most 2000 characters, and no character 0."),
        ("a\x00b", "A search has at most 2000 characters, and no character 0."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(line: str, message: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(line)
    assert refused.value.problems[0].message == message


def test_everything_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse("colour:red state:gone")
    assert "no field 'colour'" in refused.value.problems[0].message
    assert "no state 'gone'" in refused.value.problems[0].message


def test_times_are_spans_or_dates_of_the_persons_zone() -> None:
    paris = ZoneInfo("Europe/Paris")
    assert instant("90min", NOON, paris) == NOON - timedelta(minutes=90)
    assert instant("2w", NOON, paris) == NOON - timedelta(days=14)
    assert instant("2026-11-01", NOON, paris) == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert instant("2026-11-01T14:00+05:00", NOON, paris) == datetime(2026, 11, 1, 9, tzinfo=UTC)
    for wrong in ("0001-01-01", "two hours", "", "2h30"):
        with pytest.raises(ValueError, match=r".*"):
            instant(wrong, NOON, paris)


def test_a_search_has_an_address() -> None:
    assert path_of(Query()) == "/jobs"
    query = replace(Query(), state="dead", error='a "b"')
    assert path_of(query) == "/jobs?q=state%3Adead+error%3A%22a+%5C%22b%5C%22%22"
