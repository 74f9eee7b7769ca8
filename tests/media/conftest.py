"""Clips, made once for all tests of a process."""

from pathlib import Path

import pytest

from tests.media.clips import H264, VP8, film, turned


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the same two seconds in several containers."""
    folder = tmp_path_factory.mktemp("clips")
    film(folder / "plain.mp4", *H264)
    film(folder / "quick.mp4", *H264, "-movflags", "+faststart")
    film(folder / "camera.mov", *H264)
    film(folder / "web.webm", *VP8)
    film(folder / "fast.mp4", *H264, size="640x360")
    turned(folder / "plain.mp4", folder / "tall.mp4")
    return folder
