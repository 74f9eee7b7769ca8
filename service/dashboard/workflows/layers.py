"""Where the boxes and lines of a layered graph are drawn, from left to right.

A line over several layers goes through points that have a place of their own in each, so that it
passes between boxes; lines from one box go together as far as they can. Layers are ordered by the
middle of what their places are joined with.
"""

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

WIDTH, HEIGHT = 190, 58
"""Of a box."""
COLUMN, ROW = 62, 18
"""Between two boxes beside each other, and one below the other."""
THIN = 10
"""Height of the place where a line passes a layer."""
MARGIN = 8
ROUNDS = 8
"""Sweeps through the layers, each way."""

Place: TypeAlias = str | tuple[str, int]
"""Of a box, or in a layer of all the lines of one box that pass it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """Where boxes and lines are drawn."""

    x: Mapping[str, int]
    y: Mapping[str, int]
    paths: Mapping[tuple[str, str], str]
    """The `d` of a path, from one box to another."""
    width: int
    height: int


def place(layer: Mapping[str, int], lines: Sequence[tuple[str, str]]) -> Placed:
    """Return where boxes are drawn so that lines are short and seldom cross.

    Args:
        layer: of each box, counted from 0 on the left.
        lines: from a box to one of a later layer.
    """
    return _Places(layer, lines).placed()


class _Places:
    """Boxes, and the points of lines, in layers that are put in order."""

    def __init__(self, layer: Mapping[str, int], lines: Sequence[tuple[str, str]]) -> None:
        self._layers: list[list[Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
        self._ways: dict[tuple[str, str], list[Place]] = {}
        for key, number in layer.items():
            self._layers[number].append(key)
        self._before: dict[Place, list[Place]] = {key: [] for key in layer}
        self._behind: dict[Place, list[Place]] = {key: [] for key in layer}
        self._y: dict[Place, float] = {}
        for before, key in lines:
            self._ways[before, key] = self._way(before, key, range(layer[before] + 1, layer[key]))

    def _way(self, before: str, key: str, between: range) -> list[Place]:
        """Make the points of a line that are not there, and join all of it."""
        way: list[Place] = [before, *((before, number) for number in between), key]
        for number, point in zip(between, way[1:-1], strict=True):
            if point not in self._before:
                self._layers[number].append(point)
                self._before[point], self._behind[point] = [], []
        for one, other in pairwise(way):
            if other not in self._behind[one]:
                self._behind[one].append(other)
                self._before[other].append(one)
        return way

    def placed(self) -> Placed:
        """Return everything where it is drawn."""
        self._order()
        self._settle()
        top = min(self._y.values(), default=0)
        self._y = {place: y - top + MARGIN for place, y in self._y.items()}
        x = {
            place: MARGIN + number * (WIDTH + COLUMN)
            for number, places in enumerate(self._layers)
            for place in places
        }
        bottom = max((y + _height(place) for place, y in self._y.items()), default=0)
        return Placed(
            {key: at for key, at in x.items() if isinstance(key, str)},
            {key: round(y) for key, y in self._y.items() if isinstance(key, str)},
            {ends: self._path(way, x) for ends, way in self._ways.items()},
            max(len(self._layers) * (WIDTH + COLUMN) - COLUMN, 0) + 2 * MARGIN,
            round(bottom) + MARGIN,
        )

    def _order(self) -> None:
        """Order each layer by the middle of what its places are joined with; keep the best."""
        best, least = [list(places) for places in self._layers], self._crossings()
        for _ in range(ROUNDS):
            if least == 0:
                break
            for number in range(1, len(self._layers)):
                self._sort(number, self._layers[number - 1], self._before)
            for number in range(len(self._layers) - 2, -1, -1):
                self._sort(number, self._layers[number + 1], self._behind)
            if (crossings := self._crossings()) < least:
                best, least = [list(places) for places in self._layers], crossings
        self._layers = best

    def _sort(
        self, number: int, beside: Sequence[Place], joined: Mapping[Place, Sequence[Place]]
    ) -> None:
        at = {place: index for index, place in enumerate(beside)}
        own = {place: index for index, place in enumerate(self._layers[number])}

        def middle(place: Place) -> float:
            places = joined[place]
            return sum(at[other] for other in places) / len(places) if places else own[place]

        self._layers[number].sort(key=lambda place: (middle(place), own[place]))

    def _crossings(self) -> int:
        """Count how often lines between neighbouring layers cross."""
        count = 0
        for places, following in pairwise(self._layers):
            at = {place: index for index, place in enumerate(following)}
            passed: list[int] = []
            for place in places:
                ends = [at[other] for other in self._behind[place]]
                count += sum(len(passed) - bisect_right(passed, end) for end in ends)
                for end in ends:
                    insort(passed, end)
        return count

    def _settle(self) -> None:
        """Give each place its height: as near to what it is joined with as the order allows."""
        for places in self._layers:
            whole = sum(_height(place) + ROW for place in places)
            self._stack(places, -whole / 2)
        for _ in range(ROUNDS):
            for places in self._layers[1:]:
                self._near(places, self._before)
            for places in reversed(self._layers[:-1]):
                self._near(places, self._behind)

    def _near(self, places: Sequence[Place], joined: Mapping[Place, Sequence[Place]]) -> None:
        """Move the places of a layer to the middle of what they are joined with, in their order.

        Places that would lie upon each other become a block, which lies in their mean.
        """
        blocks: list[tuple[float, float, list[Place]]] = []
        for place in places:
            middles = [self._y[other] + _height(other) / 2 for other in joined[place]]
            height = _height(place)
            wanted = sum(middles) / len(middles) - height / 2 if middles else self._y[place]
            block = (wanted, float(height + ROW), [place])
            while blocks and blocks[-1][0] + blocks[-1][1] > block[0]:
                top, size, above = blocks.pop()
                members = [*above, *block[2]]
                mean = (top * len(above) + (block[0] - size) * len(block[2])) / len(members)
                block = (mean, size + block[1], members)
            blocks.append(block)
        for top, _, members in blocks:
            self._stack(members, top)

    def _stack(self, places: Sequence[Place], y: float) -> None:
        for place in places:
            self._y[place] = y
            y += _height(place) + ROW

    def _path(self, way: Sequence[Place], x: Mapping[Place, int]) -> str:
        """Return a curve through all places of a line, straight where it passes a layer."""
        parts: list[str] = []
        for one, other in pairwise(way):
            start, end = x[one] + WIDTH, x[other]
            y, following = (round(self._y[p]) + _height(p) // 2 for p in (one, other))
            begin = f"L{x[one]} {y}H{start}" if parts else f"M{start} {y}"
            half = (start + end) // 2
            parts.append(f"{begin}C{half} {y} {half} {following} {end} {following}")
        return "".join(parts)


def _height(place: Place) -> int:
    return HEIGHT if isinstance(place, str) else THIN
