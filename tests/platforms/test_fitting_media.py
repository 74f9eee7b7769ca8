"""What is done to images and videos before a platform gets them, and what nothing helps.

Checklist: V003.
"""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.platforms import fitting
from service.platforms.contract import MediaFile
from service.platforms.fitting import ImagePlan, VideoPlan, key, plan
from service.platforms.limits import Limits, VideoLimits

VIDEO = VideoLimits(bytes=10_000_000, seconds=(1, 60), ratio=(0.5, 2.0))
LIMITS = Limits(
    text_units=100,
    unit="characters",
    image_types=("image/jpeg",),
    image_bytes=1_000_000,
    image_pixels=1440,
    image_ratio=(0.8, 1.91),
    videos=1,
    video=VIDEO,
)
IMAGE = MediaFile(UUID(int=1), Path("a"), "image/jpeg", 900_000, width=1200, height=1000)
CLIP = MediaFile(
    UUID(int=2),
    Path("b"),
    "video/mp4",
    9_000_000,
    width=1280,
    height=720,
    seconds=20.0,
    frame_rate=30.0,
    video_codec="h264",
    audio_codec="aac",
)


def codes(file: MediaFile, limits: Limits = LIMITS) -> list[str]:
    return [problem.code for problem in fitting.problems("media[0]", file, limits)]


def with_video(**changes: object) -> Limits:
    return replace(LIMITS, video=replace(VIDEO, **changes))  # type: ignore[arg-type] # fields of it


def test_what_fits_is_left_alone() -> None:
    assert plan(IMAGE, LIMITS) is None
    assert plan(CLIP, LIMITS) is None
    assert codes(IMAGE) == codes(CLIP) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"content_type": "image/png"},
        {"content_type": "image/webp"},
        {"content_type": "image/gif"},
        {"size": 1_000_001},
        {"width": 1441},
    ],
)
def test_images_that_are_mended(changes: dict[str, object]) -> None:
    file = replace(IMAGE, **changes)  # type: ignore[arg-type] # fields of it
    assert plan(file, LIMITS) == ImagePlan("image/jpeg", 1_000_000, 1440)
    assert codes(file) == []


def test_a_png_stays_one_unless_it_would_be_too_large() -> None:
    limits = replace(LIMITS, image_types=("image/jpeg", "image/png"))
    wide = replace(IMAGE, content_type="image/png", width=1500)
    assert plan(wide, limits) == ImagePlan("image/png", 1_000_000, 1440)
    assert plan(replace(wide, size=2_000_000), limits) == ImagePlan("image/jpeg", 1_000_000, 1440)
    only = replace(LIMITS, image_types=("image/png",))
    assert plan(IMAGE, only) == ImagePlan("image/png", 1_000_000, 1440)


@pytest.mark.parametrize("content_type", ["image/gif", "image/webp", "image/png"])
def test_what_moves_never_stands_still(content_type: str) -> None:
    """Neither as another type nor smaller; where it is taken as it is, nothing is done."""
    moving = replace(IMAGE, content_type=content_type, seconds=1.2)
    assert plan(moving, LIMITS) is None
    [problem] = fitting.problems("media[0]", moving, LIMITS)
    assert problem.code == "image_type"
    assert problem.message.endswith("It moves; as another image it would stand still.")
    taken = replace(LIMITS, image_types=(content_type,))
    assert (plan(moving, taken), codes(moving, taken)) == (None, [])
    assert codes(replace(moving, size=2_000_000), taken) == ["image_too_large"]


def test_a_gif_that_nobody_has_measured_is_held_to_move() -> None:
    old = replace(IMAGE, content_type="image/gif", width=None, height=None)
    assert (plan(old, LIMITS), codes(old)) == (None, ["image_type"])
    old = replace(old, content_type="image/png")
    assert (plan(old, LIMITS), codes(old)) == (ImagePlan("image/jpeg", 1_000_000, 1440), [])


def test_shapes_are_for_a_person_to_change() -> None:
    assert codes(replace(IMAGE, width=1000, height=2000)) == ["ratio"]
    assert codes(replace(CLIP, width=2000, height=400)) == ["ratio"]


def test_unknown_types_are_told_with_their_size() -> None:
    bitmap = replace(IMAGE, content_type="image/bmp", size=1_000_001)
    assert (plan(bitmap, LIMITS), codes(bitmap)) == (None, ["image_type", "image_too_large"])
    none = replace(LIMITS, image_types=())
    assert (plan(IMAGE, none), codes(IMAGE, none)) == (None, ["image_type"])


@pytest.mark.parametrize(
    ("changes", "picture", "sound"),
    [
        ({"content_type": "video/quicktime"}, True, True),
        ({"audio_codec": "mp3"}, True, False),
        ({"video_codec": "hevc"}, False, True),
        ({"content_type": "video/webm", "video_codec": "vp9", "audio_codec": "opus"}, False, False),
        ({"size": 10_000_001}, False, False),
    ],
)
def test_videos_that_are_mended(changes: dict[str, object], picture: bool, sound: bool) -> None:
    """What is good already is taken over, not encoded a second time."""
    file = replace(CLIP, **changes)  # type: ignore[arg-type] # fields of it
    found = plan(file, LIMITS)
    assert isinstance(found, VideoPlan)
    assert (found.copies_picture, found.copies_sound) == (picture, sound)
    assert (found.size, found.frame_rate, found.most_bytes) == (None, None, 10_000_000)
    assert codes(file) == []


def test_frame_rate_and_dimensions_are_lowered() -> None:
    found = plan(replace(CLIP, frame_rate=59.94), with_video(frame_rate=30.0))
    assert isinstance(found, VideoPlan)
    assert (found.frame_rate, found.copies_picture) == (30.0, False)
    assert plan(replace(CLIP, frame_rate=30.003), with_video(frame_rate=30.0)) is None
    found = plan(CLIP, with_video(width=1000, height=1000))
    assert isinstance(found, VideoPlan)
    assert found.size == (1000, 562)


def test_a_long_video_gets_the_rate_that_its_bytes_allow() -> None:
    found = plan(replace(CLIP, size=20_000_000, seconds=50.0), LIMITS)
    assert isinstance(found, VideoPlan)
    assert found.picture_rate == 10_000_000 * 8 * 95 // 100 // 50 - 128_000
    hopeless = replace(CLIP, size=200_000_000, seconds=50.0)
    tiny = with_video(bytes=1_000_000)
    assert (plan(hopeless, tiny), codes(hopeless, tiny)) == (None, ["video_too_large"])


def test_what_only_a_person_can_do_to_a_video() -> None:
    assert codes(replace(CLIP, seconds=61.0)) == ["video_length"]
    other = with_video(types=("video/webm",), video_codecs=("vp9",))
    assert plan(CLIP, other) is None
    assert codes(CLIP, other) == ["video_type", "video_codec"]
    assert codes(replace(CLIP, content_type="video/x-matroska")) == ["video_type"]


def test_keys_tell_plans_apart() -> None:
    one, other = ImagePlan("image/jpeg", 1000), ImagePlan("image/jpeg", 1000, 480)
    assert key(one) == key(ImagePlan("image/jpeg", 1000)) != key(other)
    assert len(key(one)) == 64


@given(
    width=st.integers(2, 8000),
    height=st.integers(2, 8000),
    most=st.tuples(st.integers(16, 4000), st.integers(16, 4000)),
)
def test_smaller_videos_are_even_and_fit(width: int, height: int, most: tuple[int, int]) -> None:
    limits = with_video(width=most[0], height=most[1], ratio=None)
    found = plan(replace(CLIP, width=width, height=height), limits)
    if width <= most[0] and height <= most[1]:
        assert found is None
        return
    assert isinstance(found, VideoPlan)
    assert found.size is not None
    assert all(side % 2 == 0 and side >= 2 for side in found.size)
    assert found.size[0] <= most[0]
    assert found.size[1] <= most[1]
