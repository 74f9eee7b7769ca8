"""Chunk plans keep TikTok's rules, whatever the size."""

from hypothesis import given
from hypothesis import strategies as st

from service.platforms.tiktok.chunks import CHUNK, Chunk, Plan, plan
from tests.servers.tiktok_rules import check_video_source

sizes = st.integers(1, 4 * 2**30)


@given(sizes)
def test_a_plan_is_what_the_documentation_allows(size: int) -> None:
    """Judged by the emulator's rules, which were written from the documentation."""
    cut = plan(size)
    source = {"video_size": cut.total, "chunk_size": cut.size, "total_chunk_count": cut.count}
    check_video_source({"source": "FILE_UPLOAD", **source})


@given(sizes)
def test_chunks_follow_one_another_to_the_end(size: int) -> None:
    cut = plan(size)
    position = 0
    for index in range(cut.count):
        chunk = cut[index]
        assert chunk.start == position
        assert chunk.size > 0
        position += chunk.size
    assert position == size


@given(sizes)
def test_the_last_chunk_is_quick_to_send(size: int) -> None:
    cut = plan(size)
    assert cut[cut.last].size < 2 * CHUNK


@given(sizes, st.integers(0, 4 * 2**30))
def test_only_whole_chunks_count_as_sent(size: int, uploaded: int) -> None:
    """And all of them only when every byte has arrived."""
    cut = plan(size)
    whole = cut.whole(uploaded)
    assert sum(cut[index].size for index in range(whole)) <= max(uploaded, 0) or whole == 0
    assert (whole == cut.count) == (uploaded >= size)
    if whole < cut.last:
        assert cut[whole].start + cut[whole].size > uploaded


def test_the_borders() -> None:
    assert plan(2 * CHUNK - 1) == Plan(2 * CHUNK - 1, 2 * CHUNK - 1, 1)
    assert plan(2 * CHUNK) == Plan(2 * CHUNK, CHUNK, 2)
    assert plan(3 * CHUNK - 1)[1] == Chunk(CHUNK, 2 * CHUNK - 1)
