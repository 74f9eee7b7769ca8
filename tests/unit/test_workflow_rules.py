"""Rules of workflows without any server: definitions, references, progress."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from service.posts import jobs as posts_jobs
from service.queue import RetryPolicy, declared, job
from service.workflows import rules
from service.workflows.building import chain, given, group, output, results, step, workflow
from service.workflows.progress_rules import estimated_finish, percent
from service.workflows.reference_rules import Reference, Scope, Unresolvable, reference_in, resolve
from service.workflows.schemas import StepIn, WorkflowIn


@job("flowrules.count", queue="flowrules", coroutine="tests.unit.count")
async def count(number: int, word: str = "") -> int:
    """Return the number."""
    raise NotImplementedError


@job("flowrules.secret", queue="flowrules", coroutine="tests.unit.secret", sensitive=True)
async def secret() -> None:
    """Do nothing."""
    raise NotImplementedError


def problems(definition: WorkflowIn) -> dict[str, str]:
    return {p.field: p.message for p in rules.problems(definition, declared())}


def one(**values: Any) -> WorkflowIn:
    return WorkflowIn(name="one", steps=[StepIn(**{"key": "a", "job": "flowrules.count"} | values)])


@pytest.mark.parametrize(
    ("definition", "field", "message"),
    [
        (WorkflowIn(name="x", steps=[]), "steps", "a workflow has at least one step"),
        (one(), "steps[0].arguments", "missing a required argument: 'number'"),
        (one(arguments={"number": 1, "x": 2}), "steps[0].arguments",
         "got an unexpected keyword argument 'x'"),
        (one(arguments={"number": "1"}), "steps[0].arguments",
         "argument number: Expected `int`, got `str`"),
        (one(job="no.job"), "steps[0].job", "there is no job 'no.job'"),
        (one(job="flowrules.secret"), "steps[0].job",
         "flowrules.secret is sensitive: its values would be readable"),
        (one(job="posts.publish", arguments={"delivery_id": str(uuid4()), "version": 1}),
         "steps[0].job", "posts.publish belongs to a row of its own, not to a step"),
        (one(job=None), "steps[0]", "is either a job or a workflow"),
        (one(arguments={"number": 1}, queue="nowhere"), "steps[0].queue",
         "no job is declared for a queue 'nowhere'"),
        (one(arguments={"number": 1}, after=["a"]), "steps", "these wait for each other: a → a"),
        (one(arguments={"number": 1}, after=["z"]), "steps[0].after", "there is no step 'z'"),
        (one(arguments={"number": output("a")}), "steps[0].arguments",
         "{\"$output\": [\"a\"]}: 'a' need not have ended then; add it to 'after'"),
        (one(arguments={"number": given("a", 0)}).model_copy(update={"input": {"a": "text"}}),
         "steps[0].arguments", '{"$input": ["a", 0]}: the input has no such part'),
        (one(arguments={"number": results()}), "steps[0].arguments",
         '{"$results": []}: it comes after 0 steps'),
        (one(arguments={"number": {"$output": ["a"], "x": 1}}), "steps[0].arguments",
         "beside $output nothing else may stand"),
        (one(arguments={"number": {"$input": "a"}}), "steps[0].arguments",
         "$input needs a list of names and positions"),
        (one(arguments={"number": 1, "word": "x" * 300_000}), "steps[0].arguments",
         "has 300,025 bytes, at most 262,144 are allowed; pass an id or a URL"),
        (group(*(count(number=n) for n in range(2001))).named("x"), "steps",
         "2,001 steps; at most 2,000 are allowed"),
        (chain(*(group(*(count(number=n) for n in range(150))) for _ in range(2))).named("x"),
         "steps", "22,500 pairs in 'after'; at most 20,000 are allowed"),
    ],
)  # fmt: skip
def test_a_wrong_definition_is_refused(definition: WorkflowIn, field: str, message: str) -> None:
    """Part 4: with the place and the reason."""
    assert posts_jobs.publish.name in declared()
    assert problems(definition) == {field: message}


def test_nesting_has_an_end() -> None:
    inside = one(arguments={"number": 1})
    for _ in range(3):
        inside = chain(inside).named("more")
    assert problems(inside) == {}
    assert problems(chain(inside).named("most")) == {
        "steps": "workflows are nested more than 4 deep"
    }


def test_problems_inside_a_nested_workflow_say_where() -> None:
    """Its own steps and input are its own; what it is given is checked outside."""
    inner = one(arguments={"number": given("missing")})
    definition = chain(count(number=1), step("in", inner, undo=count(number=1))).named("outer")
    assert problems(definition) == {
        "steps[1].undo": "the steps of a nested workflow have their own",
        "steps[1].workflow.steps[0].arguments": (
            '{"$input": ["missing"]}: the input has no such part'
        ),
    }


def test_what_a_step_cannot_keep_is_refused_where_it_is_built() -> None:
    with pytest.raises(ValueError, match="an id of its own"):
        chain(count(number=1).deferred(job_id="mine")).named("x")
    with pytest.raises(ValueError, match="an id of its own"):
        chain(count(number=1).unique(10)).named("x")


def test_an_empty_group_holds_nothing_up() -> None:
    """What stands behind it still comes after what stands before it."""
    flow = chain(step("a", count(number=1)), group(), step("b", count(number=2)))
    assert flow.named("x").steps[1].after == ["a"]


def test_a_nested_workflow_takes_no_limits() -> None:
    """They would be forgotten, so they are refused."""
    definition = chain(step("in", one(arguments={"number": 1}), timeout=5)).named("outer")
    assert problems(definition) == {
        "steps[0]": "a workflow takes 'input'; the rest is said of its own steps"
    }


def test_python_and_json_say_the_same() -> None:
    """The builder writes what the API takes."""
    built = (
        workflow("pair")
        .step("a", count(number=given("n")), timeout=5, retry=RetryPolicy(2))
        .step("b", count(number=output("a")).in_lane("low"), after=["a"], undo=count(number=0))
        .build({"n": 3})
    )
    assert WorkflowIn.model_validate_json(built.model_dump_json()) == built
    first, second = built.model_dump(exclude_defaults=True)["steps"]
    assert first == {
        "key": "a", "job": "flowrules.count", "arguments": {"number": {"$input": ["n"]}},
        "timeout": 5, "retry": {"tries": 2},
    }  # fmt: skip
    assert (second["lane"], second["undo"]["job"]) == ("low", "flowrules.count")
    assert problems(built) == {}


GRAPHS = st.integers(1, 8).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=3), min_size=size, max_size=size
    )
)


@examples(GRAPHS)
def test_an_order_or_a_circle(graph: list[list[int]]) -> None:
    """Every key is in the order behind what it waits for, or a circle is named that exists."""
    after = {str(key): [str(k) for k in dict.fromkeys(keys)] for key, keys in enumerate(graph)}
    order, circle = rules.sort(after)
    seen: set[str] = set()
    for key in order:
        assert seen.issuperset(after[key])
        seen.add(key)
    assert (not circle) == (len(order) == len(after))
    for key, following in zip(circle, [*circle[1:], *circle[:1]], strict=True):
        assert key in after[following]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
)


@examples(JSON)
def test_values_without_references_stay_as_they_are(value: Any) -> None:
    assert resolve(value, Scope(None).value) == value


def test_references_are_replaced_wherever_they_stand() -> None:
    scope = Scope({"a": [10, 20]}, {"x": {"y": 1}, "z": None}, ["z", "x"])
    value = {"l": [output("x", "y"), {"k": given("a", 1)}], "r": results(), "s": results(1, "y")}
    assert resolve(value, scope.value) == {
        "l": [1, {"k": 20}], "r": [None, {"y": 1}], "s": 1,
    }  # fmt: skip
    # What a step returned is a value, whatever it looks like.
    looks_like_one = Scope(None, {"x": {"$output": ["x"]}})
    assert resolve(output("x"), looks_like_one.value) == {"$output": ["x"]}
    astray: list[list[str | int]] = [["a", 2], ["a", "0"], ["b"], ["a", 0, 0]]
    for path in astray:
        with pytest.raises(Unresolvable, match="leads nowhere"):
            scope.value(Reference("$input", path))
    assert reference_in({"$other": 1}) is None


@dataclass
class Known:
    """A step as the estimate sees it."""

    key: str
    after: list[str]
    state: str
    released_at: datetime | None = None


def test_the_estimate_is_the_longest_way() -> None:
    now = datetime(2030, 1, 1, tzinfo=UTC)
    ago = now - timedelta(seconds=4)
    steps = [
        Known("a", [], "succeeded"),
        Known("b", ["a"], "running", ago),
        Known("c", ["a"], "running", ago),
        Known("d", ["b", "c"], "waiting"),
    ]
    times = {"a": 100.0, "b": 10.0, "c": 1.0, "d": 5.0}
    assert estimated_finish(steps, times, now) == now + timedelta(seconds=11)
    assert estimated_finish(steps, times | {"b": 2.0}, now) == now + timedelta(seconds=5)
    assert estimated_finish(steps, {"a": 1.0}, now) is None
    assert estimated_finish([*steps, Known("e", [], "failed")], times | {"e": 1}, now) is None


@examples(st.lists(st.integers(0, 100), min_size=1, max_size=30))
def test_progress_is_full_only_at_the_end(told: list[int]) -> None:
    found = percent(sum(told), len(told))
    assert 0 <= found <= 100
    assert (found == 100) == all(each == 100 for each in told)
