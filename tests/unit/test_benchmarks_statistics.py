"""How benchmarks summarise what they measure."""

import pytest

from benchmarks.engine.statistics import Summary, number, percentile, steady_rate, summarise


def test_a_figure_is_the_median_of_its_rounds() -> None:
    assert summarise([3.0, 1.0, 8.0]) == Summary(median=3.0, low=1.0, high=8.0, rounds=3)


@pytest.mark.parametrize(
    ("percent", "expected"), [(50, 50.0), (99, 99.0), (99.5, 100.0), (100, 100.0), (0, 1.0)]
)
def test_percentiles_are_measured_values(percent: float, expected: float) -> None:
    assert percentile([float(value) for value in range(100, 0, -1)], percent) == expected


def test_a_percentile_needs_values() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_the_first_tenth_is_warm_up() -> None:
    # Of 500 jobs, 50 in the first second, then 100 a second.
    samples = [(0.0, 20), (1.0, 70), (1.5, 120), (5.0, 470), (5.5, 520)]
    assert steady_rate(samples) == 450 / 4.5


def test_a_rate_needs_time() -> None:
    with pytest.raises(ValueError, match="20 jobs were done too fast"):
        steady_rate([(0.0, 0), (1.0, 20)])


def test_numbers_keep_three_digits() -> None:
    assert [number(value) for value in (0.91234, 12.345, 123.4, 76_514.2)] == [
        "0.912",
        "12.3",
        "123",
        "76,514",
    ]
