"""Files of posts as people have them: spreadsheets, exports, JSON lines; and what is none."""

import io
from datetime import UTC, datetime
from itertools import islice

import pytest

from service.errors import InvalidInput
from service.kit.records import Record, records
from service.posts.importing_rules import instant, line_of, words


def read(content: bytes | str) -> list[Record]:
    """Return the records of a file."""
    raw = content if isinstance(content, bytes) else content.encode()
    return list(records(io.BytesIO(raw)))


def values(content: bytes | str) -> list[tuple[int, dict[str, object]]]:
    """Return lines and values."""
    return [(record.line, dict(record.values)) for record in read(content)]


@pytest.mark.parametrize(
    "content",
    [
        "id,text\n1,Hello\n2,Wörld\n",
        "\ufeffid,text\r\n1,Hello\r\n2,Wörld\r\n",
        "ID;Text\n1;Hello\n2;Wörld",
        "id\ttext\n1\tHello\n2\tWörld\n",
        '"id","text"\n"1","Hello"\n"2","Wörld"\n',
        "id,text\n1,Hello\n2,Wörld\n".encode("utf-16"),
    ],
)
def test_spreadsheets_write_csv_in_many_ways(content: bytes | str) -> None:
    assert values(content) == [
        (2, {"id": "1", "text": "Hello"}),
        (3, {"id": "2", "text": "Wörld"}),
    ]


def test_line_breaks_and_quotes_in_cells_keep_the_line_numbers() -> None:
    content = '\n\nid,text\n1,"One\ntwo, ""three"""\n\n , \n2,Four\n'
    assert values(content) == [
        (4, {"id": "1", "text": 'One\ntwo, "three"'}),
        (8, {"id": "2", "text": "Four"}),
    ]


def test_a_row_with_other_cells_than_the_header() -> None:
    """It is named, and the rows after it are read."""
    found = read("id,text\n1,a,b\n2\n3,c\n")
    assert [(r.line, r.problem) for r in found] == [
        (2, "has 3 cells, the header 2: quote cells with commas"),
        (3, "has 1 cells, the header 2: quote cells with commas"),
        (4, None),
    ]


def test_json_lines() -> None:
    content = '{"ID": 1, "hashtags": ["a"]}\n\nnonsense\n[1]\n{"id": 2}'
    found = read(content)
    assert [(r.line, dict(r.values)) for r in found] == [
        (1, {"id": 1, "hashtags": ["a"]}),
        (3, {}),
        (4, {}),
        (5, {"id": 2}),
    ]
    assert [r.problem is None for r in found] == [True, False, False, True]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"PK\x03\x04\x00\x00", "holds binary data: save it as CSV, UTF-8"),
        ("id,text\n1,Grüße\n".encode("latin-1"), "is not UTF-8"),
        (b'[{"id": 1}]', "is a JSON array: write one object per line"),
        (b"id,text,ID\n", "has the column 'id' twice"),
        (b'id,text\n1,"never ends\n', "line 2: is no CSV"),
    ],
)
def test_what_is_no_such_file_says_why(content: bytes, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read(content)
    (problem,) = refused.value.problems
    assert problem.field == "file"
    assert problem.message.startswith(why)


def test_only_what_is_needed_is_read() -> None:
    """A file of any size: its first records come before its end is read."""
    source = io.BytesIO(b"id,text\n" + b"1,Hello\n" * 1_000_000)
    assert len(list(islice(records(source), 10))) == 10
    assert source.tell() < 100_000


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x,mastodon", ["x", "mastodon"]),
        ("x; mastodon", ["x", "mastodon"]),
        ("{x,mastodon}", ["x", "mastodon"]),
        ('["x", "mastodon"]', ["x", "mastodon"]),
        (["x", " mastodon ", ""], ["x", "mastodon"]),
        ({"x": True, "mastodon": 1, "feed": False}, ["x", "mastodon"]),
        ("", []),
        (None, []),
        ("[broken", ["broken"]),
    ],
)
def test_lists_as_systems_write_them(value: object, expected: list[str]) -> None:
    assert words(value) == expected


def test_columns_of_old_systems() -> None:
    """G029, G066: caption, schedule_time, platform and hashtags mean what they meant."""
    record = Record(
        7,
        {
            "id": 41,
            "content_id": 9,
            "platform": "twitter",
            "caption": "Hi",
            "hashtags": "#a #b",
            "schedule_time": datetime(2030, 1, 1, 9, tzinfo=UTC),
            "status": "Pending",
        },
    )
    line = line_of(record, "legacy", None)
    assert (line.line, line.key, line.open, line.problems) == (7, "legacy:41", True, [])
    assert line.platforms == ["twitter"]
    assert line.fields == {
        "text": "Hi",
        "link": None,
        "media": [],
        "hashtags": ["#a", "#b"],
        "publish_at": "2030-01-01T09:00:00+00:00",
        "zone": None,
        "content_id": "9",
        "draft": False,
    }


@pytest.mark.parametrize("status", ["published", "failed", "cancelled", "posted"])
def test_what_has_ended_is_not_to_go_out(status: str) -> None:
    assert not line_of(Record(1, {"id": "1", "status": status}), "", None).open


def test_a_record_without_an_id_is_known_by_what_it_says() -> None:
    first, same, other = (
        line_of(Record(n, {"text": text}), "", None).key
        for n, text in enumerate(("One", "One", "Two"))
    )
    assert first == same != other


@pytest.mark.parametrize(
    ("value", "column"),
    [
        ({"draft": "perhaps"}, "draft"),
        ({"id": "a\u0000b"}, "id"),
        ({"id": "x" * 201}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"colour": "red"}, "line"),
    ],
)
def test_bad_values_are_named(value: dict[str, object], column: str) -> None:
    assert [name for name, _ in line_of(Record(1, value), "", None).problems] == [column]


def test_times_stay_as_they_are_written() -> None:
    assert instant(" 2030-01-01 09:00 ") == "2030-01-01 09:00"
    assert instant("") is None
    assert instant(datetime(2030, 1, 1, 9)) == "2030-01-01T09:00:00"  # noqa: DTZ001 - as databases give it
