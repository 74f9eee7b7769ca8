"""How a file is cut for X."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms.x.limits import VIDEO_BYTES
from service.platforms.x.uploads import MOST_SEGMENTS, SEGMENT_BYTES, segments


@given(st.integers(1, MOST_SEGMENTS * SEGMENT_BYTES))
def test_segments_cover_a_file_once(size: int) -> None:
    """Whatever its size: in order, without a gap, none empty, none too large, few enough."""
    plan = segments(size)
    assert [segment.index for segment in plan] == [*range(len(plan))]
    assert len(plan) <= MOST_SEGMENTS
    assert all(0 < segment.size <= SEGMENT_BYTES for segment in plan)
    ends = [segment.start + segment.size for segment in plan]
    assert [0, *ends] == [*(segment.start for segment in plan), size]


def test_more_segments_than_x_numbers() -> None:
    """The largest video that validation allows is the largest that can be cut."""
    assert len(segments(VIDEO_BYTES)) == MOST_SEGMENTS
    with pytest.raises(ValueError, match="more than 1,000 segments"):
        segments(VIDEO_BYTES + 1)
