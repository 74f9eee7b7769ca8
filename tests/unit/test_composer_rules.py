"""The composer's pure parts: choices and blocks survive being written into a form and read back."""

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import FormData, UploadFile

from service.dashboard.publishing import blocks, choices, faults, fields
from service.dashboard.publishing.blocks import Block
from service.dashboard.publishing.previews import said
from service.errors import Problem
from service.platforms.limits import OptionField

FIELDS = {
    "title": OptionField("", required=True, most=100),
    "kind": OptionField("", "choice", ("post", "reel"), default="post"),
    "tags": OptionField("", "words"),
    "sensitive": OptionField("", "flag"),
    "notify": OptionField("", "flag", default=True),
    "kids": OptionField("", "flag", required=True),
}
word = st.text(st.characters(exclude_characters=";\n", exclude_categories=["Cs"]), min_size=1)
words = st.lists(word.map(str.strip).filter(bool), min_size=1)


@given(words)
def test_words_come_back(found: list[str]) -> None:
    """Also those with commas, and one alone with a comma."""
    assert choices.split(choices.text_of(found)) == found


chosen = st.fixed_dictionaries(
    {},
    optional={
        "title": word.map(str.strip).filter(bool),
        "kind": st.just("reel"),
        "tags": words,
        "sensitive": st.booleans(),
        "notify": st.just(value=False),
        "kids": st.booleans(),
    },
)


@given(chosen)
def test_choices_come_back(found: dict[str, object]) -> None:
    """What differs from the default is stored, typed, sent and stored again as it was."""
    typed = {name: choices.text_of(value) for name, value in found.items()}
    assert choices.options(FIELDS, typed) == found
    shown = {field.name: field.value for field in choices.choices(FIELDS, typed)}
    assert {name: shown[name] for name in typed} == typed


def test_what_is_not_sent_is_no_answer_but_for_boxes() -> None:
    """A box that is not ticked is not sent; a list without an answer leaves it to the account."""
    assert choices.settled(FIELDS, {}) == {"notify": "no"}
    assert choices.options(FIELDS, choices.settled(FIELDS, {})) == {"notify": False}
    controls = {field.name: field.control for field in choices.choices(FIELDS, {})}
    assert controls == {
        "title": "line",
        "kind": "select",
        "tags": "line",
        "sensitive": "select",
        "notify": "box",
        "kids": "select",
    }


def test_names_for_programs_are_read_by_people() -> None:
    """Of options and of what they offer."""
    names = {"made_for_kids": "Made for kids", "mentionedUsers": "Mentioned users"}
    assert {name: choices.words(name) for name in names} == names
    assert choices.words("PUBLIC_TO_EVERYONE") == "Public to everyone"


@given(st.integers(0, blocks.LONGEST))
def test_a_delay_comes_back(seconds: int) -> None:
    """In the largest unit that has no rest."""
    block = Block.of({"kind": "comment", "text": "", "media": [], "delay": seconds})
    assert block.seconds == seconds


@given(st.text(max_size=20), st.sampled_from(sorted(blocks.UNITS)))
def test_a_delay_is_a_number_or_nothing(typed: str, unit: str) -> None:
    """Whatever somebody types."""
    found = Block(delay=typed, unit=unit).seconds
    assert found is None or 0 <= found <= blocks.LONGEST


numbers = st.lists(st.text("ab"), max_size=5)


@given(numbers, st.sampled_from(["add", "remove", "raise"]), st.text("0123456789x", max_size=4))
def test_buttons_lose_nothing(texts: list[str], button: str, value: str) -> None:
    """One is added, one is gone, two have changed places, or all is as it was."""
    before = [Block(text=text) for text in texts]
    after = blocks.arranged(before, FormData({button: value}))
    if button == "remove":
        assert len(before) - len(after) in {0, 1}
    else:
        assert sorted(block.text for block in after) == sorted(texts)
    assert [block.text for block in before] == texts


def test_a_problem_finds_its_field() -> None:
    """By the paths that the API gives."""
    account = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    places = {
        "text": "text",
        "media[0].alt": "media",
        "thread[1].text": "part-1-text",
        "thread[0].media[2].id": "part-0-media",
        "thread[0].link": "part-0-text",
        f"overrides.{account}.text": f"text-{account}",
        f"overrides.{account}.media[0].id": f"own-{account}-media",
        f"overrides.{account}.options.made_for_kids": f"choice-{account}-made_for_kids",
        f"overrides.{account}.thread": f"follow-{account}",
        "overrides.x": "overrides",
    }
    assert {field: faults.place(field) for field in places} == places


def test_a_problem_says_where_it_is() -> None:
    """As people count: from one."""
    said_of = {
        "text": "wrong",
        "media[1]": "File 2: wrong",
        "media[0].alt": "Description of file 1: wrong",
        "thread[1].text": "Follow-up 2: wrong",
        "thread[0].media[2].alt": "Follow-up 1: Description of file 3: wrong",
    }
    assert {field: said(Problem(field, "wrong")) for field in said_of} == said_of


def test_a_field_may_hold_anything() -> None:
    """What is no id and no number is left out, whoever sent it."""
    id_ = "01a20000-0000-7000-8000-000000000000"
    sent: list[tuple[str, str | UploadFile]] = [
        (f"choice-{id_}-title", "a\r\nb"),
        ("choice-x", "1"),
        (f"choice-{id_}", "2"),
        *(("part", value) for value in ("1", "0", "1", "-1", "²", "99999")),
    ]
    form = FormData(sent)
    assert {str(k): v for k, v in fields.by_id_and_name(form, "choice-").items()} == {
        id_: {"title": "a\nb"}
    }
    assert fields.in_order(form, "part", 5) == [1, 0]
