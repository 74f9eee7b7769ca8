"""How graphs of steps are folded and drawn: properties of any graph, and a few drawn by hand."""

import re
from dataclasses import dataclass
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from service.dashboard.workflows import graph
from service.dashboard.workflows.graph import Drawing
from service.dashboard.workflows.layers import COLUMN, HEIGHT, MARGIN, WIDTH


@dataclass(frozen=True)
class Step:
    """A step that is drawn."""

    key: str
    kind: str
    after: tuple[str, ...] = ()


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    """Steps without a circle: each comes after some of those before it."""
    count = draw(st.integers(1, 30))
    steps: list[Step] = []
    for number in range(count):
        most = min(number, 4)
        chosen = draw(st.sets(st.integers(0, number - 1), max_size=most)) if number else set()
        kind = draw(st.sampled_from("ab"))
        steps.append(Step(f"s{number}", kind, tuple(f"s{before}" for before in sorted(chosen))))
    return steps


def drawn(steps: list[Step]) -> Drawing:
    found = graph.draw(steps, graph.fold(steps))
    assert found is not None
    return found


@given(graphs())
def test_every_step_is_in_one_box_and_no_two_boxes_touch(steps: list[Step]) -> None:
    drawing = drawn(steps)
    members = [key for box in drawing.boxes for key in box.members]
    assert sorted(members) == sorted(step.key for step in steps)
    for one, other in combinations(drawing.boxes, 2):
        assert abs(one.x - other.x) >= WIDTH + COLUMN or abs(one.y - other.y) >= HEIGHT
    for box in drawing.boxes:
        assert MARGIN <= box.x <= drawing.width - WIDTH - MARGIN
        assert MARGIN <= box.y <= drawing.height - HEIGHT - MARGIN


@given(graphs())
def test_every_line_leads_to_the_right_from_box_to_box(steps: list[Step]) -> None:
    """A line begins at the right side of what comes first and ends at the left of what follows."""
    drawing = drawn(steps)
    boxes = {box.key: box for box in drawing.boxes}
    box_of = {key: box.key for box in drawing.boxes for key in box.members}
    wanted = {(box_of[before], box_of[step.key]) for step in steps for before in step.after}
    assert {(line.before, line.after) for line in drawing.lines} == wanted
    for line in drawing.lines:
        before, after = boxes[line.before], boxes[line.after]
        numbers = [int(number) for number in re.findall(r"-?\d+", line.path)]
        assert numbers[:2] == [before.x + WIDTH, before.y + HEIGHT // 2]
        assert numbers[-2:] == [after.x, after.y + HEIGHT // 2]
        assert before.x < after.x


@given(graphs())
def test_only_alike_steps_of_one_layer_are_folded(steps: list[Step]) -> None:
    by_key = {step.key: step for step in steps}
    layer = graph.ranks({step.key: step.after for step in steps})
    for members in graph.fold(steps).values():
        assert len({by_key[key].kind for key in members}) == 1
        assert len({layer[key] for key in members}) == 1
        assert len(members) == 1 or len(members) >= graph.FOLD_FROM


def test_a_fan_out_is_one_box() -> None:
    chunks = [Step(f"chunk-{number}", "chunk", ("split",)) for number in range(1000)]
    steps = [Step("split", "split"), *chunks, Step("sum", "sum", tuple(c.key for c in chunks))]
    drawing = drawn(steps)
    assert [len(box.members) for box in drawing.boxes] == [1, 1000, 1]
    assert [(line.before, line.after) for line in drawing.lines] == [
        ("split", "chunk-0"),
        ("chunk-0", "sum"),
    ]
    assert len({box.y for box in drawing.boxes}) == 1, "in one row"


def test_two_rows_of_a_fan_out_are_two_boxes() -> None:
    """Each chunk has a follower of its own: neighbours are alike, if not the same."""
    chunks = [Step(f"chunk-{n}", "chunk", ("split",)) for n in range(50)]
    stored = [Step(f"store-{n}", "store", (f"chunk-{n}",)) for n in range(50)]
    steps = [Step("split", "split"), *chunks, *stored]
    assert [len(box.members) for box in drawn(steps).boxes] == [1, 50, 50]


def test_what_differs_in_its_neighbours_stays_apart() -> None:
    chunks = [Step(f"chunk-{n}", "chunk", ("split",)) for n in range(12)]
    half = tuple(f"chunk-{n}" for n in range(6))
    steps = [Step("split", "split"), *chunks, Step("some", "some", half)]
    assert sorted(len(members) for members in graph.fold(steps).values()) == [1, 1, 6, 6]


def test_lines_that_need_not_cross_do_not() -> None:
    """Two ways that are written crosswise are drawn beside each other."""
    steps = [Step("a", "a"), Step("b", "b"), Step("c", "c", ("b",)), Step("d", "d", ("a",))]
    at = {box.key: box.y for box in drawn(steps).boxes}
    assert (at["a"] < at["b"]) == (at["d"] < at["c"])
    assert at["a"] == at["d"]


def test_a_long_line_passes_between_boxes() -> None:
    """The line from the first to the last step has a place of its own beside the one in between."""
    steps = [Step("a", "a"), Step("b", "b", ("a",)), Step("c", "c", ("a", "b"))]
    drawing = drawn(steps)
    between = next(box for box in drawing.boxes if box.key == "b")
    (long,) = (line for line in drawing.lines if line.before == "a" and line.after == "c")
    heights = [int(y) for y in re.findall(rf"L{between.x} (-?\d+)H", long.path)]
    assert len(heights) == 1
    assert not between.y <= heights[0] <= between.y + HEIGHT


def test_what_cannot_be_drawn_is_not() -> None:
    line = [Step("s0", "s"), *(Step(f"s{n}", "s", (f"s{n - 1}",)) for n in range(1, 2000))]
    assert graph.draw(line, graph.fold(line)) is None
    circle = [Step("a", "a", ("b",)), Step("b", "b", ("a",))]
    assert graph.ranks({step.key: step.after for step in circle}) == {}
    assert graph.draw([], {}) == Drawing([], [], 2 * MARGIN, MARGIN)
